#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "queue/core.hpp"

namespace mx_rmq::queue {

/// What a master told of itself.
struct ServerFacts {
  std::string name;     ///< HOST:PORT of a Cluster's master; else empty
  std::string info;     ///< what INFO was answered; empty if that failed
  std::string trouble;  ///< why it did
  /// The server's clock minus the one here, as far as the time of the question lets it be known.
  std::optional<std::chrono::milliseconds> clock_ahead;
  /// appendfsync, save and timeout, where CONFIG GET is allowed.
  std::map<std::string, std::string> config;
};

/// Asks the server, or each master of a Cluster, one after the other. Only what concerns the whole
/// (there is no connection; CLUSTER SLOTS is refused) is thrown; ends on the loop thread.
Task<std::vector<ServerFacts>> ask_servers(std::shared_ptr<detail::QueueCore> core);

}  // namespace mx_rmq::queue
