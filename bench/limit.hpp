// The limit: the library's own scripts, fed with the same keys, arguments and envelope bytes by
// plain pipelined hiredis in one thread. No coroutines, no JSON, nothing awaited: what one Redis
// and the data model allow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/data/keys.hpp"
#include "plain.hpp"

namespace bench {

// Messages in a script call, and calls under way.
struct LimitShape {
  int batch = 100;
  int depth = 8;
};

class Limit {
 public:
  // `payload_bytes` of JSON text in each message. Batches go to the topics in turn.
  Limit(Plain& redis, std::vector<std::string> topics, std::size_t payload_bytes, LimitShape shape);

  // Messages ready at once.
  void produce(long messages);
  // Delayed ones: `due` gives the unix ms of the i-th, which is its payload, too.
  void produce_delayed(long messages, const std::function<std::int64_t(long)>& due);
  // Claims that many and acknowledges each batch as it comes. Throws if there are not so many.
  void consume(long messages);
  // The two halves: what was claimed is held until it is acknowledged, oldest first.
  void claim(long messages);
  void ack(long messages);
  // Claims nothing, and is listed as idle by that and by each further claim that leaves nothing.
  void become_idle();
  // Whether the last claim did that: else something was left, and nobody will wake it.
  [[nodiscard]] bool listed() const { return listed_; }
  // The name under which it is then woken.
  [[nodiscard]] std::string consumer_alias() const;

  // A batch no bigger than what a claim of the library's may hold.
  static LimitShape fit(LimitShape shape, std::size_t payload_bytes);

 private:
  struct Topic {
    Topic(const std::string& name, const std::string& id);
    mx_rmq::broker::TopicKeys keys;
    std::string producer;
    std::string processing;
    long batches = 0;
    long claims = 0;
  };
  struct Held {
    Topic* topic;
    long claim;
    long count;
  };

  void prepare(std::size_t payload_bytes);
  void stamp(std::size_t slot);
  void send_produce(Topic& topic, long messages);
  void read_produce();
  void send_claim(Topic& topic, long messages);
  void send_ack(const Held& held);
  Held read_claim(Topic& topic, long number);
  Topic& next_topic() { return topics_[turn_++ % topics_.size()]; }

  Plain& redis_;
  LimitShape shape_;
  std::string consumer_;
  bool lists_ = false;  // claims have it listed as idle
  bool listed_ = false;
  std::vector<Topic> topics_;
  std::size_t turn_ = 0;
  std::vector<std::string> envelopes_;  // one a place in the batch; only the id changes
  std::size_t id_at_ = 0;
  std::uint64_t next_id_;
  std::deque<Held> held_;
  std::vector<std::string_view> arguments_;
  std::vector<std::string> texts_;
};

}  // namespace bench
