#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "redis/connection/bearings.hpp"
#include "redis/topology/route.hpp"

namespace mx_rmq::redis {

class Lane;

/// A route whose node changes beneath it: it leads over the lane it was last moved to, or nowhere
/// while nobody knows where. Its epoch is its own: one more at each new connection of the lane, and
/// at each move, as soon as there is a connection. What is bound to an epoch is not sent after a
/// move; everything else that was not written by then goes over the new lane. What was written to
/// the old one is answered from there, or, if that node was dropped, has an unknown outcome.
class MovingRoute final : public Route {
 public:
  /// What to do about a MOVED or ASK; see Bearings::redirected. It may move the route.
  using Redirected = std::function<Bearings::Turn(const Connection& by, std::string_view text)>;

  /// Loop and randomness must outlive it. Without `redirected` a MOVED is a refusal.
  MovingRoute(runtime::EventLoop& loop, Rng& rng, Redirected redirected = {});
  ~MovingRoute();
  MovingRoute(const MovingRoute&) = delete;
  MovingRoute& operator=(const MovingRoute&) = delete;

  /// Leads over `lane` from now on, which must live until the next move or the end; nullptr:
  /// nowhere. `why` is told to whom that keeps waiting. Nothing if it is the same lane.
  void move_to(Lane* lane, std::string why);
  [[nodiscard]] Lane* lane() const noexcept;
  /// Nothing more is sent: what waits ends with ShutdownError.
  void close();

  Task<Reply> send(Command command, TimePoint deadline, std::uint64_t only_epoch = 0) override;
  Task<Reply> eval(const lua::Script& script, Command evalsha, TimePoint deadline,
                   std::uint64_t only_epoch = 0) override;
  Task<Reply> eval_with(const lua::Script& script, Command evalsha, std::vector<Command> behind,
                        Reply* last, TimePoint deadline) override;
  void connect() override;
  void reconnect(std::uint64_t epoch, std::string why) override;
  [[nodiscard]] std::uint64_t epoch() const noexcept override;
  [[nodiscard]] bool ready() const noexcept override;
  [[nodiscard]] std::string last_error() const override;
  std::uint64_t on_epoch(OnEpoch callback) override;
  void remove_on_epoch(std::uint64_t id) noexcept override;
  [[nodiscard]] ServerClock& clock() const noexcept override;
  [[nodiscard]] ChannelKind channels() const noexcept override;
  [[nodiscard]] runtime::EventLoop& loop() const noexcept override;
  [[nodiscard]] Rng& rng() const noexcept override;

 private:
  class State;
  static Task<Reply> send_asking(std::shared_ptr<Connection> connection, Command command,
                                 TimePoint deadline);
  static Task<Reply> send_over(std::shared_ptr<State> state, Command command, TimePoint deadline,
                               std::uint64_t only_epoch);

  const std::shared_ptr<State> state_;  // what is under way holds it too
};

}  // namespace mx_rmq::redis
