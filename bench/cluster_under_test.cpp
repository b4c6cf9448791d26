#include "cluster_under_test.hpp"

#include "passes.hpp"

namespace bench {
namespace {

mx_rmq::test::ClusterOptions masters(std::size_t count) {
  mx_rmq::test::ClusterOptions out;
  out.masters = count;
  return out;
}

}  // namespace

ClusterUnderTest::ClusterUnderTest(std::size_t nodes) : cluster_(masters(nodes)) {
  for (std::size_t i = 0; i < nodes; ++i) {
    nodes_.push_back(std::make_unique<Plain>(cluster_.node(i).url()));
    track_latency(*nodes_.back());
  }
}

std::vector<std::string> ClusterUnderTest::topics(std::size_t of_each) {
  std::vector<std::string> out;
  for (std::size_t k = 0; k < of_each; ++k) {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      out.push_back(cluster_.topic_on(i, "t" + std::to_string(k) + "."));
  }
  return out;
}

void ClusterUnderTest::flush_all() {
  for (const auto& node : nodes_) node->flush_all();
}

ClusterUnderTest::Cycle ClusterUnderTest::cycle(const LibraryShape& shape, int callers,
                                                long messages) {
  Cycle out;
  Library library(cluster_.url(), shape);
  library.consume();
  for (const auto& node : nodes_) wait_rested(*node);
  std::vector<Plain*> all;
  for (const auto& node : nodes_) all.push_back(node.get());
  Measure measure(all);
  library.launch(messages, callers);
  library.handled().wait_for(messages);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    std::vector<std::string> its;
    long count = 0;
    for (std::size_t k = i; k < shape.topics.size(); k += nodes_.size()) {
      its.push_back(shape.topics[k]);
      const auto all_topics = static_cast<long>(shape.topics.size());
      count += (messages - static_cast<long>(k) + all_topics - 1) / all_topics;
    }
    wait_completed(*nodes_[i], its, count);
  }
  out.round = measure.end(static_cast<double>(messages));
  library.finish();
  for (const auto& node : nodes_) {
    const std::string clients = node->list_clients();
    for (std::size_t at = 0; (at = clients.find("name=mx-rmq", at)) != std::string::npos; ++at)
      ++out.connections;
  }
  return out;
}

}  // namespace bench
