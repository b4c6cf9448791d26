// Changing messages that no worker holds: every operation in every state, and under faults.
#include <atomic>
#include <functional>
#include <optional>
#include <set>

#include "broker/data/envelope.hpp"
#include "broker/data/partitions.hpp"
#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

using Outcome = ChangeOutcome;

// A worker that holds what it gets until it is let go.
class Holder {
 public:
  Holder(const MQConfig& config, const Strings& topics) : queue_(config) {
    for (const std::string& topic : topics) {
      queue_.register_handler(topic, [inside = inside_, open = open_](Context&) -> Task<> {
        ++*inside;
        while (!*open) co_await sleep_for(5ms);
      });
    }
    sync_wait(queue_.start_background());
  }
  ~Holder() { *open_ = true; }
  bool wait_inside(int wanted) const {
    return wait_for(patience, [&] { return *inside_ >= wanted; });
  }
  void finish() {
    *open_ = true;
    sync_wait(queue_.stop());
  }

 private:
  std::shared_ptr<std::atomic<int>> inside_ = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue_;
};

// The places a message can be in; the last two: it was handled, it never was.
enum class Place { waiting, suspect, delayed, held, dead, gone, never };
constexpr std::initializer_list<Place> all_places{Place::waiting, Place::suspect, Place::delayed,
                                                  Place::held,    Place::dead,    Place::gone,
                                                  Place::never};

const char* name_of(Place place) {
  static constexpr std::array<const char*, 7> names{"waiting", "suspect", "delayed", "held",
                                                    "dead",    "gone",    "never"};
  return names.at(static_cast<std::size_t>(place));
}

// Messages of the topic "<name>.<place>", each in its place; what was done leaves the books right.
class Places {
 public:
  Places(RedisServer& server, const MQConfig& config, const std::string& name)
      : server_(server), queue(config), name_(name) {
    for (const Place place : all_places) put(config, place);
    holder = std::make_unique<Holder>(config, Strings{topic(Place::held)});
    EXPECT_TRUE(holder->wait_inside(1));
  }
  [[nodiscard]] std::string topic(Place place) const { return name_ + "." + name_of(place); }
  static std::string id(Place place) { return std::string("id of ") + name_of(place); }
  [[nodiscard]] std::optional<MessageState> where(Place place) {
    const auto found = sync_wait(queue.admin().find(topic(place), id(place)));
    if (!found.message) return std::nullopt;
    return found.message->state;
  }
  void expect_sound() {
    for (const Place place : all_places)
      EXPECT_TRUE(sound(audit(server_, topic(place)))) << topic(place);
  }

 private:
  void put(const MQConfig& config, Place place) {
    if (place == Place::never) return;
    ProduceOptions options;
    options.message_id(id(place)).header("h", "v");
    if (place == Place::delayed) options.delay(1h);
    sync_wait(queue.produce(topic(place), name_of(place), options));
    if (place == Place::suspect) {
      const std::string from = key_of(topic(place), "ready:normal");
      std::string stored = server_.command({"LPOP", from}).str();
      stored.replace(0, std::string("mx1 n 0 0").size(), "mx1 n 0 2");
      server_.command({"RPUSH", key_of(topic(place), "ready:suspect"), stored});
    }
    if (place != Place::dead && place != Place::gone) return;
    RedisMessageQueue worker(config);
    worker.register_handler(topic(place), [place](const json&) {
      if (place == Place::dead) throw Reject("no");
    });
    sync_wait(worker.start_background());
    const char* const counter = place == Place::dead ? "dead" : "completed";
    EXPECT_TRUE(wait_for(patience, [&] { return stat(server_, topic(place), counter) == 1; }));
    sync_wait(worker.stop());
  }

  RedisServer& server_;

 public:
  RedisMessageQueue queue;
  std::unique_ptr<Holder> holder;

 private:
  const std::string name_;
};

struct Wanted {
  Outcome outcome;
  std::optional<MessageState> where;  // afterwards
};

