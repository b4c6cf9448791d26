// The typed calls on the real scripts: one consumer's life, and what others do for it.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "broker/data/history.hpp"
#include "broker/topic_stats.hpp"
#include "integration/broker_fixture.hpp"
#include "support/audit.hpp"
#include "support/fault_proxy.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using namespace broker;  // NOLINT
using Strings = std::vector<std::string>;

class Consumer {
 public:
  Consumer(Rig& rig, std::string name) : rig_(rig), name(std::move(name)) {}

  Claim::Reply claim(int most, bool fresh = false) {
    Claim::Args args;
    args.consumer = name;
    args.number = ++number;
    args.most = most;
    args.lease = lease;
    args.promote = 100;
    args.fresh = fresh;
    args.bytes = 1 << 20;
    return rig_.run([&] { return rig_.broker().call<broker::Claim>(args, rig_.in(5s)); });
  }
  Suspect::Reply suspect(bool fresh) {
    Suspect::Args args;
    args.consumer = name;
    args.number = ++number;
    args.lease = lease;
    args.fresh = fresh;
    return rig_.run([&] { return rig_.broker().call<broker::Suspect>(args, rig_.in(5s)); });
  }
  SettleResult ack(const std::vector<Tag>& tags, const std::vector<ChosenTag>& chosen = {}) {
    Ack::Args args;
    args.consumer = name;
    args.tags = tags;
    args.chosen = chosen;
    return rig_.run(
        [&] { return rig_.broker().call<broker::Ack>(args, rig_.in(5s), Resend::until_deadline); });
  }
  Tend::Reply tend(const std::vector<Tag>& tags) {
    Tend::Args args;
    args.consumer = name;
    args.lease = lease;
    args.last_claim = number;
    args.bytes = 1 << 20;
    args.tags = tags;
    return rig_.run([&] { return rig_.broker().call<broker::Tend>(args, rig_.in(5s)); });
  }
  std::int64_t leave() {
    Leave::Args args;
    args.consumer = name;
    return rig_.run([&] { return rig_.broker().call<broker::Leave>(args, rig_.in(5s)); });
  }
  Reap::Reply reap(const std::string& victim) {
    Reap::Args args;
    args.victim = victim;
    args.bytes = 1 << 20;
    args.longest_lease = 1h;
    return rig_.run([&] { return rig_.broker().call<broker::Reap>(args, rig_.in(5s)); });
  }

 private:
  Rig& rig_;

 public:
  const std::string name;
  std::uint64_t number = 0;
  std::chrono::milliseconds lease = 60s;
};

void expect_sound(RedisServer& server) {
  Audit numbers = audit(server, "t", "test");
  EXPECT_TRUE(sound(numbers));
  EXPECT_EQ(numbers["unreadable"], 0);
}

