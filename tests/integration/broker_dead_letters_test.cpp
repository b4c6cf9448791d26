// Dead letters, cancelling and the set of topics on a real server.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/canceller.hpp"
#include "broker/data/history.hpp"
#include "broker/dead_letter_store.hpp"
#include "broker/topic_set.hpp"
#include "integration/broker_fixture.hpp"
#include "support/fault_proxy.hpp"

namespace mx_rmq::test {
namespace {

using namespace broker;  // NOLINT
using Strings = std::vector<std::string>;

// Claims everything that is ready and dead-letters it.
void kill_all(Rig& rig, std::uint64_t number, const std::string& line) {
  Claim::Args claim;
  claim.consumer = "killer";
  claim.number = number;
  claim.most = 1'000;
  claim.lease = 60s;
  claim.fresh = true;
  claim.bytes = 1 << 24;
  const Claim::Reply got =
      rig.run([&] { return rig.broker().call<broker::Claim>(claim, rig.in(5s)); });
  std::vector<Dead::Item> items;
  for (std::size_t i = 0; i < got.envelopes.size(); ++i) {
    const auto view = parse_envelope(got.envelopes[i]);
    items.push_back(Dead::Item{Tag{number, static_cast<std::uint32_t>(i + 1)}, view->id, line});
  }
  Dead::Args dead;
  dead.consumer = "killer";
  dead.items = items;
  rig.run([&] { return rig.broker().call<broker::Dead>(dead, rig.in(5s)); });
}

void plant(RedisServer& server, const Rig& rig, const std::string& member,
           const std::string& value) {
  server.command({"HSET", rig.keys.dlq_data, member, value});
  server.command({"ZADD", rig.keys.dlq, "5", member});
}

Strings members(const std::vector<DeadLetterRecord>& records) {
  Strings out;
  for (const DeadLetterRecord& each : records) out.push_back(each.member);
  return out;
}

class Letters {
 public:
  explicit Letters(Rig& rig) : rig_(rig), store_(rig.broker(), 5s) {}

  std::int64_t count() {
    return rig_.run([&] { return store_.count(); });
  }
  std::vector<DeadLetterRecord> list(std::int64_t offset, std::int64_t count) {
    return rig_.run([&] { return store_.list(offset, count); });
  }
  std::optional<DeadLetterRecord> get(std::string member) {
    return rig_.run([&] { return store_.get(member); });
  }
  bool requeue(std::string member) {
    return rig_.run([&] { return store_.requeue(member); });
  }
  bool remove(std::string member) {
    return rig_.run([&] { return store_.remove(member); });
  }
  std::int64_t requeue_all() {
    return rig_.run([&] { return store_.requeue_all(); });
  }
  std::int64_t purge() {
    return rig_.run([&] { return store_.purge(); });
  }

 private:
  Rig& rig_;
  DeadLetterStore store_;
};

TEST(BrokerDeadLetters, AreListedNewestFirstAndReadByMember) {
  RedisServer server;
  Rig rig(server.url());
  Letters letters(rig);
  EXPECT_EQ(letters.count(), 0);
  EXPECT_TRUE(letters.list(0, 10).empty());
  EXPECT_FALSE(letters.get("a"));
  rig.produce_all({message("a", "[1]"), message("b", "[2]")});
  History history;
  add_failure(history, "bad luck", 7, 8);
  kill_all(rig, 1, dead_line("retries", encode_history(history, 100)));
  plant(server, rig, "!x.1.1", std::string("decode\t\n\xFF\0garbage", 17));
  EXPECT_EQ(letters.count(), 3);
  EXPECT_EQ(members(letters.list(0, 10)), (Strings{"b", "a", "!x.1.1"}));
  EXPECT_EQ(members(letters.list(1, 1)), (Strings{"a"}));
  EXPECT_TRUE(letters.list(3, 10).empty());
  const auto a = letters.get("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->member, "a");
  EXPECT_EQ(a->reason, "retries");
  EXPECT_EQ(a->history, history);
  EXPECT_EQ(parse_envelope(a->envelope)->payload, "[1]");
  EXPECT_GT(a->dead_at, 1'700'000'000'000);
  const auto garbage = letters.get("!x.1.1");
  ASSERT_TRUE(garbage);
  EXPECT_EQ(garbage->reason, "decode");
  EXPECT_EQ(garbage->dead_at, 5);
  EXPECT_EQ(garbage->envelope, std::string("\xFF\0garbage", 9));
}

TEST(BrokerDeadLetters, ComeBackByRequeueAndGoByRemove) {
  RedisServer server;
  Rig rig(server.url());
  Letters letters(rig);
  rig.produce_all({chosen("a"), message("b"), message("c")});
  kill_all(rig, 1, "retries\t");
  plant(server, rig, "bad", "decode\t\nx");
  EXPECT_EQ(rig.produce(chosen("a")), Produced::duplicate);
  EXPECT_TRUE(letters.requeue("a"));
  EXPECT_FALSE(letters.requeue("a"));
  EXPECT_FALSE(letters.requeue("bad"));
  EXPECT_TRUE(letters.remove("b"));
  EXPECT_FALSE(letters.remove("b"));
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"a"}));
  EXPECT_EQ(members(letters.list(0, 10)), (Strings{"c", "bad"}));
}

