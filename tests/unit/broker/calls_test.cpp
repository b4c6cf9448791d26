#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "broker/scripts/calls_cancel.hpp"
#include "broker/scripts/calls_claim.hpp"
#include "broker/scripts/calls_dead_letters.hpp"
#include "broker/scripts/calls_forget.hpp"
#include "broker/scripts/calls_reap.hpp"
#include "broker/scripts/calls_settle.hpp"
#include "broker/scripts/calls_stats.hpp"
#include "broker/scripts/calls_tend.hpp"
#include "command_args.hpp"
#include "redis/wire/protocol_error.hpp"

namespace mx_rmq::broker {
namespace {

using namespace std::chrono_literals;
using redis::ProtocolError;
using redis::Reply;
using test::args_of;
using test::flat;
using test::script_call;
using Strings = std::vector<std::string>;

const TopicKeys keys("p", "t");

Strings k(const Strings& names) {
  Strings out;
  for (const std::string& name : names) out.push_back("p:{t}:" + name);
  return out;
}

TEST(ClaimCall, NamesKeysAndArgumentsAsTheScriptDoes) {
  ClaimArgs args;
  args.consumer = "c.1";
  args.number = 7;
  args.most = 50;
  args.lease = 30s;
  args.promote = 100;
  args.fresh = true;
  args.bytes = 4096;
  args.slice = 8;
  args.own_alarm = -1;
  const auto call = script_call(make_claim(keys, args));
  EXPECT_EQ(call.script, "claim");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                          "delayed:data", "processing:c.1", "consumers", "wake", "stats"}));
  EXPECT_EQ(call.argv, (Strings{"50", "c.1", "30000", "100", "7", "1", "4096", "8", "-1"}));
}

TEST(ClaimCall, ReadsWhatWasTaken) {
  const ClaimResult got =
      read_claim(flat({"1700000000000", "ok", "1700000005000", "c.2", "1", "0", "e1", "e2"}));
  EXPECT_FALSE(got.lost);
  EXPECT_EQ(got.now, 1'700'000'000'000);
  EXPECT_EQ(got.alarm, 1'700'000'005'000);
  EXPECT_EQ(got.lapsed, "c.2");
  EXPECT_TRUE(got.suspects);
  EXPECT_FALSE(got.more);
  EXPECT_EQ(got.envelopes, (Strings{"e1", "e2"}));
  const ClaimResult none = read_claim(flat({"5", "ok", "-1", "", "0", "1"}));
  EXPECT_EQ(none.alarm, -1);
  EXPECT_TRUE(none.lapsed.empty());
  EXPECT_TRUE(none.more);
  EXPECT_TRUE(none.envelopes.empty());
  const ClaimResult lost = read_claim(flat({"5", "lost"}));
  EXPECT_TRUE(lost.lost);
  EXPECT_EQ(lost.now, 5);
}

TEST(ClaimCall, RefusesRepliesOfAnotherShape) {
  EXPECT_THROW((void)read_claim(Reply::nil()), ProtocolError);
  EXPECT_THROW((void)read_claim(Reply::integer(1)), ProtocolError);
  for (const Strings& bad :
       {Strings{}, Strings{"5"}, Strings{"5", "what"}, Strings{"=x", "ok"}, Strings{"-5", "lost"},
        Strings{"5", "lost", "more"}, Strings{"5", "ok"}, Strings{"5", "ok", "-1", "", "0"},
        Strings{"5", "ok", "-1", "", "2", "0"}, Strings{"5", "ok", "-1", "7", "0", "0"},
        Strings{"5", "ok", "-1", "", "0", "0", "7"}}) {
    EXPECT_THROW((void)read_claim(flat(bad)), ProtocolError);
  }
  Reply nested = flat({"5", "ok", "-1", "", "0", "0"});
  nested.as_array().push_back(Reply::array());
  EXPECT_THROW((void)read_claim(std::move(nested)), ProtocolError);
}

