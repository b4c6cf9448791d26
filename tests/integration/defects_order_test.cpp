// Faults of the Python original in order, identity, naming and stopping. The core of it runs with a
// prefix, too.
#include <atomic>
#include <set>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class Defects : public QueueTest {};
class DefectsPrefixed : public QueueTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static std::string prefix() { return GetParam(); }
  static std::string key_prefix() { return prefix().empty() ? "mx" : prefix(); }
  static MQConfig config() {
    MQConfig made = QueueTest::config();
    made.queue_prefix = prefix();
    return made;
  }
};

TEST_F(Defects, P08_a_second_produce_with_the_same_id_changes_nothing) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  EXPECT_EQ(produce(queue, "t", "first", ProduceOptions{}.message_id("id")), "id");
  EXPECT_EQ(produce(queue, "t", "second", ProduceOptions{}.message_id("id")), "id");
  EXPECT_EQ(stat(server(), "t", "duplicates"), 1);
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(journal->payloads(), std::vector<json>{"first"});
  EXPECT_TRUE(sound(audit(server(), "t")));
  EXPECT_EQ(produce(queue, "t", "third", ProduceOptions{}.message_id("id")), "id");
  ASSERT_TRUE(journal->wait_size(2)) << "a settled id is free again";
}

TEST_F(Defects, P08_a_chosen_id_is_taken_while_delayed_in_work_and_dead) {
  const auto go = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  const auto again = [&] {
    const auto before = stat(server(), "t", "duplicates");
    produce(queue, "t", "again", ProduceOptions{}.message_id("id"));
    return stat(server(), "t", "duplicates") == before + 1;
  };
  produce(queue, "t", "one", ProduceOptions{}.message_id("id").delay(300ms));
  EXPECT_TRUE(again()) << "delayed";
  queue.register_handler("t", [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(5ms);
    throw Reject("no");
  });
  start(queue);
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_TRUE(again()) << "in work";
  *go = true;
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  EXPECT_TRUE(again()) << "dead";
  EXPECT_EQ(journal->payloads(), std::vector<json>{"one"});
}

TEST_F(Defects, P09_P16_a_stop_gives_back_its_own_at_the_head_in_order_and_ends_what_runs) {
  MQConfig one = config();
  one.max_workers = 1;
  one.task_queue_size = 4;
  const auto first = std::make_shared<Journal>();
  const auto second = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue stopping(one);
  const auto stops = std::make_shared<std::atomic<bool>>(false);
  stopping.register_handler("t", [first, stops](Context& context) -> Task<> {
    first->add(context);
    while (!*stops) co_await sleep_for(5ms);
    co_await sleep_for(500ms);
  });
  RedisMessageQueue staying(one);
  staying.register_handler("t", [second, go](Context& context) -> Task<> {
    second->add(context);
    while (!*go) co_await sleep_for(5ms);
  });
  for (int i = 0; i < 5; ++i) produce(stopping, "t", i);
  start(stopping);
  ASSERT_TRUE(first->wait_size(1));
  ASSERT_TRUE(wait_for(patience, [&] { return audit(server(), "t")["processing"] == 5; }));
  for (int i = 5; i < 10; ++i) produce(staying, "t", i);
  start(staying);
  ASSERT_TRUE(second->wait_size(1));
  ASSERT_TRUE(wait_for(patience, [&] { return audit(server(), "t")["processing"] == 10; }));
  produce(staying, "t", 10);
  *stops = true;
  stop(stopping);
  EXPECT_EQ(first->payloads(), std::vector<json>{0});
  EXPECT_EQ(stat(server(), "t", "completed"), 1) << "the run under way ended and was acknowledged";
  const Audit numbers = audit(server(), "t");
  EXPECT_EQ(numbers.at("processing"), 5) << "the other worker's are its own still";
  EXPECT_EQ(numbers.at("ready"), 5);
  EXPECT_EQ(stopping.status().active_handlers, 0u);
  *go = true;
  ASSERT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(second->payloads(), (std::vector<json>{5, 6, 7, 8, 9, 1, 2, 3, 4, 10}));
  for (const Handled& run : second->runs())
    EXPECT_EQ(run.attempt, 1) << "giving back is no attempt";
}