TEST(BrokerDeadLetters, AreRequeuedAndPurgedInSteps) {
  RedisServer server;
  Rig rig(server.url());
  Letters letters(rig);
  Strings want;
  for (std::uint64_t round = 1; round <= 2; ++round) {
    std::vector<OutgoingEnvelope> batch;
    for (int i = 0; i < 700; ++i) {
      want.push_back(std::to_string(round) + "." + std::to_string(1'000 + i));
      batch.push_back(message(want.back()));
    }
    rig.produce_all(std::move(batch));
    kill_all(rig, round, "retries\t");
  }
  for (int i = 0; i < 600; ++i) plant(server, rig, "bad" + std::to_string(i), "decode\t\nx");
  EXPECT_EQ(letters.count(), 2'000);
  EXPECT_EQ(letters.list(0, 5'000).size(), 2'000U);
  EXPECT_EQ(letters.requeue_all(), 1'400);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), want);
  EXPECT_EQ(letters.count(), 600);
  EXPECT_EQ(letters.requeue_all(), 0);
  EXPECT_EQ(letters.purge(), 600);
  EXPECT_EQ(letters.count(), 0);
  EXPECT_EQ(letters.purge(), 0);
  EXPECT_EQ(server.command({"EXISTS", rig.keys.dlq, rig.keys.dlq_data}).num(), 0);
}

void lose_one(FaultProxy& proxy, const std::string& script,
              CommandFate fate = CommandFate::lose_reply) {
  proxy.judge_commands([script, fate, left = 1](const SeenCommand& call) mutable {
    return call.script == script && left-- > 0 ? fate : CommandFate::pass;
  });
}

TEST(BrokerDeadLetters, ARepeatedCallThatFindsNothingIsUnknown) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock");
  Rig rig(proxy.url());
  Letters letters(rig);
  rig.produce_all({message("a"), message("b"), message("c"), message("d")});
  kill_all(rig, 1, "retries\t");
  lose_one(proxy, "requeue");
  EXPECT_THROW(letters.requeue("a"), OutcomeUnknown);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"a"}));
  lose_one(proxy, "dlq_remove");
  EXPECT_THROW(letters.remove("b"), OutcomeUnknown);
  EXPECT_EQ(letters.count(), 2);
  // Lost before Redis had it: the copy finds its letter, so that the answer is clear.
  lose_one(proxy, "dlq_remove", CommandFate::lose);
  EXPECT_TRUE(letters.remove("c"));
  lose_one(proxy, "dlq_purge");
  EXPECT_THROW(letters.purge(), OutcomeUnknown);
  EXPECT_EQ(letters.count(), 0);
}

bool cancel(Rig& rig, const std::string& id, std::chrono::milliseconds timeout = 5s) {
  Canceller canceller(rig.broker(), 5s);
  return rig.run([&] { return canceller.cancel(id, rig.in(timeout)); });
}

TEST(BrokerCanceller, FindsDelayedAndWaitingMessages) {
  RedisServer server;
  Rig rig(server.url());
  std::vector<OutgoingEnvelope> batch;
  for (int i = 0; i < 3'500; ++i) batch.push_back(message(std::to_string(i)));
  batch.push_back(message("low", "{}", MessagePriority::low));
  batch.push_back(chosen("mine"));
  OutgoingEnvelope delayed = chosen("later");
  delayed.delay = 1h;
  batch.push_back(delayed);
  rig.produce_all(std::move(batch));
  EXPECT_EQ(server.command({"HLEN", rig.keys.ids}).num(), 2);
  EXPECT_TRUE(cancel(rig, "later"));
  EXPECT_FALSE(cancel(rig, "later"));
  EXPECT_EQ(server.command({"ZCARD", rig.keys.delayed}).num(), 0);
  EXPECT_TRUE(cancel(rig, "mine"));
  EXPECT_EQ(server.command({"HLEN", rig.keys.ids}).num(), 0);
  EXPECT_TRUE(cancel(rig, "0"));     // the oldest: fourth page
  EXPECT_TRUE(cancel(rig, "3499"));  // among the newest
  EXPECT_TRUE(cancel(rig, "low"));
  EXPECT_FALSE(cancel(rig, "0"));
  EXPECT_FALSE(cancel(rig, "none"));
  EXPECT_EQ(rig.produce(chosen("mine")), Produced::enqueued);
  EXPECT_EQ(server.command({"HGET", rig.keys.stats, "cancelled"}).num(), 5);
  EnvelopeView suspect;
  suspect.id = "suspect";
  suspect.recoveries = 2;
  server.command({"RPUSH", rig.keys.ready(List::suspect), encode_envelope(suspect)});
  EXPECT_TRUE(cancel(rig, "suspect"));
}

TEST(BrokerCanceller, ARepeatedSearchThatFindsNothingIsUnknown) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock");
  Rig rig(proxy.url());
  OutgoingEnvelope delayed = message("later");
  delayed.delay = 1h;
  rig.produce_all({message("a"), delayed});
  lose_one(proxy, "cancel");
  EXPECT_THROW(cancel(rig, "later"), OutcomeUnknown);
  proxy.judge_commands([page = 0](const SeenCommand& call) mutable {  // the second page finds it
    return call.script == "cancel_page" && ++page == 2 ? CommandFate::lose_reply
                                                       : CommandFate::pass;
  });
  EXPECT_THROW(cancel(rig, "a"), OutcomeUnknown);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"?"}));  // emptied
  lose_one(proxy, "cancel", CommandFate::lose);
  EXPECT_THROW(cancel(rig, "none"), OutcomeUnknown);
}

