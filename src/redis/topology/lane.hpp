#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "redis/connection/connection_fsm.hpp"
#include "redis/topology/route.hpp"

namespace mx_rmq::redis {

class Connection;

/// One slot of a node's pool: keeps one pipelined connection alive, connecting again by itself; the
/// route to whatever is at that node. Its epoch is its connection's: one more for each usable one.
class Lane final : public Route {
 public:
  explicit Lane(std::shared_ptr<Connection> connection);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

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

  [[nodiscard]] LaneState state() const noexcept;
  /// If it is not usable now: whatever waits for a connection ends as not sent (ConnectionError),
  /// so that it can go elsewhere.
  void give_back(std::string why);
  [[nodiscard]] const std::shared_ptr<Connection>& connection() const noexcept {
    return connection_;
  }

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace mx_rmq::redis