TEST(SuspectCall, TakesOneOrNone) {
  SuspectArgs args;
  args.consumer = "c";
  args.number = 3;
  args.lease = 1s;
  const auto call = script_call(make_suspect(keys, args));
  EXPECT_EQ(call.script, "suspect");
  EXPECT_EQ(call.keys, k({"ready:suspect", "processing:c", "consumers"}));
  EXPECT_EQ(call.argv, (Strings{"c", "1000", "3", "0"}));
  EXPECT_EQ(read_suspect(flat({"5", "ok", "1", "e"})).envelopes, (Strings{"e"}));
  EXPECT_TRUE(read_suspect(flat({"5", "ok", "1", "e"})).more);
  EXPECT_TRUE(read_suspect(flat({"5", "ok", "0"})).envelopes.empty());
  EXPECT_TRUE(read_suspect(flat({"5", "lost"})).lost);
  EXPECT_THROW((void)read_suspect(flat({"5", "ok", "0", "e", "f"})), ProtocolError);
}

TEST(AckCall, SendsChosenIdsFirstAndNamesTheIdsKeyOnlyForThem) {
  const std::array<Tag, 2> tags{Tag{1, 1}, Tag{1, 2}};
  const std::array<ChosenTag, 1> chosen{ChosenTag{Tag{2, 1}, "an id", 99}};
  AckArgs args;
  args.consumer = "c";
  args.tags = tags;
  auto call = script_call(make_ack(keys, args));
  EXPECT_EQ(call.script, "ack");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats"}));
  EXPECT_EQ(call.argv, (Strings{"c", "completed", "", "0", "1.1", "1.2"}));
  args.chosen = chosen;
  args.kind = AckKind::expired_discarded;
  call = script_call(make_ack(keys, args));
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats", "ids"}));
  EXPECT_EQ(call.argv,
            (Strings{"c", "discarded", "expired", "1", "2.1", "an id", "99", "1.1", "1.2"}));
  args.kind = AckKind::discarded;
  EXPECT_EQ(script_call(make_ack(keys, args)).argv[2], "");
  EXPECT_EQ(read_ack(Reply::integer(2)).count, 2);
  EXPECT_TRUE(read_ack(Reply::integer(-1)).lost);
  EXPECT_THROW((void)read_ack(Reply::string("2")), ProtocolError);
}

TEST(RetryCall, SendsFiveForEachMessage) {
  const std::array<RetryItem, 1> items{RetryItem{Tag{4, 2}, 60s, "id", 33, "head"}};
  RetryArgs args;
  args.consumer = "c";
  args.items = items;
  const auto call = script_call(make_retry(keys, args));
  EXPECT_EQ(call.script, "retry");
  EXPECT_EQ(call.keys,
            k({"processing:c", "consumers", "stats", "delayed", "delayed:data", "wake"}));
  EXPECT_EQ(call.argv, (Strings{"c", "4.2", "60000", "id", "33", "head"}));
  EXPECT_EQ(read_retry(flat({"5", "ok", "1"})).count, 1);
  EXPECT_TRUE(read_retry(flat({"5", "lost"})).lost);
  EXPECT_THROW((void)read_retry(flat({"5", "ok"})), ProtocolError);
  EXPECT_THROW((void)read_retry(flat({"5", "ok", "1", "2"})), ProtocolError);
}

TEST(DeadCall, SendsThreeForEachMessage) {
  const std::array<DeadItem, 1> items{DeadItem{Tag{4, 2}, "id", "rejected\t"}};
  DeadArgs args;
  args.consumer = "c";
  args.cap = 10;
  args.items = items;
  const auto call = script_call(make_dead(keys, args));
  EXPECT_EQ(call.script, "dead");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats", "dlq", "dlq:data", "ids"}));
  EXPECT_EQ(call.argv, (Strings{"c", "10", "4.2", "id", "rejected\t"}));
  const DeadResult got = read_dead(flat({"5", "ok", "7", "=1", "x"}));
  EXPECT_EQ(got.total, 7);
  EXPECT_EQ(got.dropped, (Strings{"1", "x"}));
  EXPECT_TRUE(read_dead(flat({"5", "lost"})).lost);
  EXPECT_EQ(undecodable_member("c.1", Tag{3, 4}), "!c.1.3.4");
}