TEST(BrokerTopic, AConsumersLifeFromClaimToLeave) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce_all({message("n1"), message("n2"), message("h1", "{}", MessagePriority::high),
                   chosen("c1"), message("n3"), message("n4"), message("n5")});
  Consumer me(rig, "me.1");
  const Claim::Reply got = me.claim(7, true);
  ASSERT_EQ(got.envelopes.size(), 7U);
  EXPECT_FALSE(got.more);
  EXPECT_EQ(parse_envelope(got.envelopes[0])->id, "h1");
  EXPECT_TRUE(rig.client().clock().known());

  // 1 acknowledged, 4 (chosen) acknowledged.
  const auto c1 = parse_envelope(got.envelopes[3]);
  ASSERT_EQ(c1->id, "c1");
  EXPECT_EQ(server.command({"HLEN", rig.keys.ids}).num(), 1);
  EXPECT_EQ(me.ack({Tag{1, 1}}, {ChosenTag{Tag{1, 4}, c1->id, c1->id_until}}).count, 2);
  EXPECT_EQ(server.command({"HLEN", rig.keys.ids}).num(), 0);
  EXPECT_EQ(me.ack({Tag{1, 1}}).count, 0);  // an earlier copy did it

  // 2 retried with an attempt counted.
  auto n1 = parse_envelope(got.envelopes[1]);
  const std::size_t head = n1->head_size;
  History failed;
  add_failure(failed, "boom\n", 5, 6);
  const std::string history = encode_history(failed, 100);
  n1->attempts = 1;
  n1->history = history;
  const std::string new_head = encode_head(*n1);
  const std::array<Retry::Item, 1> retried{Retry::Item{Tag{1, 2}, 1h, n1->id, head, new_head}};
  Retry::Args retry;
  retry.consumer = me.name;
  retry.items = retried;
  EXPECT_EQ(rig.run([&] { return rig.broker().call<broker::Retry>(retry, rig.in(5s)); }).count, 1);
  const std::string delayed = server.command({"HGET", rig.keys.delayed_data, "n1"}).str();
  const auto stored = parse_envelope(delayed);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->attempts, 1);
  EXPECT_EQ(parse_history(stored->history)->last_error, "boom\n");
  EXPECT_EQ(stored->payload, "{}");

  // 3 dead-lettered.
  const std::string line = dead_line("rejected", history);
  const std::array<Dead::Item, 1> dying{Dead::Item{Tag{1, 3}, "n2", line}};
  Dead::Args dead;
  dead.consumer = me.name;
  dead.items = dying;
  EXPECT_EQ(rig.run([&] { return rig.broker().call<broker::Dead>(dead, rig.in(5s)); }).total, 1);
  EXPECT_EQ(server.command({"HGET", rig.keys.dlq_data, "n2"}).str(),
            line + "\n" + got.envelopes[2]);

  // 7 and 6 released to the head, in order; 6 with a new head.
  auto n4 = parse_envelope(got.envelopes[5]);
  const std::size_t n4_head = n4->head_size;
  n4->attempts = 1;
  const std::string counted = encode_head(*n4);
  const std::array<Release::Item, 2> back{Release::Item{Tag{1, 7}, 0, ""},
                                          Release::Item{Tag{1, 6}, n4_head, counted}};
  Release::Args release;
  release.consumer = me.name;
  release.items = back;
  EXPECT_EQ(rig.run([&] { return rig.broker().call<broker::Release>(release, rig.in(5s)); }).count,
            2);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"n4", "n5"}));

  // 5 is held still.
  EXPECT_EQ(me.leave(), 1);
  const TopicReport report = rig.run([&] { return report_topic(rig.broker(), rig.in(5s)); });
  EXPECT_EQ(report.processing, 1);
  ASSERT_EQ(report.consumers.size(), 1U);
  EXPECT_EQ(report.consumers[0].consumer, "me.1");
  EXPECT_EQ(report.consumers[0].holds, 1);
  EXPECT_EQ(report.stats.ready[1], 2);
  EXPECT_EQ(report.stats.delayed, 1);
  EXPECT_EQ(report.stats.dead, 1);
  EXPECT_EQ(report.stats.counter("produced"), 7);
  EXPECT_EQ(report.stats.counter("completed"), 2);
  EXPECT_EQ(report.stats.counter("retried"), 1);
  expect_sound(server);

  EXPECT_EQ(me.ack({Tag{1, 5}}).count, 1);
  EXPECT_EQ(me.leave(), 0);
  EXPECT_EQ(server.command({"ZCARD", rig.keys.consumers}).num(), 0);
  expect_sound(server);
}

TEST(BrokerTopic, TendGivesBackWhatNobodyNamedAndTellsWhatIsMissing) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce_all({message("a"), message("b"), message("c")});
  Consumer me(rig, "me.1");
  ASSERT_EQ(me.claim(3, true).envelopes.size(), 3U);
  const Tend::Reply got = me.tend({Tag{1, 2}, Tag{1, 9}});
  EXPECT_FALSE(got.lost);
  EXPECT_FALSE(got.more);
  EXPECT_EQ(got.missing, (std::vector<Tag>{Tag{1, 9}}));
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"a", "c"}));
  expect_sound(server);
}

