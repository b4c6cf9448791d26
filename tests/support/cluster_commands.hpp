// A test's own commands to a Cluster, as if it were one server.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "support/redis_client.hpp"
#include "support/redis_cluster.hpp"

namespace mx_rmq::test {

// A command with a key goes to the master that had its slot at first: for Clusters whose slots stay
// where they are. One without a key (INFO, KEYS, CONFIG, FLUSHALL) goes to all masters, and their
// answers become one: numbers are added, lists and texts of INFO and CLIENT put together, else it
// is the first. Any thread.
class ClusterCommands {
 public:
  explicit ClusterCommands(RedisCluster& cluster);

  // An error reply is returned.
  Value operator()(const std::vector<std::string>& arguments);

 private:
  Value ask(std::size_t master, const std::vector<std::string>& arguments);
  Value ask_all(const std::vector<std::string>& arguments);

  RedisCluster& cluster_;
  std::mutex mutex_;
  std::vector<std::optional<RedisClient>> clients_;  // one a master
};

}  // namespace mx_rmq::test