// Of each place, in their order, what an operation is to make of it.
using Column = std::vector<Wanted>;
using Operation =
    std::function<MessageChange(Admin, const std::string& topic, const std::string& id)>;

class QueueAdminChanges : public QueueTest {
 protected:
  static void check(const std::string& name, const Operation& operation, const Column& column) {
    Places places(server(), config(), name);
    std::size_t row = 0;
    for (const Place place : all_places) {
      const std::string what = name + " of one that is " + name_of(place);
      const MessageChange change =
          operation(places.queue.admin(), places.topic(place), Places::id(place));
      const Wanted& wanted = column.at(row++);
      EXPECT_EQ(to_string(change.outcome), to_string(wanted.outcome)) << what;
      EXPECT_EQ(change.id, Places::id(place)) << what;
      EXPECT_EQ(places.where(place), wanted.where) << what;
      // Once more: it is so already, or cannot be.
      if (wanted.outcome != Outcome::done || !wanted.where) continue;
      const Outcome again =
          operation(places.queue.admin(), places.topic(place), Places::id(place)).outcome;
      EXPECT_EQ(to_string(again), to_string(Outcome::already)) << what << ", again";
    }
    places.expect_sound();
    places.holder->finish();
  }

  static constexpr auto nowhere = std::nullopt;
};

constexpr auto waiting = MessageState::waiting;
constexpr auto suspect = MessageState::suspect;
constexpr auto delayed = MessageState::delayed;
constexpr auto held = MessageState::held;
constexpr auto dead = MessageState::dead;

TEST_F(QueueAdminChanges, PromoteMakesWhatIsDelayedWait) {
  check("promote",
        [](Admin admin, const std::string& topic, const std::string& id) {
          Strings ids{id};
          return sync_wait(admin.promote(topic, ids)).at(0);
        },
        {{Outcome::already, waiting},
         {Outcome::already, suspect},
         {Outcome::done, waiting},
         {Outcome::refused, held},
         {Outcome::refused, dead},
         {Outcome::not_found, nowhere},
         {Outcome::not_found, nowhere}});
}

TEST_F(QueueAdminChanges, RescheduleDelaysWhatWaits) {
  const auto at = std::chrono::system_clock::now() + 2h;
  check("reschedule",
        [at](Admin admin, const std::string& topic, const std::string& id) {
          return sync_wait(admin.reschedule(topic, id, at));
        },
        {{Outcome::done, delayed},
         {Outcome::done, delayed},
         {Outcome::done, delayed},
         {Outcome::refused, held},
         {Outcome::refused, dead},
         {Outcome::not_found, nowhere},
         {Outcome::not_found, nowhere}});
}

TEST_F(QueueAdminChanges, ReprioritiseChangesTheList) {
  check("reprioritise",
        [](Admin admin, const std::string& topic, const std::string& id) {
          return sync_wait(admin.reprioritise(topic, id, MessagePriority::high));
        },
        {{Outcome::done, waiting},
         {Outcome::done, suspect},
         {Outcome::done, delayed},
         {Outcome::refused, held},
         {Outcome::refused, dead},
         {Outcome::not_found, nowhere},
         {Outcome::not_found, nowhere}});
}

TEST_F(QueueAdminChanges, MoveTakesItToAnotherTopic) {
  check("move",
        [](Admin admin, const std::string& topic, const std::string& id) {
          return sync_wait(admin.move(topic, id, "elsewhere"));
        },
        {{Outcome::done, nowhere},
         {Outcome::done, nowhere},
         {Outcome::done, nowhere},
         {Outcome::refused, held},
         {Outcome::done, nowhere},
         {Outcome::not_found, nowhere},
         {Outcome::not_found, nowhere}});
  RedisMessageQueue queue(config());
  EXPECT_TRUE(sound(audit(server(), "elsewhere")));
  for (const Place place : {Place::waiting, Place::suspect, Place::delayed, Place::dead}) {
    const auto found = sync_wait(queue.admin().find("elsewhere", Places::id(place)));
    ASSERT_TRUE(found.message) << name_of(place);
    EXPECT_EQ(found.message->state, place == Place::delayed ? delayed : waiting);
    EXPECT_EQ(found.message->payload, '"' + std::string(name_of(place)) + '"');
    EXPECT_EQ(found.message->headers.at("h"), "v");
  }
}

