// What anybody with the credentials may have left in Redis: keys of the wrong type, damaged
// entries. Everything else goes on, errors are typed, and nobody spins.
#include <atomic>
#include <functional>
#include <limits>

#include "mx_rmq/log.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::faults {
namespace {

using namespace test;

class StoredData : public QueueTest {
 protected:
  static std::int64_t commands() {
    const std::string info = server().command({"INFO", "stats"}).str();
    const std::string name = "total_commands_processed:";
    return std::stoll(info.substr(info.find(name) + name.size()));
  }
  // Commands a second, with nothing to do. What scripts call inside counts, too.
  static std::int64_t commands_when_idle() {
    const auto before = commands();
    std::this_thread::sleep_for(250ms);  // the interval that is measured
    return (commands() - before) * 4;
  }
  static std::string envelope(const std::string& id, const std::string& payload) {
    return "mx1 n 0 0 3 1 86400000 9999999999999 0 " + std::to_string(id.size()) + "\n" + id +
           "\n\n" + payload;
  }
};

struct Plant {
  const char* name;
  Strings command;           // "%" in its second word: the topic's keys
  std::int64_t handled = 0;  // of what was planted
  std::int64_t dead = 0;     // became dead letters
};

const std::string whole = "mx1 n 0 0 3 1 86400000 9999999999999 0 1\nx\n\n\"planted\"";

std::vector<Plant> plants() {
  const std::string big(1 << 20, 'x');
  return {
      {"a hole", {"RPUSH", "ready:normal", ""}},
      {"a good one", {"RPUSH", "ready:high", whole}, 1},
      {"half an envelope", {"RPUSH", "ready:normal", whole.substr(0, 30)}, 0, 1},
      {"a newer version", {"RPUSH", "ready:low", "mx2" + whole.substr(3)}, 0, 1},
      {"a huge length",
       {"RPUSH", "ready:normal", "mx1 n 0 0 3 1 1 9999999999999 0 9999\nx\n\n1"},
       0,
       1},
      {"numbers too long",
       {"RPUSH", "ready:normal", "mx1 n 0 0 3 1 1 99999999999999999999 0 1\nx\n\n1"},
       0,
       1},
      {"negative numbers",
       {"RPUSH", "ready:normal", "mx1 n -1 0 3 1 1 9999999999999 0 1\nx\n\n1"},
       0,
       1},
      {"no payload",
       {"RPUSH", "ready:normal", "mx1 n 0 0 3 1 86400000 9999999999999 0 1\nx\n\n"},
       0,
       1},
      {"a payload that is no JSON",
       {"RPUSH", "ready:normal", "mx1 n 0 0 3 1 86400000 9999999999999 0 1\nx\n\n{]"},
       0,
       1},
      {"a damaged history",
       {"RPUSH", "ready:normal", "mx1 n 1 0 3 1 86400000 9999999999999 0 1\nx\n{}\t[[[\n1"},
       1},
      {"a megabyte of nothing", {"RPUSH", "ready:normal", big}, 0, 1},
      {"a suspect that cannot be read", {"RPUSH", "ready:suspect", "nonsense"}, 0, 1},
      {"an index without data", {"ZADD", "delayed", "1", "ghost"}},
      {"an index of long ago", {"ZADD", "delayed", "-inf", "ghost"}},
      {"an index without end", {"ZADD", "delayed", "inf", "ghost"}},
      {"data without an index", {"HSET", "delayed:data", "ghost", whole}},
      {"a consumer that holds nothing", {"ZADD", "consumers", "1", "ghost.1"}},
      {"a consumer with a name of a megabyte", {"ZADD", "consumers", "1", big}},
      {"a consumer that is being reaped", {"ZADD", "consumers", "0", "ghost.1"}},
      {"a consumer of before time", {"ZADD", "consumers", "-5", "ghost.1"}},
      {"held by nobody", {"HSET", "processing:ghost.1", "1.1", whole}},
      {"a dead letter without data", {"ZADD", "dlq", "1", "ghost"}},
      {"a dead letter without a line", {"HSET", "dlq:data", "ghost", "nothing"}},
      {"idle ones that nobody knows", {"ZADD", "idle", "0", "0", "1", "foreign", "-1", "told"}},
      {"an alarm that is no number", {"HSET", "stats", "alarm", "soon"}},
      {"an alarm that never comes", {"HSET", "stats", "alarm", "99999999999999"}},
      {"a foreign counter that is no number", {"HSET", "stats", "foreign", "many"}},
      {"an id that is no time", {"HSET", "ids", "ghost", "never"}},
  };
}

class Planted : public StoredData, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(Planted, I2_is_skipped_or_becomes_a_dead_letter_and_the_others_are_handled) {
  const Plant plant = plants().at(GetParam());
  SCOPED_TRACE(plant.name);
  Strings command = plant.command;
  command[1] = key_of("t", command[1]);
  server().command(command);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(produce(queue, "t", i));
  ids.push_back(produce(queue, "t", 10, ProduceOptions{}.delay(20ms)));
  ids.push_back(produce(queue, "t", 11, ProduceOptions{}.message_id("chosen")));
  start(queue);
  const auto good = [&] {
    std::size_t count = 0;
    for (const auto& id : ids) count += journal->count(id);
    return count;
  };
  EXPECT_TRUE(wait_for(patience,
                       [&] {
                         return good() == ids.size() &&
                                journal->size() ==
                                    ids.size() + static_cast<std::size_t>(plant.handled) &&
                                stat(server(), "t", "dead") == plant.dead;
                       }))
      << good() << " of " << ids.size() << ", " << journal->size() << " handled, "
      << stat(server(), "t", "dead") << " dead";
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  EXPECT_EQ(static_cast<std::int64_t>(letters.size()), plant.dead);
  for (const auto& letter : letters) {
    EXPECT_EQ(letter.reason, "decode");
    EXPECT_EQ(letter.raw, plant.command.back()) << "byte for byte";
  }
  EXPECT_NO_THROW(sync_wait(queue.metrics().collect({"t"})));
  EXPECT_LT(commands_when_idle(), 800) << "nobody spins over it";
  stop(queue);
}

INSTANTIATE_TEST_SUITE_P(FaultsI, Planted, ::testing::Range(std::size_t{0}, plants().size()),
                         [](const auto& each) {
                           std::string name = plants().at(each.param).name;
                           std::ranges::replace(name, ' ', '_');
                           return name;
                         });

TEST_F(StoredData, I2_what_a_dead_consumer_held_under_strange_tags_is_recovered) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  server().command({"ZADD", key_of("t", "consumers"), "1", "ghost.1"});
  const std::string held = key_of("t", "processing:ghost.1");
  const Strings tags{"1.1",  "no tag", std::string(1 << 20, '9'), "", "1.99999999999999999999",
                     "-1.-1"};
  for (std::size_t i = 0; i < tags.size(); ++i)
    server().command({"HSET", held, tags[i], envelope("m" + std::to_string(i), std::to_string(i))});
  server().command({"HSET", held, "7.7", "unreadable"});
  start(queue);
  EXPECT_TRUE(journal->wait_size(tags.size())) << journal->size();
  EXPECT_TRUE(wait_for(patience, [] { return stat(server(), "t", "dead") == 1; }));
  EXPECT_EQ(server().command({"EXISTS", held}).num(), 0);
  EXPECT_TRUE(server().command({"ZSCORE", key_of("t", "consumers"), "ghost.1"}).is_nil());
}