TEST(BrokerCanceller, AfterALostReplyARefusalDoesNotMeanThatNothingWasDone) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock");
  Rig rig(proxy.url());
  OutgoingEnvelope delayed = message("later");
  delayed.delay = 1h;
  rig.produce_all({delayed});
  proxy.judge_commands([&server, calls = 0](const SeenCommand& call) mutable {
    if (call.script == "cancel" && ++calls == 1) return CommandFate::lose_reply;
    if (call.script == "cancel_page")
      server.command({"ACL", "SETUSER", "default", "-evalsha", "-eval"});
    return CommandFate::pass;
  });
  EXPECT_THROW(cancel(rig, "later"), OutcomeUnknown);
  EXPECT_EQ(server.command({"ZCARD", rig.keys.delayed}).num(), 0) << "it was cancelled";
}

TEST(BrokerCanceller, ASearchThatTakesTooLongIsATimeout) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("a"));
  EXPECT_THROW(cancel(rig, "a", 0ms), TimeoutError);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"a"}));
}

TEST(BrokerTopicSet, NotesTopicsListsAllAndForgets) {
  RedisServer server;
  Rig rig(server.url());
  TopicSet topics(rig.broker().caller(), "test");
  const auto note = [&](std::string topic) {
    rig.run([&] { return topics.note(topic, rig.in(5s)); });
  };
  note("b");
  note("a");
  note("a");
  EXPECT_EQ(rig.run([&] { return topics.list(rig.in(5s)); }), (Strings{"a", "b"}));
  EXPECT_EQ(server.command({"SCARD", "test:topics"}).num(), 2);
  rig.run([&] { return topics.forget("a", rig.in(5s)); });
  EXPECT_EQ(rig.run([&] { return topics.list(rig.in(5s)); }), (Strings{"b"}));
}

}  // namespace
}  // namespace mx_rmq::test