TEST(BrokerTopic, WhoLostItsLeaseIsToldByEveryCall) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce_all({message("a"), message("b")});
  Consumer slow(rig, "slow.1");
  slow.lease = 1ms;
  ASSERT_EQ(slow.claim(1, true).envelopes.size(), 1U);
  Consumer other(rig, "other.1");
  std::string lapsed;
  ASSERT_TRUE(wait_for(5s, [&] {
    lapsed = other.claim(0, true).lapsed;
    return !lapsed.empty();
  }));
  EXPECT_EQ(lapsed, "slow.1");
  const Reap::Reply reaped = other.reap(lapsed);
  EXPECT_EQ(reaped.state, Reap::State::taken);
  EXPECT_EQ(reaped.recovered, 1);
  EXPECT_EQ(reaped.left, 0);
  EXPECT_EQ(other.reap(lapsed).state, Reap::State::gone);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"a", "b"}));

  EXPECT_TRUE(slow.ack({Tag{1, 1}}).lost);
  EXPECT_TRUE(slow.tend({Tag{1, 1}}).lost);
  EXPECT_TRUE(slow.claim(1, false).lost);
  const std::array<Release::Item, 1> items{Release::Item{Tag{1, 1}, 0, ""}};
  Release::Args release;
  release.consumer = slow.name;
  release.items = items;
  EXPECT_TRUE(
      rig.run([&] { return rig.broker().call<broker::Release>(release, rig.in(5s)); }).lost);
  EXPECT_EQ(server.command({"HGET", rig.keys.stats, "lease_lost"}).num(), 2);
  EXPECT_EQ(other.reap("nobody").state, Reap::State::gone);
  expect_sound(server);
}

TEST(BrokerTopic, SuspectsAreClaimedOneAtATime) {
  RedisServer server;
  Rig rig(server.url());
  EnvelopeView view;
  view.recoveries = 2;
  view.max_recoveries = 3;
  view.expire_at = max_envelope_time;
  for (const char* id : {"s1", "s2"}) {
    view.id = id;
    server.command({"RPUSH", rig.keys.ready(List::suspect), encode_envelope(view)});
  }
  Consumer me(rig, "me.1");
  EXPECT_TRUE(me.claim(5, true).suspects);
  const Suspect::Reply got = me.suspect(true);
  ASSERT_EQ(got.envelopes.size(), 1U);
  EXPECT_EQ(parse_envelope(got.envelopes[0])->id, "s1");
  EXPECT_TRUE(got.more);
  EXPECT_EQ(me.ack({Tag{me.number, 1}}).count, 1);
  EXPECT_FALSE(me.suspect(false).more);
}

TEST(BrokerTopic, SweepTakesWhatHasExpired) {
  RedisServer server;
  Rig rig(server.url());
  OutgoingEnvelope brief = message("brief");
  brief.ttl = 1ms;
  rig.produce_all({brief, message("stays")});
  Sweep::Args args;
  args.consumer = "me.1";
  args.number = 1;
  args.bytes = 1 << 20;
  args.longest_lease = 1h;
  std::int64_t taken = 0;
  ASSERT_TRUE(wait_for(5s, [&] {
    taken = rig.run([&] { return rig.broker().call<broker::Sweep>(args, rig.in(5s)); }).taken;
    return taken > 0;
  }));
  EXPECT_EQ(taken, 1);
  EXPECT_EQ(server.command({"ZRANGE", rig.keys.dlq, "0", "-1"}).strings(), (Strings{"brief"}));
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"stays"}));
  expect_sound(server);
}

