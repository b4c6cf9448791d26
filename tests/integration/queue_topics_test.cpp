// Many topics, topics that nobody uses any more, many messages at once, and messages that are there
// already.
#include <atomic>
#include <future>
#include <thread>

#include "integration/broker_fixture.hpp"
#include "queue/topic_ports.hpp"
#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueTopics : public QueueTest {};

std::vector<OutgoingMessage> messages(const std::string& topic, int count) {
  std::vector<OutgoingMessage> out;
  for (int i = 0; i < count; ++i) out.emplace_back(topic, i);
  return out;
}

// --- batches ---

TEST_F(QueueTopics, ABatchOfMoreThanMayBeUnderWayIsSentInParts) {
  MQConfig few = config();
  few.max_pending_produces = 10;
  RedisMessageQueue queue(few);
  std::vector<OutgoingMessage> batch = messages("t", 60);
  for (OutgoingMessage& each : messages("u", 35)) batch.push_back(std::move(each));
  const Strings ids = sync_wait(queue.produce_batch(std::move(batch)));
  ASSERT_EQ(ids.size(), 95U);
  Strings found = ids_in(server(), key_of("t", "ready:normal"));
  const Strings others = ids_in(server(), key_of("u", "ready:normal"));
  found.insert(found.end(), others.begin(), others.end());
  EXPECT_EQ(found, ids) << "in order";
}

TEST_F(QueueTopics, PartsCountAsUnderWayAndOneMessageAtATimeGoesToo) {
  MQConfig one = config();
  one.max_pending_produces = 1;
  RedisMessageQueue queue(one);
  EXPECT_EQ(sync_wait(queue.produce_batch(messages("t", 5))).size(), 5U);

  RedisServer paused;
  MQConfig few = quick_config(paused.url());
  few.max_pending_produces = 4;
  few.produce_timeout = 3s;
  RedisMessageQueue full(few);
  produce(full, "t", 0);
  paused.pause();
  std::vector<std::jthread> waiting;
  std::atomic<int> under_way{0};
  std::atomic<int> refused{0};
  for (int i = 0; i < 8; ++i) {
    waiting.emplace_back([&] {
      try {
        ++under_way;
        produce(full, "t", 1);
      } catch (const Overloaded&) {
        ++refused;
      } catch (const Error&) {
        // Redis does not answer.
      }
    });
  }
  ASSERT_TRUE(wait_for(patience, [&] { return refused == 4; }));
  EXPECT_THROW(sync_wait(full.produce_batch(messages("t", 9))), Overloaded);
  paused.resume();
}

// --- duplicates ---

TEST_F(QueueTopics, ADuplicateIsToldToWhomAsksForIt) {
  RedisMessageQueue queue(config());
  const auto once = [](const std::string& id) { return ProduceOptions().message_id(id); };
  EXPECT_EQ(produce(queue, "t", 1, once("a").throw_if_duplicate()), "a");
  EXPECT_EQ(produce(queue, "t", 2, once("a")), "a") << "not asked for: as ever";
  EXPECT_EQ(produce(queue, "t", 2, once("a").throw_if_duplicate(false)), "a");
  Strings ids;
  std::string text;
  try {
    produce(queue, "t", 3, once("a").throw_if_duplicate());
  } catch (const Duplicate& error) {
    ids = error.ids();
    text = error.what();
  }
  EXPECT_EQ(ids, Strings{"a"});
  EXPECT_NE(text.find("\"a\""), std::string::npos) << text;
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 1);
  EXPECT_TRUE(sync_wait(queue.cancel("t", "a")));
  EXPECT_EQ(produce(queue, "t", 4, once("a").throw_if_duplicate()), "a") << "free again";
}

TEST_F(QueueTopics, DuplicatesOfABatchAreToldTogetherWhenTheOthersAreThere) {
  RedisMessageQueue queue(config());
  const auto with = [](const std::string& topic, const std::string& id, bool tell) {
    return OutgoingMessage(topic, 1, ProduceOptions().message_id(id).throw_if_duplicate(tell));
  };
  produce(queue, "t", 1, ProduceOptions().message_id("a"));
  produce(queue, "u", 1, ProduceOptions().message_id("b"));
  std::vector<OutgoingMessage> batch;
  batch.push_back(with("u", "b", true));
  batch.push_back(with("t", "new", true));
  batch.push_back(with("t", "a", false));
  batch.push_back(with("t", "a", true));
  batch.push_back(with("t", "new", true));
  batch.emplace_back("t", 7);
  Strings ids;
  try {
    sync_wait(queue.produce_batch(std::move(batch)));
  } catch (const Duplicate& error) {
    ids = error.ids();
  }
  EXPECT_EQ(ids, (Strings{"b", "a", "new"}));
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 3);
}

