#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "mx_rmq/task.hpp"
#include "redis/connection/options.hpp"
#include "redis/connection/seams.hpp"
#include "redis/topology/client_health.hpp"
#include "redis/topology/route.hpp"
#include "redis/topology/shared.hpp"
#include "redis/topology/subscription.hpp"

namespace mx_rmq::redis {

/// What a lane carries, so that one kind of work does not hold up another.
enum class LaneRole : std::uint8_t {
  produce,  ///< batches of messages, and nothing that may take long
  manage,   ///< what looks at a topic and moves things in it: dead letters, metrics, cancelling
  durable,  ///< batches that wait for replicas, which hold up their lane: one a sender
  consume   ///< claims, settlements and leases; the sources of a client share its lanes in turn
};

/// The lanes of a client whose routes are durable, behind those to produce and to manage.
inline constexpr std::size_t first_durable = 2;
inline constexpr std::size_t durable_lanes = 3;

/// All connections of one queue to its Redis, whatever kind of Redis that is: each kind is an
/// implementation of this. Loop thread only. `close` must have completed before it is destroyed,
/// except when the loop has ended.
class Client {
 public:
  virtual ~Client() = default;

  /// The route to what serves the keys with the hash tag `tag`, or the key `tag` without one. It
  /// begins to connect at its first use, and lives as long as the client.
  virtual Route& route(LaneRole role, std::string_view tag) = 0;
  /// Listens to `channel` at what serves the hash tag `tag`. The same channel may be listened to
  /// more than once.
  virtual std::unique_ptr<Subscription> subscribe(std::string_view tag, std::string channel,
                                                  Subscription::Events events) = 0;
  /// Sharded: a channel must have the hash tag of its topic in its name. Plain: it may have any.
  [[nodiscard]] virtual ChannelKind channels() const noexcept = 0;

  [[nodiscard]] virtual runtime::EventLoop& loop() const noexcept = 0;
  [[nodiscard]] virtual Rng& rng() const noexcept = 0;
  [[nodiscard]] virtual ClientHealth health() const = 0;

  /// Asks what is there: ROLE, INFO replication where that is refused, PING where both are. Returns
  /// if it can be used. Throws as Route::send; ConnectionError also for a server that cannot be
  /// used, naming what it is, at once; an established connection to one is renewed, with all others
  /// of the queue.
  virtual Task<> check(TimePoint deadline) = 0;

  /// No new command is taken; what was written is awaited up to `deadline`, then everything is
  /// closed and whatever still waits ends with OutcomeUnknown (written) or ShutdownError.
  /// Idempotent; never throws.
  virtual Task<> close(TimePoint deadline) = 0;
};

/// A client of the kind of Redis that `options` lead to. `shared` by all clients of a queue.
[[nodiscard]] std::shared_ptr<Client> make_client(runtime::EventLoop& loop, ClientOptions options,
                                                  Seams seams, Shared& shared);
/// The same for a client that is alone.
[[nodiscard]] std::shared_ptr<Client> make_client(runtime::EventLoop& loop, ClientOptions options,
                                                  Seams seams);

}  // namespace mx_rmq::redis
