#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/canceller.hpp"
#include "broker/data/stored_settings.hpp"
#include "broker/dead_letter_store.hpp"
#include "broker/message_changer.hpp"
#include "broker/message_finder.hpp"
#include "broker/message_looker.hpp"
#include "broker/topic_broker.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "queue/access.hpp"
#include "redis/topology/client.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

/// All partitions of a topic, for what looks at them or moves things in them as one topic. Loop
/// thread only; the access that it was made for must be in use as long as it lives.
class WholeTopic {
 public:
  using Duration = runtime::Duration;

  /// One partition.
  struct Part {
    Part(redis::Client& client, const broker::TopicKeys& keys, Duration timeout)
        : broker(client.route(redis::LaneRole::manage, keys.tag()), keys),
          canceller(broker, timeout),
          dead_letters(broker, timeout),
          looker(broker, timeout),
          finder(broker, timeout),
          changer(broker, timeout) {}

    broker::TopicBroker broker;
    broker::Canceller canceller;
    broker::DeadLetterStore dead_letters;
    broker::MessageLooker looker;
    broker::MessageFinder finder;
    broker::MessageChanger changer;
  };
  /// With as many partitions as the topic has, as was read not longer than a second ago.
  static Task<std::shared_ptr<WholeTopic>> find(Access* access, std::string topic);

  WholeTopic(redis::Client& client, const MQConfig& config, const std::string& topic,
             broker::StoredSettings settings);

  [[nodiscard]] const std::string& topic() const noexcept { return topic_; }
  /// What is set for it, as was read not longer than a second before it was found.
  [[nodiscard]] const broker::StoredSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }
  [[nodiscard]] Part& part(std::size_t partition) const { return *parts_[partition]; }

  /// How a call at each partition ended.
  template <class Result>
  struct Ends {
    Ends() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

    std::vector<std::optional<Result>> results;  // by partition; nothing: it failed
    /// Of the first partition where it failed, naming that, if there are several.
    std::exception_ptr error;
  };
  template <class Result>
  using Call = std::function<Task<Result>(Part&)>;

  /// Makes a call at each of these partitions, at once.
  template <class Result>
  static Task<Ends<Result>> at(std::shared_ptr<WholeTopic> self, std::vector<std::size_t> where,
                               Call<Result> call) {
    Ends<Result> ends;
    ends.results.resize(self->size());
    std::vector<std::exception_ptr> errors(self->size());
    {
      runtime::Scope scope(self->parts_.front()->broker.loop());
      for (const std::size_t i : where) {
        scope.spawn(end_of<Result>(&call, &*self->parts_[i], &ends.results[i], &errors[i]));
      }
      co_await scope.join();
    }
    ends.error = self->name_first(errors);
    co_return std::move(ends);
  }
  template <class Result>
  static Task<Ends<Result>> everywhere(std::shared_ptr<WholeTopic> self, Call<Result> call) {
    std::vector<std::size_t> where(self->size());
    for (std::size_t i = 0; i < where.size(); ++i) where[i] = i;
    return at<Result>(std::move(self), std::move(where), std::move(call));
  }

  /// The sum over all partitions. If it failed somewhere, that is thrown, when all have ended.
  static Task<std::int64_t> sum(std::shared_ptr<WholeTopic> self, Call<std::int64_t> call);
  /// Whether it is so somewhere; first asked where a message with that id most likely is, then
  /// everywhere else. Where it is in no partition, and some could not be asked, that is thrown.
  static Task<bool> somewhere(std::shared_ptr<WholeTopic> self, std::string id, Call<bool> call);

 private:
  template <class Result>
  static Task<> end_of(const Call<Result>* call, Part* part, std::optional<Result>* result,
                       std::exception_ptr* error) {
    try {
      Result ended = co_await (*call)(*part);
      result->emplace(std::move(ended));
    } catch (...) {
      *error = std::current_exception();
    }
  }
  [[nodiscard]] std::exception_ptr name_first(const std::vector<std::exception_ptr>& errors) const;
  [[nodiscard]] std::vector<std::size_t> likely(std::string_view id) const;

  const std::string topic_;
  const broker::StoredSettings settings_;
  std::vector<std::unique_ptr<Part>> parts_;
};

using Whole = std::shared_ptr<WholeTopic>;

}  // namespace mx_rmq::queue