TEST_F(Defects, P10_order_within_and_across_priorities_also_after_delay_and_retry) {
  MQConfig one = config();
  one.max_workers = 1;
  one.task_queue_size = 1;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(one);
  using P = MessagePriority;
  const auto add = [&](const char* what, P priority) {
    produce(queue, "t", what, ProduceOptions{}.priority(priority));
  };
  add("low 1", P::low);
  add("normal 1", P::normal);
  add("high 1", P::high);
  add("low 2", P::low);
  add("high 2", P::high);
  add("normal 2", P::normal);
  produce(queue, "t", "high delayed", ProduceOptions{}.priority(P::high).delay(20ms));
  produce(queue, "t", "low delayed", ProduceOptions{}.priority(P::low).delay(10ms));
  const auto due = WaitClock::now() + 60ms;
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > due; }));
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(journal->wait_size(8));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{"high 1", "high 2", "high delayed", "normal 1",
                                                    "normal 2", "low 1", "low 2", "low delayed"}));
}

TEST_F(Defects, P10_a_retried_message_keeps_its_priority) {
  MQConfig one = config();
  one.max_workers = 1;
  one.task_queue_size = 1;
  one.retry_delays = {0ms};
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(one);
  queue.register_handler("t", [journal](const json& payload, Context& context) -> Task<> {
    journal->add(context);
    // Long enough for the retry to be back in its list before the next claim.
    co_await sleep_for(20ms);
    if (payload == "high" && context.attempt() == 1) throw std::runtime_error("once");
  });
  produce(queue, "t", "high", ProduceOptions{}.priority(MessagePriority::high));
  for (int i = 0; i < 6; ++i)
    produce(queue, "t", i, ProduceOptions{}.priority(MessagePriority::low));
  start(queue);
  ASSERT_TRUE(journal->wait_size(8));
  const auto payloads = journal->payloads();
  const auto second = std::find(payloads.begin() + 1, payloads.end(), json("high"));
  EXPECT_LT(second - payloads.begin(), 5) << "before the low ones, but for those prefetched";
}

TEST_F(Defects, P10_what_is_recovered_goes_to_the_head_in_order) {
  MQConfig one = config();
  one.lease = 1s;  // nobody is reaped in the first third of one
  one.max_workers = 1;
  one.task_queue_size = 1;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(one);
  for (int i = 0; i < 8; ++i) produce(queue, "t", i);
  // What a consumer that took the first two and died has left.
  for (const char* tag : {"1.1", "1.2"}) {
    const Value envelope = server().command({"LPOP", key_of("t", "ready:normal")});
    server().command({"HSET", key_of("t", "processing:dead.1"), tag, envelope.str()});
  }
  server().command({"ZADD", key_of("t", "consumers"), "1", "dead.1"});
  queue.register_handler("t", [journal](Context& context) -> Task<> {
    journal->add(context);
    co_await sleep_for(300ms);  // time for the rest to be taken over
  });
  start(queue);
  ASSERT_TRUE(journal->wait_size(8));
  const auto payloads = journal->payloads();
  const auto place = [&](int payload) {
    return std::find(payloads.begin(), payloads.end(), json(payload)) - payloads.begin();
  };
  EXPECT_EQ(place(1), place(0) + 1) << "in its consumer's order";
  EXPECT_LT(place(1), place(6)) << "before what waits";
  EXPECT_EQ(stat(server(), "t", "recovered"), 2);
}

TEST_P(DefectsPrefixed, P22_ids_of_any_bytes_do_not_collide) {
  const Strings ids{"a:queue",
                    "a",
                    "a:queue:queue",
                    std::string("nul\0inside", 10),
                    "new\nline tab\t",
                    std::string(256, 'x'),
                    "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
                    "{brace}",
                    " ",
                    "!"};
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  int number = 0;
  for (const auto& id : ids)
    EXPECT_EQ(produce(queue, "t", number++, ProduceOptions{}.message_id(id)), id);
  EXPECT_THROW(
      static_cast<void>(queue.produce("t", 1, ProduceOptions{}.message_id(std::string(1024, 'x')))),
      std::invalid_argument);
  EXPECT_TRUE(sync_wait(queue.cancel("t", "a:queue:queue")));
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(journal->wait_size(ids.size() - 1));
  for (const Handled& run : journal->runs()) EXPECT_EQ(run.id, ids[run.payload.get<std::size_t>()]);
  EXPECT_EQ(journal->count("a:queue:queue"), 0u);
}