TEST_F(StoredData, I2_a_lease_in_the_far_future_is_cut_to_the_longest) {
  const auto journal = std::make_shared<Journal>();
  MQConfig quick = config();
  quick.lease = 200ms;
  RedisMessageQueue queue(quick);
  queue.register_handler("t", recorder(journal));
  server().command({"ZADD", key_of("t", "consumers"), "inf", "ghost.1"});
  server().command({"HSET", key_of("t", "processing:ghost.1"), "1.1", envelope("m", "1")});
  start(queue);
  EXPECT_TRUE(wait_for(patience, [] {
    const auto score = server().command({"ZSCORE", key_of("t", "consumers"), "ghost.1"});
    return score.is_nil() || score.str() != "inf";
  })) << "it would be held for ever";
}

// --- C14 ---

class WrongType : public StoredData, public ::testing::WithParamInterface<const char*> {};

TEST_P(WrongType, C14_is_a_typed_error_and_disturbs_no_other_topic) {
  const std::string planted = key_of("bad", GetParam());
  const auto journal = std::make_shared<Journal>();
  MQConfig hasty = config();
  hasty.produce_timeout = 300ms;
  RedisMessageQueue queue(hasty);
  queue.register_handler("bad", recorder(journal));
  queue.register_handler("good", recorder(journal));
  start(queue);
  server().command({"DEL", planted});
  server().command({"SET", planted, "not what it should be"});
  for (int i = 0; i < 3; ++i) {
    for (const auto& options :
         {ProduceOptions{}, ProduceOptions{}.delay(1ms), ProduceOptions{}.message_id("x"),
          ProduceOptions{}.priority(MessagePriority::high)}) {
      try {
        produce(queue, "bad", i, options);
      } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("WRONGTYPE"), std::string::npos) << e.what();
      }
    }
  }
  std::vector<std::string> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(produce(queue, "good", i));
  EXPECT_TRUE(wait_for(patience, [] { return stat(server(), "good", "completed") == 20; }));
  EXPECT_LT(commands_when_idle(), 1600) << "nobody spins over it";
  // Once it is gone the topic works, at the next try.
  server().command({"DEL", planted});
  const std::string id = produce(queue, "bad", "after");
  EXPECT_TRUE(wait_for(patience, [&] { return journal->count(id) == 1; })) << GetParam();
  stop(queue);
}

