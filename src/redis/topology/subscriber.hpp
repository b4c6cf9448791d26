#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/push_listener.hpp"
#include "redis/topology/route.hpp"
#include "redis/topology/subscriber_fsm.hpp"
#include "redis/topology/subscription.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::redis {

class Connection;
class ConnectionGroup;

/// Carries out what a SubscriberFsm decides: one connection in subscribe mode, with any number of
/// channels, which connects again and subscribes again by itself. It begins to connect with the
/// first channel. Loop thread only. `close` must have completed before it is destroyed, except when
/// the loop has ended.
class Subscriber final : public std::enable_shared_from_this<Subscriber>, private PushListener {
 public:
  struct Options {
    ChannelKind kind = ChannelKind::plain;
    /// What scripts publish over, so that the hello takes the same way; nullptr: nobody says hello,
    /// and a channel is up once it is subscribed. Must outlive close().
    Route* published_over = nullptr;
    /// Called with each hello: a server that is no master any more lets both sides live.
    std::function<void()> beside_hello{};
    /// Told when the server turns out not to know the kind.
    std::function<void(ChannelKind)> on_kind{};
  };

  Subscriber(std::shared_ptr<ConnectionGroup> group, Options options);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  /// May outlive the subscriber: then nothing comes any more.
  std::unique_ptr<Subscription> subscribe(const std::string& channel, Subscription::Events events);
  /// Why nobody can be told; see ClientHealth::mute.
  [[nodiscard]] std::string mute() const { return fsm_.mute(); }
  /// No event comes any more; the connection ends.
  void end();
  /// The same, and waits for what is under way.
  Task<> close();

 private:
  class Handle;
  struct Event {
    enum class Kind : std::uint8_t { usable, answer, push, ended };
    Kind kind;
    std::uint64_t epoch = 0;
    Reply reply{};
  };

  void on_usable(std::uint64_t epoch) noexcept override;
  void on_answer(Reply reply) noexcept override;
  void on_push(Reply reply) noexcept override;
  void on_ended() noexcept override;

  void note(Event event);
  void take_events();
  void perform();
  void perform_one(SubscriberAction& action);
  void send(bool subscribe, const std::string& channel);
  void tell(const SubscriberAction& action);
  void say_hello(SubscriberAction& action);
  static Task<> publish(std::shared_ptr<Subscriber> self, Command command, std::uint64_t number);
  void arm_timer();

  const std::shared_ptr<ConnectionGroup> group_;
  const Options options_;
  SubscriberFsm fsm_;
  std::shared_ptr<Connection> connection_;
  std::uint64_t epoch_ = 0;  // of the connection, as far as the machine was told; 0: it has ended
  std::uint64_t lane_hook_ = 0;
  bool closed_ = false;
  std::map<std::uint64_t, std::shared_ptr<const Subscription::Events>> listeners_;
  std::vector<Event> events_;  // noted and not taken
  bool performing_ = false;
  SubscriberActions actions_;
  runtime::TimerId timer_;
  TimePoint armed_for_ = TimePoint::max();
  runtime::Scope hellos_;
};

}  // namespace mx_rmq::redis