TEST(BrokerTopic, AnIdleConsumerIsToldOverItsChannelUntilItIsUnlisted) {
  RedisServer server;
  Rig rig(server.url());
  test::RedisClient listening = server.connect();
  listening.command({"SUBSCRIBE", rig.keys.channel("me")});
  Claim::Args args;
  args.consumer = "me.1";
  args.number = 1;
  args.lease = 30s;
  args.fresh = true;
  args.bytes = 1 << 20;
  args.list = true;
  const auto claim = [&] {
    return rig.run([&] { return rig.broker().call<broker::Claim>(args, rig.in(5s)); });
  };
  EXPECT_TRUE(claim().listed);
  rig.produce_all({message("a")});
  const Value told = listening.receive();
  EXPECT_EQ(told.strings(), (Strings{"message", rig.keys.channel("me"), "w0"}));
  args.number = 2;
  args.listed = true;
  const Claim::Reply more = claim();
  EXPECT_TRUE(more.more);
  EXPECT_FALSE(more.listed);
  const auto unlist = [&] {
    return rig.run([&] { return rig.broker().call<broker::Unlist>({"me.1"}, rig.in(5s)); });
  };
  EXPECT_FALSE(unlist());
  args.number = 3;
  args.most = 1;
  EXPECT_TRUE(claim().listed);
  EXPECT_TRUE(unlist());
  EXPECT_EQ(server.command({"EXISTS", rig.keys.idle}).num(), 0);
}

TEST(BrokerTopic, AClaimWhoseReplyIsLostIsNeverSentTwiceAndASettleIs) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock", {.keep_calls = true});
  Rig rig(proxy.url());
  rig.produce_all({message("a"), message("b")});
  const auto lose_one = [&proxy](std::string script) {
    proxy.judge_commands([script, left = 1](const SeenCommand& call) mutable {
      return call.script == script && left-- > 0 ? CommandFate::lose_reply : CommandFate::pass;
    });
  };
  const auto count = [&proxy](const std::string& script) {
    int n = 0;
    for (const SeenCommand& call : proxy.calls()) n += call.script == script ? 1 : 0;
    return n;
  };
  Consumer me(rig, "me.1");
  lose_one("claim");
  EXPECT_THROW(me.claim(1, true), OutcomeUnknown);
  EXPECT_EQ(count("claim"), 1);
  EXPECT_EQ(server.command({"HLEN", rig.keys.processing("me.1")}).num(), 1);
  EXPECT_EQ(me.tend({}).missing.size(), 0U);
  EXPECT_EQ(ids_in(server, rig.keys.ready(List::normal)), (Strings{"a", "b"}));

  ASSERT_EQ(me.claim(2).envelopes.size(), 2U);
  lose_one("ack");
  EXPECT_EQ(me.ack({Tag{2, 1}, Tag{2, 2}}).count, 0);  // the first copy did it
  EXPECT_EQ(count("ack"), 2);
  EXPECT_EQ(server.command({"HLEN", rig.keys.processing("me.1")}).num(), 0);

  // Without leave to repeat it, or bound to one connection, it is not.
  lose_one("tend");
  EXPECT_THROW(me.tend({}), OutcomeUnknown);
  EXPECT_EQ(count("tend"), 2);
  Ack::Args args;
  args.consumer = me.name;
  const std::array<Tag, 1> tags{Tag{2, 1}};
  args.tags = tags;
  me.tend({});
  std::uint64_t epoch = 0;
  rig.on_loop([&] { epoch = rig.broker().route().epoch(); });
  lose_one("ack");
  EXPECT_THROW(rig.run([&] {
    return rig.broker().call<broker::Ack>(args, rig.in(5s), Resend::until_deadline, epoch);
  }),
               OutcomeUnknown);
  EXPECT_EQ(count("ack"), 3);
  EXPECT_THROW(rig.run([&] {
    return rig.broker().call<broker::Ack>(args, rig.in(5s), Resend::never, epoch);
  }),
               ConnectionError);
  expect_sound(server);
}

TEST(BrokerTopic, AuditFindsWhatIsWrong) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce_all({message("a"), message("b")});
  expect_sound(server);
  server.command({"RPUSH", rig.keys.ready(List::low), "garbage"});
  server.command({"ZADD", rig.keys.delayed, "1", "nothing"});
  Audit numbers = audit(server, "t", "test");
  EXPECT_FALSE(sound(numbers));
  EXPECT_EQ(numbers["unreadable"], 1);
  EXPECT_EQ(numbers["stray_index"], 1);
  EXPECT_EQ(numbers["books"], -1);
}

}  // namespace
}  // namespace mx_rmq::test