TEST(ReleaseCall, SendsThreeForEachMessage) {
  const std::array<ReleaseItem, 2> items{ReleaseItem{Tag{4, 2}, 33, ""},
                                         ReleaseItem{Tag{4, 1}, 30, "head"}};
  ReleaseArgs args;
  args.consumer = "c";
  args.items = items;
  const auto call = script_call(make_release(keys, args));
  EXPECT_EQ(call.script, "release");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats", "ready:high", "ready:normal",
                          "ready:low", "ready:suspect", "wake"}));
  EXPECT_EQ(call.argv, (Strings{"c", "4.2", "33", "", "4.1", "30", "head"}));
  EXPECT_EQ(read_release(flat({"5", "ok", "2"})).count, 2);
}

TEST(TendCall, NamesTagsAndReadsThoseMissing) {
  const std::array<Tag, 2> tags{Tag{1, 1}, Tag{9, 12}};
  TendArgs args;
  args.consumer = "c";
  args.lease = 30s;
  args.last_claim = 9;
  args.most = 100;
  args.bytes = 1000;
  args.tags = tags;
  const auto call = script_call(make_tend(keys, args));
  EXPECT_EQ(call.script, "tend");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "ready:high", "ready:normal", "ready:low",
                          "ready:suspect", "wake"}));
  EXPECT_EQ(call.argv, (Strings{"c", "30000", "9", "100", "1000", "1.1", "9.12"}));
  const TendResult got = read_tend(flat({"5", "ok", "1", "9.12"}));
  EXPECT_TRUE(got.more);
  EXPECT_EQ(got.missing, (std::vector<Tag>{Tag{9, 12}}));
  EXPECT_TRUE(read_tend(flat({"5", "lost"})).lost);
  EXPECT_THROW((void)read_tend(flat({"5", "ok", "0", "x"})), ProtocolError);
}

TEST(Forget, NamesAllKeysAndReadsEveryState) {
  const auto call = script_call(make_forget(keys));
  EXPECT_EQ(call.script, "forget");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                          "dlq", "consumers", "wake", "delayed:data", "dlq:data", "ids", "stats"}));
  EXPECT_EQ(call.argv, (Strings{"1000"}));
  EXPECT_EQ(read_forget(flat({"5", "gone"})).state, ForgetResult::State::gone);
  EXPECT_EQ(read_forget(flat({"5", "used"})).state, ForgetResult::State::used);
  const ForgetResult lapsed = read_forget(flat({"5", "lapsed", "c.1"}));
  EXPECT_EQ(lapsed.state, ForgetResult::State::lapsed);
  EXPECT_EQ(lapsed.consumer, "c.1");
  EXPECT_THROW((void)read_forget(flat({"5", "lapsed"})), ProtocolError);
  EXPECT_THROW((void)read_forget(flat({"5", "gone", "x"})), ProtocolError);
  EXPECT_THROW((void)read_forget(flat({"5", "away"})), ProtocolError);
}

TEST(LeaveArmAndWait, SpeakTheirCommands) {
  LeaveArgs args;
  args.consumer = "c";
  args.alarm = 77;
  args.marker = true;
  const auto call = script_call(make_leave(keys, args));
  EXPECT_EQ(call.script, "leave");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "wake", "stats"}));
  EXPECT_EQ(call.argv, (Strings{"c", "77", "1"}));
  EXPECT_EQ(read_leave(Reply::integer(3)), 3);

  EXPECT_EQ(script_call(make_arm(keys)).script, "arm");
  EXPECT_EQ(script_call(make_arm(keys)).keys, k({"wake"}));
  EXPECT_NO_THROW(read_arm(Reply::integer(1)));
  EXPECT_THROW((void)read_arm(Reply::nil()), ProtocolError);

  const TopicKeys other("p", "u");
  const std::array<const TopicKeys*, 2> topics{&keys, &other};
  EXPECT_EQ(args_of(make_wait(topics, 5s)), (Strings{"BZPOPMIN", "p:{t}:wake", "p:{u}:wake", "5"}));
  EXPECT_EQ(read_wait(Reply::nil()), std::nullopt);
  EXPECT_EQ(read_wait(flat({"p:{u}:wake", "=0", "=0"})), other.wake);
  EXPECT_THROW((void)read_wait(flat({"p:{u}:wake"})), ProtocolError);
}