TEST_P(DefectsPrefixed, P24_P26_P27_every_key_is_the_topics_own_and_in_one_slot) {
  const Strings topics{"t", "t:queue", "a.b-c_d", "T"};
  const auto journal = std::make_shared<Journal>();
  {
    RedisMessageQueue queue(config());
    for (const auto& topic : topics) {
      queue.register_handler(topic, [journal](const json& payload, Context& context) -> Task<> {
        journal->add(context);
        if (payload == "bad") throw Reject("no");
        co_return;
      });
    }
    start(queue);
    for (const auto& topic : topics) {
      produce(queue, topic, topic);
      produce(queue, topic, "bad", ProduceOptions{}.message_id("chosen"));
      produce(queue, topic, topic, ProduceOptions{}.delay(1h));
    }
    ASSERT_TRUE(journal->wait_size(8));
    for (const auto& topic : topics)
      ASSERT_TRUE(
          wait_for(patience, [&] { return stat(server(), topic, "dead", key_prefix()) == 1; }));
    const Strings keys = server().command({"KEYS", "*"}).strings();
    EXPECT_GT(keys.size(), topics.size() * 4);
    for (const auto& key : keys) {
      if (key == key_prefix() + ":topics") continue;
      const bool own = std::any_of(topics.begin(), topics.end(), [&](const std::string& topic) {
        return key.starts_with(key_of(topic, "", key_prefix()));
      });
      EXPECT_TRUE(own) << key;
    }
    auto noted = server().command({"SMEMBERS", key_prefix() + ":topics"}).strings();
    EXPECT_EQ(std::set<std::string>(noted.begin(), noted.end()),
              std::set<std::string>(topics.begin(), topics.end()));
  }
  for (const auto& topic : topics) {
    const Audit numbers = audit(server(), topic, key_prefix());
    EXPECT_TRUE(sound(numbers)) << topic;
    EXPECT_EQ(numbers.at("delayed"), 1) << topic;
    EXPECT_EQ(numbers.at("dead"), 1) << topic;
  }
}

TEST_P(DefectsPrefixed, P29_a_dead_letter_keeps_the_cause_the_times_and_the_topic) {
  MQConfig quick = config();
  quick.max_retries = 2;
  RedisMessageQueue queue(quick);
  queue.register_handler("t", [](Context& context) -> Task<> {
    throw std::runtime_error("cause " + std::to_string(context.attempt()));
    co_return;
  });
  start(queue);
  const json payload{{"n", 1}};
  const std::string id =
      produce(queue, "t", payload, ProduceOptions{}.priority(MessagePriority::high));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead", key_prefix()) == 1; }));
  const auto letter = sync_wait(queue.dead_letters().get("t", id));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "retries");
  EXPECT_EQ(letter->last_error, "cause 3");
  EXPECT_EQ(letter->message.topic, "t");
  EXPECT_EQ(letter->message.payload, payload);
  EXPECT_EQ(letter->message.priority, MessagePriority::high);
  EXPECT_EQ(letter->message.meta.retry_count, 3);
  const auto& times = letter->message.meta.attempt_times;
  ASSERT_EQ(times.size(), 3u);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_GE(times[0], letter->message.created_at);
  EXPECT_LE(times[2],
            letter->dead_at + 1);  // the start is the client's estimate of the server's ms
}

INSTANTIATE_TEST_SUITE_P(Prefixes, DefectsPrefixed, ::testing::Values("", "shop", "a:b.c:"),
                         [](const auto& info) {
                           return info.index == 0 ? "none" : info.index == 1 ? "word" : "colons";
                         });

}  // namespace
}  // namespace mx_rmq::test