TEST_F(QueueTopics, TellingOfADuplicateNeedsAnId) {
  RedisMessageQueue queue(config());
  const std::string error =
      thrown_by([&] { produce(queue, "t", 1, ProduceOptions().throw_if_duplicate()); });
  EXPECT_NE(error.find("throw_if_duplicate"), std::string::npos) << error;
  EXPECT_NE(error.find("message_id"), std::string::npos) << error;
}

TEST_F(QueueTopics, AfterALostReplyADuplicateIsToldAndNoCallIsOneOfItself) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  FaultProxy proxy(server().socket_path(), server().directory() + "/duplicates.sock");
  RedisMessageQueue queue(quick_config(proxy.url()));
  const auto lose = [&](int replies) {
    proxy.judge_commands([left = replies](const SeenCommand& call) mutable {
      if (call.script != "produce" || left == 0) return CommandFate::pass;
      --left;
      return CommandFate::lose_reply;
    });
  };
  for (const char* id : {"a", "b"}) {
    lose(3);
    EXPECT_EQ(produce(queue, "t", 1, ProduceOptions().message_id(id).throw_if_duplicate()), id);
    lose(3);
    EXPECT_THROW(produce(queue, "t", 1, ProduceOptions().message_id(id).throw_if_duplicate()),
                 Duplicate);
  }
  EXPECT_EQ(ids_in(server(), key_of("t", "ready:normal")), (Strings{"a", "b"}));
  EXPECT_EQ(stat(server(), "t", "duplicates"), 2);
}

// --- ports ---

using queue::TopicPorts;

class Ports {
 public:
  Ports(const std::string& url, TopicPorts::Limits limits) : rig_(url) {
    rig_.on_loop([&] {
      client_ = make_client(rig_.loop(), client_options(url));
      ports_ = std::make_unique<TopicPorts>(*client_, rig_.scope(), config_, limits);
    });
  }
  ~Ports() {
    rig_.run([&] { return ports_->close(rig_.loop().now()); });
    rig_.run([&] { return client_->close(rig_.loop().now()); });
    rig_.on_loop([&] {
      ports_.reset();
      client_.reset();
    });
  }

  Produced produce(const std::string& topic) {
    return rig_.run([&] { return produce_it(this, topic); });
  }
  std::size_t size() {
    std::size_t size = 0;
    rig_.on_loop([&] { size = ports_->size(); });
    return size;
  }
  // Begins to use it, or ends it.
  void keep(const std::string& topic) {
    rig_.on_loop([&] { kept_.push_back(std::make_unique<TopicPorts::Use>(ports_->use(topic))); });
  }
  void let_go() {
    rig_.on_loop([&] { kept_.clear(); });
  }
  // The port that a topic has now, to see whether it is the same one.
  const void* port_of(const std::string& topic) {
    const void* port = nullptr;
    rig_.on_loop([&] { port = &*ports_->use(topic); });
    return port;
  }

 private:
  static Task<Produced> produce_it(Ports* self, std::string topic) {
    const TopicPorts::Use port = self->ports_->use(topic);
    const OutgoingEnvelope envelope = message("m");
    Producer::Submission submission =
        port->producer.submit(envelope, self->rig_.loop().now() + 10s);
    co_return co_await submission;
  }

  Rig rig_;
  std::shared_ptr<redis::Client> client_;
  const MQConfig config_;
  std::unique_ptr<TopicPorts> ports_;
  std::vector<std::unique_ptr<TopicPorts::Use>> kept_;
};

TEST_F(QueueTopics, PortsThatNobodyUsesAreFew) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  TopicPorts::Limits limits;
  limits.unused = 3;
  limits.unused_for = 1h;
  Ports ports(server().url(), limits);
  for (int i = 0; i < 50; ++i) ports.produce("t" + std::to_string(i));
  EXPECT_TRUE(wait_for(patience, [&] {
    ports.port_of("t49");  // a look at those whose sending was just ending
    return ports.size() == 3;
  }));
}