TEST(ReapCall, NamesTheVictimAndReadsItsEnd) {
  ReapArgs args;
  args.victim = "dead.3";
  args.most = 10;
  args.bytes = 20;
  args.longest_lease = 60s;
  args.dead_cap = 5;
  const auto call = script_call(make_reap(keys, args));
  EXPECT_EQ(call.script, "reap");
  EXPECT_EQ(call.keys,
            k({"processing:dead.3", "consumers", "ready:high", "ready:normal", "ready:low",
               "ready:suspect", "wake", "stats", "dlq", "dlq:data", "ids"}));
  EXPECT_EQ(call.argv, (Strings{"dead.3", "10", "20", "60000", "5"}));
  EXPECT_EQ(read_reap(flat({"5", "gone"})).state, ReapState::gone);
  EXPECT_EQ(read_reap(flat({"5", "alive"})).state, ReapState::alive);
  const ReapResult got = read_reap(flat({"5", "ok", "3", "2", "1", "x"}));
  EXPECT_EQ(got.state, ReapState::taken);
  EXPECT_EQ(got.left, 3);
  EXPECT_EQ(got.recovered, 2);
  EXPECT_EQ(got.dead, 1);
  EXPECT_EQ(got.dropped, (Strings{"x"}));
  EXPECT_THROW((void)read_reap(flat({"5", "alive", "1"})), ProtocolError);
}

TEST(SweepCall, NamesAllListsAndReadsWhatItFound) {
  SweepArgs args;
  args.consumer = "c";
  args.number = 4;
  args.most = 10;
  args.bytes = 20;
  args.drop = true;
  args.longest_lease = 60s;
  const auto call = script_call(make_sweep(keys, args));
  EXPECT_EQ(call.script, "sweep");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                          "consumers", "wake", "stats", "dlq", "dlq:data", "ids"}));
  EXPECT_EQ(call.argv, (Strings{"c", "4", "10", "20", "drop", "60000", "0"}));
  args.drop = false;
  EXPECT_EQ(script_call(make_sweep(keys, args)).argv[4], "dead");
  const SweepResult got = read_sweep(flat({"5", "ok", "8", "1", "c.9", "1", "x"}));
  EXPECT_EQ(got.taken, 8);
  EXPECT_TRUE(got.more);
  EXPECT_EQ(got.lapsed, "c.9");
  EXPECT_TRUE(got.suspects);
  EXPECT_EQ(got.dropped, (Strings{"x"}));
}