INSTANTIATE_TEST_SUITE_P(FaultsC, WrongType,
                         ::testing::Values("ready:high", "ready:normal", "ready:low",
                                           "ready:suspect", "delayed", "delayed:data", "consumers",
                                           "dlq", "dlq:data", "ids", "idle", "stats"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::ranges::replace(name, ':', '_');
                           return name;
                         });

// While suspects run the process does nothing else; where they cannot be had it must not wait for
// them.
TEST_F(StoredData, C14_suspects_that_cannot_be_claimed_do_not_hold_up_the_other_topics) {
  server().command({"SET", key_of("bad", "ready:suspect"), "not what it should be"});
  const auto journal = std::make_shared<Journal>();
  const auto tried = std::make_shared<std::atomic<bool>>(false);
  set_log_sink([tried](LogLevel, std::string_view line) {
    if (line.find("call=suspect") != std::string_view::npos) *tried = true;
  });
  MQConfig patient = config();
  patient.lease = 10min;
  RedisMessageQueue queue(patient);
  queue.register_handler("bad", recorder(journal));
  queue.register_handler("good", recorder(journal));
  start(queue);
  EXPECT_TRUE(wait_for(patience, [&] { return tried->load(); }));
  for (int i = 0; i < 20; ++i) produce(queue, "good", i);
  EXPECT_TRUE(journal->wait_size(20)) << "within a small part of the lease";
  stop(queue);
  set_log_sink(nullptr);
}

// --- I4, I5: through every path, the dead letters included ---

TEST_F(StoredData, I4_I5_ids_and_payloads_of_any_bytes_come_back_from_every_place) {
  const std::vector<json> payloads{
      nullptr,
      json::array(),
      json::object(),
      json{{"", json::array({json::object()})}},
      std::numeric_limits<std::uint64_t>::max(),
      std::numeric_limits<std::int64_t>::min(),
      9007199254740991,
      9007199254740993,
      -9007199254740993,
      1e308,
      5e-324,
      -0.0,
      std::string("\0\r\n\t{}\"\\", 8),
      "\xef\xbb\xbf byte order mark",
      "\xf4\x8f\xbf\xbf the last character",
      std::string(300'000, '\n'),
  };
  Strings ids{std::string("\0", 1), "\r\n", "{}", "a b", "~1", "!x.1.1", "\xc3\xbc",
              std::string(256, 'i')};
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  // Fails once, then is rejected: through the delayed ones and the dead letters.
  queue.register_handler("t", [journal](Context& context) -> Task<> {
    journal->add(context);
    if (context.attempt() == 1) throw std::runtime_error("once");
    throw Reject("twice");
  });
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    ProduceOptions options;
    if (i < ids.size()) options.message_id(ids[i]);
    produce(queue, "t", payloads[i], options);
  }
  start(queue);
  const auto all = static_cast<std::int64_t>(payloads.size());
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == all; }));
  stop(queue);
  const auto letters = sync_wait(queue.dead_letters().list("t", 0, 100));
  ASSERT_EQ(letters.size(), payloads.size());
  std::size_t chosen = 0;
  for (const auto& letter : letters) {
    const auto found = std::ranges::find_if(
        payloads, [&](const json& each) { return each.dump() == letter.message.payload.dump(); });
    EXPECT_NE(found, payloads.end()) << letter.message.payload.dump().substr(0, 50);
    const auto at = static_cast<std::size_t>(found - payloads.begin());
    if (at < ids.size()) {
      EXPECT_EQ(letter.message.id, ids[at]);
      const auto got = sync_wait(queue.dead_letters().get("t", ids[at]));
      ASSERT_TRUE(got.has_value());
      EXPECT_EQ(got->message.payload.dump(), payloads[at].dump());
      ++chosen;
    }
  }
  EXPECT_EQ(chosen, ids.size());
  for (const Handled& run : journal->runs())
    EXPECT_NE(std::ranges::find_if(
                  payloads, [&](const json& each) { return each.dump() == run.payload.dump(); }),
              payloads.end());
  EXPECT_TRUE(sound(audit(server(), "t")));
  EXPECT_EQ(sync_wait(queue.dead_letters().requeue_all("t")), all);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

}  // namespace
}  // namespace mx_rmq::faults