TEST_F(QueueAdminChanges, PurgeThrowsAwayOneStateAndNothingElse) {
  for (const auto state : {waiting, suspect, delayed, dead}) {
    Places places(server(), config(), "purge." + std::string(to_string(state)));
    for (const Place place : all_places) {
      const auto before = places.where(place);
      const std::int64_t gone = sync_wait(places.queue.admin().purge(places.topic(place), state));
      EXPECT_EQ(gone, before == state ? 1 : 0) << name_of(place);
      EXPECT_EQ(places.where(place), before == state ? nowhere : before) << name_of(place);
      if (before != state) continue;
      // Its id may be used again.
      ProduceOptions again;
      again.message_id(Places::id(place)).throw_if_duplicate();
      EXPECT_EQ(sync_wait(places.queue.produce(places.topic(place), 1, again)), Places::id(place));
    }
    places.expect_sound();
    places.holder->finish();
  }
  RedisMessageQueue queue(config());
  EXPECT_NE(thrown_by([&] { sync_wait(queue.admin().purge("t", held)); }).find("state"),
            std::string::npos);
}

// What is produced while a purge works stays, whatever is before it.
TEST_F(QueueAdminChanges, PurgeLeavesWhatCameLater) {
  RedisMessageQueue queue(config());
  std::vector<OutgoingMessage> old;
  for (int i = 0; i < 3'000; ++i) old.emplace_back("orders", i);
  sync_wait(queue.produce_batch(std::move(old)));
  const std::string list = key_of("orders", "ready:normal");
  const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch() + 1h)
                        .count();
  // Of a producer to come: at the head, as if it had been given back, and at the tail.
  for (const char* side : {"LPUSH", "RPUSH"}) {
    broker::EnvelopeView view;
    view.created_at = late;
    view.ttl = 1'000'000;
    view.expire_at = late + view.ttl;
    view.id = side;
    view.payload = "1";
    server().command({side, list, broker::encode_envelope(view)});
    server().command({"HINCRBY", key_of("orders", "stats"), "produced", "1"});
  }
  EXPECT_EQ(sync_wait(queue.admin().purge("orders", waiting)), 3'000);
  const MessagePage left = sync_wait(queue.admin().list("orders", waiting));
  ASSERT_EQ(left.messages.size(), 2U);
  EXPECT_EQ(left.messages[0].id, "LPUSH");
  EXPECT_EQ(left.messages[1].id, "RPUSH");
  EXPECT_TRUE(sound(audit(server(), "orders")));
  // A worker passes what the purge left between them.
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("orders", recorder(journal));
  start(queue);
  EXPECT_TRUE(journal->wait_size(2));
  stop(queue);
}

// A rescheduled one lives from when it is due, and a promoted one is handled at once.
TEST_F(QueueAdminChanges, WorkersFollow) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("orders", recorder(journal));
  start(queue);
  const std::string one = produce(queue, "orders", 1, ProduceOptions().delay(1h).ttl(10min));
  const std::string two = produce(queue, "orders", 2, ProduceOptions().delay(1h));
  const std::string three = produce(queue, "orders", 3, ProduceOptions().delay(1h));
  Strings ids{two, "nobody"};
  const auto promoted = sync_wait(queue.admin().promote("orders", ids));
  EXPECT_EQ(promoted[0].outcome, Outcome::done);
  EXPECT_EQ(promoted[1].outcome, Outcome::not_found);
  ASSERT_TRUE(journal->wait_size(1));
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(sync_wait(queue.admin().reschedule("orders", three, now - 1min)).outcome,
            Outcome::done);
  ASSERT_TRUE(journal->wait_size(2)) << "whoever is idle is woken";
  EXPECT_EQ(sync_wait(queue.admin().reschedule("orders", one, now + 3h)).outcome, Outcome::done);
  const auto found = sync_wait(queue.admin().find("orders", one));
  ASSERT_TRUE(found.message);
  EXPECT_EQ(found.message->expire_at - *found.message->due_at, 600'000);
  stop(queue);
  EXPECT_TRUE(sound(audit(server(), "orders")));
}

TEST_F(QueueAdminChanges, PartitionsAreOneTopic) {
  RedisMessageQueue queue(config());
  sync_wait(queue.configure("wide", TopicSettings{}.partitions(4)));
  Strings later;
  for (int i = 0; i < 40; ++i) {
    ProduceOptions options;
    options.key(std::to_string(i));
    produce(queue, "wide", i, options);
    later.push_back(produce(queue, "wide", i, options.delay(1h)));
  }
  const auto at = std::chrono::system_clock::now() + 5h;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(sync_wait(queue.admin().reschedule("wide", later[i], at)).outcome, Outcome::done);
    EXPECT_EQ(sync_wait(queue.admin().reprioritise("wide", later[i], MessagePriority::low)).outcome,
              Outcome::done);
  }
  EXPECT_EQ(sync_wait(queue.admin().move("wide", later[0], "narrow")).outcome, Outcome::done);
  Strings some(later.begin(), later.begin() + 20);
  const auto promoted = sync_wait(queue.admin().promote("wide", some));
  EXPECT_EQ(promoted[0].outcome, Outcome::not_found);
  for (std::size_t i = 1; i < 20; ++i) EXPECT_EQ(promoted[i].outcome, Outcome::done) << i;
  EXPECT_EQ(sync_wait(queue.admin().purge("wide", delayed)), 20);
  EXPECT_EQ(sync_wait(queue.admin().purge("wide", waiting)), 59);
  for (int i = 0; i < 4; ++i)
    EXPECT_TRUE(sound(audit(server(), broker::partition_tag("wide", i)))) << i;
}