TEST(CancelCalls, SpeakTheirScripts) {
  EXPECT_EQ(script_call(make_cancel(keys, "id")).keys,
            k({"delayed", "delayed:data", "ids", "stats"}));
  EXPECT_EQ(script_call(make_cancel(keys, "id")).argv, (Strings{"id"}));
  EXPECT_TRUE(read_cancel(Reply::integer(1)));
  EXPECT_FALSE(read_cancel(Reply::integer(0)));
  CancelPageArgs args;
  args.list = List::low;
  args.id = "id";
  args.skip = 2000;
  args.bytes = 4096;
  const auto call = script_call(make_cancel_page(keys, args));
  EXPECT_EQ(call.keys, k({"ready:low", "ids", "stats", "wake"}));
  EXPECT_EQ(call.argv, (Strings{"id", "2000", "1000", "4096"}));
  const CancelPageResult got = read_cancel_page(flat({"0", "1000", "1"}));
  EXPECT_FALSE(got.found);
  EXPECT_EQ(got.seen, 1'000);
  EXPECT_TRUE(got.end);
}

TEST(DeadLetterCalls, SpeakTheirScripts) {
  DlqListArgs list;
  list.offset = 5;
  list.most = 10;
  list.bytes = 99;
  EXPECT_EQ(script_call(make_dlq_list(keys, list)).argv, (Strings{"5", "10", "99"}));
  const DlqListResult page = read_dlq_list(flat({"2", "m1", "=17", "v1", "m2", "=1.6e1", "v2"}));
  EXPECT_EQ(page.seen, 2);
  ASSERT_EQ(page.letters.size(), 2U);
  EXPECT_EQ(page.letters[0].member, "m1");
  EXPECT_EQ(page.letters[0].dead_at, 17);
  EXPECT_EQ(page.letters[1].dead_at, 16);
  EXPECT_EQ(page.letters[1].value, "v2");
  EXPECT_THROW((void)read_dlq_list(flat({"1", "m1", "=17"})), ProtocolError);
  EXPECT_THROW((void)read_dlq_list(flat({"1", "m1", "=x", "v"})), ProtocolError);

  EXPECT_FALSE(read_dlq_get(flat({})));
  EXPECT_EQ(read_dlq_get(flat({"=8", "v"}))->dead_at, 8);
  const std::array<std::string_view, 2> members{"a", "b"};
  EXPECT_EQ(script_call(make_dlq_remove(keys, members)).argv, (Strings{"a", "b"}));
  EXPECT_EQ(script_call(make_dlq_remove(keys, members)).keys,
            k({"dlq", "dlq:data", "ids", "stats"}));

  DlqStepArgs step;
  step.before = 4;
  step.pass = 2;
  step.most = 3;
  step.bytes = 9;
  EXPECT_EQ(script_call(make_dlq_purge(keys, step)).argv, (Strings{"4", "3", "9"}));
  EXPECT_EQ(script_call(make_requeue_all(keys, step)).argv, (Strings{"4", "2", "3", "9"}));
  const DlqStepResult purged = read_dlq_purge(flat({"5", "3", "1"}));
  EXPECT_EQ(purged.done, 3);
  EXPECT_TRUE(purged.more);
  const DlqStepResult requeued = read_requeue_all(flat({"5", "3", "1", "0"}));
  EXPECT_EQ(requeued.passed, 1);
  EXPECT_FALSE(requeued.more);

  EXPECT_EQ(
      script_call(make_requeue(keys, "m")).keys,
      k({"dlq", "dlq:data", "ready:high", "ready:normal", "ready:low", "wake", "stats", "ids"}));
  EXPECT_EQ(read_requeue(flat({"5", "ok"})).state, RequeueState::done);
  EXPECT_EQ(read_requeue(flat({"5", "none"})).state, RequeueState::none);
  EXPECT_EQ(read_requeue(flat({"5", "unreadable"})).state, RequeueState::unreadable);
  EXPECT_THROW((void)read_requeue(flat({"5", "else"})), ProtocolError);
}

TEST(StatsCalls, ReadFiguresAndCounters) {
  EXPECT_EQ(script_call(make_stats(keys, 9)).argv, (Strings{"9"}));
  const StatsResult got =
      read_stats(flat({"5", "1", "2", "3", "4", "6", "7", "8", "1", "2", "produced", "=10", "alarm",
                       "=99", "c.1", "=0", "c.2", "=1700000000000"}));
  EXPECT_EQ(got.waiting, (std::array<std::int64_t, 4>{1, 2, 3, 4}));
  EXPECT_EQ(got.delayed, 6);
  EXPECT_EQ(got.dead, 7);
  EXPECT_EQ(got.consumers, 8);
  EXPECT_EQ(got.lapsed, 1);
  EXPECT_EQ(got.counter("produced"), 10);
  EXPECT_EQ(got.counter("completed"), 0);
  EXPECT_EQ(got.counter("alarm"), 0);
  EXPECT_EQ(got.alarm, 99);
  ASSERT_EQ(got.leases.size(), 2U);
  EXPECT_EQ(got.leases[1].until, 1'700'000'000'000);

  const Strings consumers{"c.1", "c.2"};
  const auto call = script_call(make_audit(keys, 100, consumers));
  EXPECT_EQ(call.keys.size(), 13U);
  EXPECT_EQ(call.keys[12], "p:{t}:processing:c.2");
  EXPECT_EQ(call.argv, (Strings{"100", "c.1", "c.2"}));
  EXPECT_TRUE(read_audit(flat({"ok", "ready", "3", "books", "0"})).sound());
  EXPECT_FALSE(read_audit(flat({"ok", "ready", "3", "books", "-1"})).sound());
  EXPECT_EQ(read_audit(flat({"changed"})).state, AuditState::changed);
  EXPECT_EQ(read_audit(flat({"large", "messages", "9"})).number("messages"), 9);
  EXPECT_THROW((void)read_audit(flat({"ok", "ready"})), ProtocolError);
}

}  // namespace
}  // namespace mx_rmq::broker
