// A Redis Cluster of the bench's own, and what the library does on it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "library.hpp"
#include "measure.hpp"
#include "plain.hpp"
#include "support/redis_cluster.hpp"

namespace bench {

class ClusterUnderTest {
 public:
  explicit ClusterUnderTest(std::size_t nodes);

  [[nodiscard]] std::string url() const { return cluster_.url(); }
  // So many of each node, those of one node not next to each other.
  [[nodiscard]] std::vector<std::string> topics(std::size_t of_each);
  void flush_all();

  struct Cycle {
    Round round;
    long connections = 0;  // of the library, at the end
  };
  // Produced by so many callers of one message each, handled and acknowledged. The shape's topics
  // are from topics().
  Cycle cycle(const LibraryShape& shape, int callers, long messages);

 private:
  mx_rmq::test::RedisCluster cluster_;
  std::vector<std::unique_ptr<Plain>> nodes_;
};

}  // namespace bench