// --- faults, on a server of its own ---

struct Faulty {
  Faulty() : proxy(server.socket_path(), server.directory() + "/proxy.sock"), queue(config()) {}

  [[nodiscard]] MQConfig config() const {
    MQConfig out = quick_config(proxy.url());
    out.command_timeout = 10s;
    return out;
  }
  std::string produce(const std::string& id, ProduceOptions options = ProduceOptions()) {
    return sync_wait(queue.produce("t", id, options.message_id(id)));
  }
  // The first call of that script is executed, and its reply is lost.
  void lose_reply_of(const std::string& script) {
    proxy.judge_commands([script, left = 1](const SeenCommand& call) mutable {
      return call.script == script && left-- > 0 ? CommandFate::lose_reply : CommandFate::pass;
    });
  }
  // Before a call of that script something happens at the server.
  void before(const std::string& script, std::function<void()> what) {
    proxy.judge_commands([script, what, left = 1](const SeenCommand& call) mutable {
      if (call.script == script && left-- > 0) what();
      return CommandFate::pass;
    });
  }

  RedisServer server;
  FaultProxy proxy;
  RedisMessageQueue queue;
};

TEST(QueueAdminChangesUnderFaults, ALostReplyIsNoError) {
  Faulty f;
  Admin admin = f.queue.admin();
  const auto at = std::chrono::system_clock::now() + 2h;
  f.produce("a", ProduceOptions().delay(1h));
  f.lose_reply_of("promote");
  Strings ids{"a"};
  EXPECT_EQ(sync_wait(admin.promote("t", ids))[0].outcome, Outcome::done);
  f.lose_reply_of("displace");
  EXPECT_EQ(sync_wait(admin.reprioritise("t", "a", MessagePriority::low)).outcome, Outcome::done);
  f.lose_reply_of("displace");
  EXPECT_EQ(sync_wait(admin.reschedule("t", "a", at)).outcome, Outcome::done);
  f.lose_reply_of("reschedule");
  EXPECT_EQ(sync_wait(admin.reschedule("t", "a", at + 1h)).outcome, Outcome::done);
  EXPECT_TRUE(sound(audit(f.server, "t")));
  for (const char* script : {"produce", "cancel"}) {
    f.lose_reply_of(script);
    const std::string id = std::string("moved ") + script;
    f.produce(id, ProduceOptions().delay(1h));
    f.lose_reply_of(script);
    EXPECT_EQ(sync_wait(admin.move("t", id, "u")).outcome, Outcome::done) << script;
    EXPECT_TRUE(sync_wait(admin.find("u", id)).message) << script;
    EXPECT_FALSE(sync_wait(admin.find("t", id)).message) << script;
  }
  f.produce("b");
  f.lose_reply_of("purge_list");
  EXPECT_NE(thrown_by([&] { sync_wait(admin.purge("t", waiting)); }).find("all was done"),
            std::string::npos);
  f.lose_reply_of("purge_delayed");
  EXPECT_NE(thrown_by([&] { sync_wait(admin.purge("t", delayed)); }).find("all was done"),
            std::string::npos);
  EXPECT_EQ(sync_wait(admin.list("t", waiting)).total + sync_wait(admin.list("t", delayed)).total,
            0);
  for (const char* topic : {"t", "u"}) EXPECT_TRUE(sound(audit(f.server, topic))) << topic;
}

