#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/options.hpp"
#include "redis/connection/seams.hpp"
#include "redis/topology/blocking_lane.hpp"
#include "redis/topology/lane.hpp"
#include "redis/topology/server_clock.hpp"

namespace mx_rmq::redis {

class Context;

/// How the connections of a client are.
struct ClientHealth {
  std::size_t lanes = 0;         ///< opened, blocking ones included
  std::size_t ready = 0;         ///< of those, usable now
  std::size_t refused = 0;       ///< of those, refused for credentials or rights
  std::uint64_t reconnects = 0;  ///< connections made anew, of all that exist
  std::string last_error;        ///< of a lane that is not usable; else empty
  /// What is there instead of a master that serves us, and what to write instead of its address, as far as a
  /// connection found that out; else empty.
  std::string unfit;
};

/// All connections of one queue to one Redis. Loop thread only. `close` must have completed before
/// it is destroyed, except when the loop has ended.
class Client {
 public:
  Client(runtime::EventLoop& loop, ClientOptions options);  ///< with Seams::real
  Client(runtime::EventLoop& loop, ClientOptions options, Seams seams);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The lane of `key` (modulo the pool's size); it begins to connect at its first use. Lives as
  /// long as the client.
  Lane& lane(std::size_t key);
  [[nodiscard]] std::size_t pool_size() const noexcept;
  /// Another connection, for blocking commands. To be destroyed before the client.
  std::unique_ptr<BlockingLane> open_blocking();

  [[nodiscard]] ServerClock& clock() noexcept;
  [[nodiscard]] runtime::EventLoop& loop() noexcept;
  [[nodiscard]] Rng& rng() noexcept;
  [[nodiscard]] ClientHealth health() const;

  /// Asks the server of lane 0 what it is: ROLE, INFO replication where that is refused, PING where both
  /// are. Returns if it can be used. Throws as Lane::send; ConnectionError also for a server that cannot
  /// be used, naming what it is, at once; an established connection to one is renewed, with all
  /// others of the queue.
  Task<> check(TimePoint deadline);

  /// No new command is taken; what was written is awaited up to `deadline`, then everything is
  /// closed and whatever still waits ends with OutcomeUnknown (written) or ShutdownError. Blocking
  /// waits are not awaited. Idempotent; never throws.
  Task<> close(TimePoint deadline);

 private:
  std::shared_ptr<Connection> open(bool blocking);
  static Task<> check_on(std::shared_ptr<Connection> connection, TimePoint deadline);

  std::shared_ptr<Context> context_;
  bool closing_ = false;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace mx_rmq::redis
