#include "queue/whole_topic.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "broker/data/partitions.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/wire/script_error.hpp"

namespace mx_rmq::queue {

namespace {

// What was read of the settings counts for so long.
constexpr runtime::Duration read_again_after = std::chrono::seconds(1);

// The same error, with something before its text.
std::exception_ptr prefixed(const std::exception_ptr& error, const std::string& prefix) {
  try {
    std::rethrow_exception(error);
  } catch (const ServerError& e) {
    return std::make_exception_ptr(ServerError(e.code(), prefix + e.what()));
  } catch (const redis::ScriptError& e) {
    return std::make_exception_ptr(redis::ScriptError(prefix + e.what()));
  } catch (const OutcomeUnknown& e) {
    return std::make_exception_ptr(OutcomeUnknown(prefix + e.what()));
  } catch (const TlsError& e) {
    return std::make_exception_ptr(TlsError(prefix + e.what()));
  } catch (const ConnectionError& e) {
    return std::make_exception_ptr(ConnectionError(prefix + e.what()));
  } catch (const TimeoutError& e) {
    return std::make_exception_ptr(TimeoutError(prefix + e.what()));
  } catch (...) {
    return error;
  }
}

}  // namespace

WholeTopic::WholeTopic(redis::Client& client, const MQConfig& config, const std::string& topic,
                       broker::StoredSettings settings)
    : topic_(topic), settings_(std::move(settings)) {
  parts_.reserve(static_cast<std::size_t>(settings_.partitions));
  for (int i = 0; i < settings_.partitions; ++i) {
    const broker::TopicKeys keys(config.queue_prefix, topic, i);
    parts_.push_back(std::make_unique<Part>(client, keys, Duration(config.command_timeout)));
  }
}

Task<std::shared_ptr<WholeTopic>> WholeTopic::find(Access* access, std::string topic) {
  const TopicPorts::Use first = access->port(topic);
  runtime::EventLoop& loop = first->broker.loop();
  const runtime::TimePoint now = loop.now();
  if (!first->settings_read || now - *first->settings_read >= read_again_after) {
    co_await first->settings.read(now + Duration(access->config().command_timeout));
    first->settings_read = now;
  }
  broker::StoredSettings settings = first->settings.known();
  co_return std::make_shared<WholeTopic>(*access->client(), access->config(), topic,
                                         std::move(settings));
}

std::exception_ptr WholeTopic::name_first(const std::vector<std::exception_ptr>& errors) const {
  const auto first =
      std::ranges::find_if(errors, [](const std::exception_ptr& each) { return each != nullptr; });
  if (first == errors.end() || errors.size() == 1) return first == errors.end() ? nullptr : *first;
  const auto failed =
      std::ranges::count_if(errors, [](const std::exception_ptr& each) { return each != nullptr; });
  std::string prefix =
      "partition " + std::to_string(first - errors.begin()) + " of topic " + topic_;
  if (failed > 1) prefix += " (and " + std::to_string(failed - 1) + " others of them)";
  return prefixed(*first, prefix + ": ");
}

// By what generated ids say, and by where it went if it was chosen and had no key. Both may be
// wrong: then it is looked for everywhere.
std::vector<std::size_t> WholeTopic::likely(std::string_view id) const {
  std::vector<std::size_t> where;
  const auto add = [&](int partition) {
    const auto place = static_cast<std::size_t>(partition);
    if (place < size() && std::ranges::find(where, place) == where.end()) where.push_back(place);
  };
  if (const auto noted = broker::noted_partition(id)) {
    add(*noted);
  } else {
    add(broker::partition_of(broker::route_hash(id), static_cast<int>(size())));
  }
  return where;
}

Task<std::int64_t> WholeTopic::sum(std::shared_ptr<WholeTopic> self, Call<std::int64_t> call) {
  auto ends = co_await everywhere<std::int64_t>(std::move(self), std::move(call));
  if (ends.error) std::rethrow_exception(ends.error);
  std::int64_t all = 0;
  for (const auto& each : ends.results) all += each.value_or(0);
  co_return all;
}

Task<bool> WholeTopic::somewhere(std::shared_ptr<WholeTopic> self, std::string id,
                                 Call<bool> call) {
  const std::vector<std::size_t> first = self->likely(id);
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < self->size(); ++i) {
    if (std::ranges::find(first, i) == first.end()) others.push_back(i);
  }
  const auto is_so = [](const std::optional<bool>& each) { return each.value_or(false); };
  auto ends = co_await at<bool>(self, first, call);
  if (std::ranges::any_of(ends.results, is_so)) co_return true;
  const std::exception_ptr error = ends.error;
  if (!others.empty()) {
    ends = co_await at<bool>(self, std::move(others), std::move(call));
    if (std::ranges::any_of(ends.results, is_so)) co_return true;
  }
  if (error) std::rethrow_exception(error);
  if (ends.error) std::rethrow_exception(ends.error);
  co_return false;
}

}  // namespace mx_rmq::queue