TEST_F(QueueTopics, APortThatIsUsedStaysAndTheOneUnusedForLongestGoes) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  TopicPorts::Limits limits;
  limits.unused = 2;
  limits.unused_for = 1h;
  Ports ports(server().url(), limits);
  ports.keep("used");
  const void* const used = ports.port_of("used");
  ports.port_of("a");
  ports.port_of("b");
  ports.port_of("a");  // b is the oldest now
  const void* const a = ports.port_of("a");
  ports.port_of("c");
  EXPECT_EQ(ports.size(), 3U);
  EXPECT_EQ(ports.port_of("a"), a);
  EXPECT_EQ(ports.port_of("used"), used);
  ports.let_go();
  ports.port_of("d");
  EXPECT_EQ(ports.size(), 2U);
}

TEST_F(QueueTopics, APortUnusedForAWhileGoes) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  TopicPorts::Limits limits;
  limits.unused_for = 20ms;
  Ports ports(server().url(), limits);
  ports.keep("used");
  for (int i = 0; i < 20; ++i) ports.produce("t" + std::to_string(i));
  EXPECT_TRUE(wait_for(patience, [&] { return ports.size() == 1; }));
  ports.let_go();
  EXPECT_TRUE(wait_for(patience, [&] { return ports.size() == 0; }));
}

TEST_F(QueueTopics, APortThatIsMadeAnewNumbersItsBatchesOnward) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  TopicPorts::Limits limits;
  limits.unused = 0;
  Ports ports(server().url(), limits);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ports.produce("t"), Produced::enqueued);
    EXPECT_TRUE(wait_for(patience, [&] {
      ports.port_of("other");
      return ports.size() == 0;
    }));
  }
  const Strings keys = server().command({"KEYS", key_of("t", "producer:*")}).strings();
  ASSERT_EQ(keys.size(), 1U) << "Redis keeps no number for each port there was";
  EXPECT_EQ(server().command({"GET", keys[0]}).str(), "3");
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 3);
}

// --- forgetting ---

Strings keys_of_topic(RedisServer& server, const std::string& topic) {
  Strings out;
  for (const std::string& each : server.command({"KEYS", key_of(topic, "*")}).strings()) {
    if (each.find(":producer:") == std::string::npos)
      out.push_back(each);  // these end by themselves
  }
  return out;
}

bool listed(RedisServer& server, const std::string& topic) {
  return server.command({"SISMEMBER", "mx:topics", topic}).num() == 1;
}

TEST_F(QueueTopics, AnEmptyTopicIsForgottenAndMayBeginAnew) {
  RedisMessageQueue queue(config());
  RedisMessageQueue other(config());
  produce(queue, "t", 1, ProduceOptions().message_id("a"));
  produce(other, "t", 2, ProduceOptions().delay(1h));
  ASSERT_TRUE(wait_for(patience, [&] { return listed(server(), "t"); }));
  EXPECT_TRUE(sync_wait(queue.cancel("t", "a")));
  EXPECT_FALSE(sync_wait(queue.forget("t"))) << "one is delayed";
  const std::string member =
      server().command({"ZRANGE", key_of("t", "delayed"), "0", "0"})[0].str();
  EXPECT_TRUE(sync_wait(queue.cancel("t", member)));
  EXPECT_TRUE(sync_wait(queue.forget("t")));
  EXPECT_EQ(keys_of_topic(server(), "t"), Strings());
  EXPECT_FALSE(listed(server(), "t"));
  EXPECT_TRUE(sync_wait(queue.forget("t"))) << "nothing is there: that is what was asked for";
  EXPECT_TRUE(sync_wait(queue.forget("never-seen")));

  EXPECT_EQ(produce(queue, "t", 3, ProduceOptions().message_id("a").throw_if_duplicate()), "a");
  produce(other, "t", 4);
  EXPECT_TRUE(wait_for(patience, [&] { return listed(server(), "t"); }));
  EXPECT_EQ(stat(server(), "t", "produced"), 2);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueTopics, ATopicThatHoldsAMessageAnywhereIsNotForgotten) {
  RedisMessageQueue queue(config());
  // Not who is idle: workers come and go there meanwhile.
  const auto kept = [&] {
    Strings out = keys_of_topic(server(), "t");
    std::erase(out, key_of("t", "idle"));
    return out.size();
  };
  const auto refused = [&](const char* why) {
    const std::size_t before = kept();
    EXPECT_FALSE(sync_wait(queue.forget("t"))) << why;
    EXPECT_EQ(kept(), before) << why;
  };
  for (const auto priority :
       {MessagePriority::high, MessagePriority::normal, MessagePriority::low}) {
    const std::string id = produce(queue, "t", 1, ProduceOptions().priority(priority));
    refused("it waits");
    EXPECT_TRUE(sync_wait(queue.cancel("t", id)));
  }
  const std::string later = produce(queue, "t", 1, ProduceOptions().delay(1h));
  refused("it is delayed");
  EXPECT_TRUE(sync_wait(queue.cancel("t", later)));

  const auto go = std::make_shared<std::atomic<bool>>(false);
  const auto running = std::make_shared<std::atomic<int>>(0);
  RedisMessageQueue worker(config());
  worker.register_handler("t", [go, running](const json&) -> Task<> {
    ++*running;
    while (!*go) co_await sleep_for(5ms);
    throw Reject("no");
  });
  start(worker);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return *running == 1; }));
  refused("it is in work");
  *go = true;
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  EXPECT_FALSE(sync_wait(worker.forget("t"))) << "it consumes the topic itself";
  stop(worker);
  refused("it is dead");
  EXPECT_EQ(sync_wait(queue.dead_letters().purge("t")), 1);
  EXPECT_TRUE(sync_wait(queue.forget("t")));
}

