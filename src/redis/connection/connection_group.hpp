#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redis/connection/options.hpp"
#include "redis/connection/port_probe.hpp"
#include "redis/connection/role_watch.hpp"
#include "redis/connection/seams.hpp"
#include "redis/connection/server_clock.hpp"
#include "redis/connection/setup.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/shutdown_listener.hpp"

namespace mx_rmq::redis {

class Connection;

/// What all connections to one node share: where to, how, the seams, the node's clock, the list of
/// those that have something to write. Held by the node and by each connection. Loop thread only.
class ConnectionGroup final : private runtime::ShutdownListener {
 public:
  ConnectionGroup(runtime::EventLoop& loop, ClientOptions options, Seams seams);
  ~ConnectionGroup();
  ConnectionGroup(const ConnectionGroup&) = delete;
  ConnectionGroup& operator=(const ConnectionGroup&) = delete;

  /// `connection` has something to write: flushed once, after the ready list has been drained.
  void mark_dirty(Connection& connection);
  void add(Connection& connection) { connections_.push_back(&connection); }
  void remove(Connection& connection) noexcept;
  [[nodiscard]] const std::vector<Connection*>& connections() const noexcept {
    return connections_;
  }

  /// The server at `from` told its time (unix ms) in a set-up that was sent at `sent`. Another
  /// server than before has another clock: nothing that the old one told counts.
  void note_time(const Address& from, std::int64_t server_ms, runtime::TimePoint sent);
  /// A command was refused as by a node of a Redis Cluster.
  void note_cluster(const std::string& error_text);
  /// What note_cluster() was told, for a while; else empty.
  [[nodiscard]] std::string cluster_trouble() const;
  /// Nothing at all was answered there: finds out whether that is because it speaks TLS, or does
  /// not where we do, and tells the connections.
  void probe(const Address& address);
  /// If the password is about to go over a network as it is.
  void warn_of_plain_password(const Address& address);
  /// What was found out so; empty if nothing, and again once a connection has become usable.
  [[nodiscard]] const std::string& silence() const noexcept { return silence_; }
  void answered() noexcept { silence_.clear(); }

  runtime::EventLoop& loop;
  const ClientOptions options;
  const Seams seams;
  const std::shared_ptr<RoleWatch> watch;
  const std::shared_ptr<const SetupPlan> plan;
  const std::shared_ptr<const SetupPlan> listening_plan;  ///< runs no scripts, so loads none
  ServerClock clock;
  ChannelKind channels;   ///< what the node has turned out to know
  runtime::Event closed;  ///< set whenever a connection has closed for good

  // One line a change of state, also when twenty connections change it at once, again and again.
  runtime::log::Every log_ready;
  runtime::log::Every log_lost;
  runtime::log::Every log_failed;
  runtime::log::Every log_refused;
  runtime::log::Every log_unfit;
  runtime::log::Every log_idle;
  runtime::log::Every log_cluster;
  runtime::log::Every log_plain_password;

 private:
  void on_shutdown() noexcept override;
  void flush();

  std::vector<Connection*> connections_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> flushing_;
  runtime::FlushHookId hook_;
  std::optional<Address> clock_of_;
  std::string cluster_error_;
  runtime::TimePoint cluster_error_at_{};
  std::string silence_;
  std::unique_ptr<PortProbe> probe_;
  std::optional<runtime::TimePoint> probed_;
};

}  // namespace mx_rmq::redis