TEST(QueueAdminChangesUnderFaults, WhatMovesMeanwhileIsFollowed) {
  Faulty f;
  Admin admin = f.queue.admin();
  std::vector<OutgoingMessage> many;
  for (int i = 0; i < 3'000; ++i) many.emplace_back("t", i);
  const Strings ids = sync_wait(f.queue.produce_batch(std::move(many)));
  // As if workers had taken so many elements, and done the messages in them.
  const auto handled = [&f](int elements, int messages) {
    f.server.command({"LTRIM", key_of("t", "ready:normal"), std::to_string(elements), "-1"});
    f.server.command({"HINCRBY", key_of("t", "stats"), "completed", std::to_string(messages)});
  };
  // Nearer to the head by then.
  f.before("displace", [&] { handled(1'500, 1'500); });
  EXPECT_EQ(sync_wait(admin.reprioritise("t", ids[2'500], MessagePriority::high)).outcome,
            Outcome::done);
  // Gone by then.
  f.before("displace", [&] { handled(1'400, 1'399); });
  EXPECT_EQ(sync_wait(admin.reprioritise("t", ids[1'600], MessagePriority::high)).outcome,
            Outcome::not_found);
  // Due by then.
  f.produce("due", ProduceOptions().delay(1h));
  f.before("reschedule", [&f] {
    const std::string stored = f.server.command({"HGET", key_of("t", "delayed:data"), "due"}).str();
    f.server.command({"RPUSH", key_of("t", "ready:normal"), stored});
    f.server.command({"ZREM", key_of("t", "delayed"), "due"});
    f.server.command({"HDEL", key_of("t", "delayed:data"), "due"});
  });
  const auto at = std::chrono::system_clock::now() + 2h;
  EXPECT_EQ(sync_wait(admin.reschedule("t", "due", at)).outcome, Outcome::done);
  EXPECT_EQ(sync_wait(admin.find("t", "due")).message->state, delayed);
  EXPECT_TRUE(sound(audit(f.server, "t")));
  // Taken by a worker while it is moved: it is in both.
  f.before("cancel_page", [&f] {
    f.server.command({"DEL", key_of("t", "ready:normal"), key_of("t", "ready:high")});
  });
  EXPECT_EQ(sync_wait(admin.move("t", ids[2'999], "u")).outcome, Outcome::twice);
  EXPECT_TRUE(sync_wait(admin.find("u", ids[2'999])).message);
}

TEST(QueueAdminChangesUnderFaults, AnotherMessageWithItsIdIsNotTakenForIt) {
  Faulty f;
  Admin admin = f.queue.admin();
  f.produce("seven");
  sync_wait(f.queue.produce("u", "another", ProduceOptions().message_id("seven")));
  EXPECT_THROW(sync_wait(admin.move("t", "seven", "u")), Duplicate);
  EXPECT_EQ(sync_wait(admin.find("t", "seven")).message->payload, "\"seven\"");
  // The same one: an earlier call was cut off before it could remove it here.
  sync_wait(f.queue.produce("v", "seven", ProduceOptions().message_id("seven")));
  EXPECT_EQ(sync_wait(admin.move("t", "seven", "v")).outcome, Outcome::done);
  EXPECT_FALSE(sync_wait(admin.find("t", "seven")).message);
  EXPECT_EQ(sync_wait(admin.list("v", waiting)).total, 1);
}

TEST(QueueAdminChangesUnderFaults, AFullRedisRefusesOnlyWhatAddsAMessage) {
  Faulty f;
  Admin admin = f.queue.admin();
  for (const char* id : {"a", "b", "c", "d"}) f.produce(id, ProduceOptions().delay(1h));
  f.server.command({"CONFIG", "SET", "maxmemory", "1"});
  Strings ids{"a", "b"};
  EXPECT_EQ(sync_wait(admin.promote("t", ids))[1].outcome, Outcome::done);
  EXPECT_EQ(sync_wait(admin.reprioritise("t", "a", MessagePriority::high)).outcome, Outcome::done);
  const auto at = std::chrono::system_clock::now() + 2h;
  EXPECT_EQ(sync_wait(admin.reschedule("t", "c", at)).outcome, Outcome::done);
  EXPECT_EQ(sync_wait(admin.reschedule("t", "a", at)).outcome, Outcome::done);
  const std::string refused = thrown_by([&] { sync_wait(admin.move("t", "d", "u")); });
  EXPECT_NE(refused.find("OOM"), std::string::npos) << refused;
  EXPECT_EQ(sync_wait(admin.find("t", "d")).message->state, delayed) << "it is not lost";
  EXPECT_EQ(sync_wait(admin.purge("t", waiting)), 1);
  EXPECT_EQ(sync_wait(admin.purge("t", delayed)), 3);
  f.server.command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(sound(audit(f.server, "t")));
}

// A server that became a replica takes nothing, and what is asked ends with an error.
TEST(QueueAdminChangesUnderFaults, AReplicaChangesNothing) {
  RedisServer server;
  MQConfig impatient = quick_config(server.url());
  impatient.command_timeout = 500ms;
  impatient.produce_timeout = 500ms;
  RedisMessageQueue queue(impatient);
  Admin admin = queue.admin();
  sync_wait(queue.produce("t", 1, ProduceOptions().message_id("a").delay(1h)));
  server.command({"CONFIG", "SET", "replica-serve-stale-data", "yes"});
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  Strings ids{"a"};
  const auto at = std::chrono::system_clock::now() + 2h;
  const std::vector<std::function<void()>> calls{
      [&] { sync_wait(admin.promote("t", ids)); },
      [&] { sync_wait(admin.reschedule("t", "a", at)); },
      [&] { sync_wait(admin.reprioritise("t", "a", MessagePriority::high)); },
      [&] { sync_wait(admin.move("t", "a", "u")); }, [&] { sync_wait(admin.purge("t", delayed)); }};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_NE(thrown_by(calls[i]), "") << "call " << i;
  }
  EXPECT_EQ(server.command({"ZCARD", key_of("t", "delayed")}).num(), 1);
  server.command({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(sound(audit(server, "t")));
}

}  // namespace
}  // namespace mx_rmq::test