TEST_F(QueueTopics, ConsumersThatDiedAreNoReasonToKeepATopicButWhatTheyHeldIs) {
  RedisMessageQueue queue(config());
  produce(queue, "t", 1);
  const std::string envelope = server().command({"LPOP", key_of("t", "ready:normal")}).str();
  server().command({"ZADD", key_of("t", "consumers"), "1", "dead.1", "2", "dead.2"});
  server().command({"HSET", key_of("t", "processing:dead.2"), "1.1", envelope});
  EXPECT_FALSE(sync_wait(queue.forget("t")));
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 1) << "taken over";
  EXPECT_TRUE(sound(audit(server(), "t")));
  server().command({"DEL", key_of("t", "ready:normal")});
  server().command({"ZADD", key_of("t", "consumers"), "1", "dead.3"});
  EXPECT_TRUE(sync_wait(queue.forget("t")));
  EXPECT_EQ(keys_of_topic(server(), "t"), Strings());
  EXPECT_FALSE(listed(server(), "t"));
}

// As of a program that produces one message and ends.
TEST_F(QueueTopics, AQueueThatEndsAfterItsFirstMessageLeavesTheTopicInTheSet) {
  FaultProxy proxy(server().socket_path(), server().directory() + "/noting.sock");
  std::atomic<bool> held{false};
  proxy.judge_commands([&held](const SeenCommand& call) {
    // The connection that is to carry the SADD takes its time to be ready.
    if (call.connection != 1) return CommandFate::pass;
    return held.exchange(true) ? CommandFate::pass : CommandFate::hold;
  });
  MQConfig two_lanes = quick_config(proxy.url());
  two_lanes.connection_pool_size = 4;
  two_lanes.shutdown_timeout = 60s;
  RedisMessageQueue queue(two_lanes);
  produce(queue, "first", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return held.load(); }));
  auto ending = std::async(std::launch::async, [&] { sync_wait(queue.cleanup()); });
  EXPECT_TRUE(
      wait_for(patience, [&] { return !thrown_by([&] { produce(queue, "first", 2); }).empty(); }));
  EXPECT_FALSE(listed(server(), "first"));
  proxy.release_held();
  ending.get();
  EXPECT_TRUE(listed(server(), "first"));
}

TEST_F(QueueTopics, AnIdleConsumerElsewhereGetsWhatIsProducedToAForgottenTopic) {
  const auto journal = std::make_shared<Journal>();
  MQConfig brief = config();
  brief.lease = 1s;
  RedisMessageQueue worker(brief);
  worker.register_handler("t", recorder(journal));
  start(worker);
  RedisMessageQueue queue(config());
  for (std::size_t i = 1; i <= 3; ++i) {
    produce(queue, "t", 1);
    ASSERT_TRUE(journal->wait_size(i));
    ASSERT_TRUE(wait_for(patience, [&] { return sync_wait(queue.forget("t")); }));
  }
}

}  // namespace
}  // namespace mx_rmq::test
