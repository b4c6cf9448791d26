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
#include "broker/scripts/calls_settings.hpp"
#include "broker/scripts/calls_settle.hpp"
#include "broker/scripts/calls_snapshot.hpp"
#include "broker/scripts/calls_stats.hpp"
#include "broker/scripts/calls_tend.hpp"
#include "command_args.hpp"
#include "redis/wire/protocol_error.hpp"

namespace mx_rmq::broker {
namespace {

using namespace std::chrono_literals;
using redis::ProtocolError;
using redis::Reply;
using test::flat;
using test::script_call;
using Strings = std::vector<std::string>;

const TopicKeys keys("p", "t");
constexpr auto plain = redis::ChannelKind::plain;

Strings k(const Strings& names) {
  Strings out;
  for (const std::string& name : names) out.push_back("p:{t}:" + name);
  return out;
}

TEST(ClaimCall, NamesKeysAndArgumentsAsTheScriptDoes) {
  Claim::Args args;
  args.consumer = "c.1";
  args.number = 7;
  args.most = 50;
  args.lease = 30s;
  args.promote = 100;
  args.fresh = true;
  args.bytes = 4096;
  args.slice = 8;
  args.own_alarm = -1;
  args.list = true;
  const auto call = script_call(Claim::encode(keys, args, plain));
  EXPECT_EQ(call.script, "claim");
  EXPECT_EQ(call.keys,
            k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
               "delayed:data", "processing:c.1", "consumers", "idle", "stats", "settings"}));
  EXPECT_EQ(call.argv, (Strings{"50", "c.1", "30000", "100", "7", "1", "4096", "8", "-1", "1", "0",
                                "PUBLISH"}));
}

TEST(ClaimCall, ReadsWhatWasTaken) {
  const Claim::Reply got = Claim::decode(
      flat({"1700000000000", "ok", "1700000005000", "c.2", "1", "0", "1", "e1", "e2"}));
  EXPECT_FALSE(got.lost);
  EXPECT_EQ(got.now, 1'700'000'000'000);
  EXPECT_EQ(got.alarm, 1'700'000'005'000);
  EXPECT_EQ(got.lapsed, "c.2");
  EXPECT_TRUE(got.suspects);
  EXPECT_FALSE(got.more);
  EXPECT_TRUE(got.listed);
  EXPECT_EQ(got.envelopes, (Strings{"e1", "e2"}));
  const Claim::Reply none = Claim::decode(flat({"5", "ok", "-1", "", "0", "1", "0"}));
  EXPECT_EQ(none.alarm, -1);
  EXPECT_TRUE(none.lapsed.empty());
  EXPECT_TRUE(none.more);
  EXPECT_TRUE(none.envelopes.empty());
  EXPECT_EQ(none.settings, 0);
  const Claim::Reply set = Claim::decode(flat({"5", "ok", "-1", "", "0", "1", "0", "77", "e1"}));
  EXPECT_EQ(set.settings, 77);
  EXPECT_EQ(set.envelopes, (Strings{"e1"}));
  EXPECT_EQ(Claim::decode(flat({"5", "ok", "-1", "", "0", "1", "0", "-1"})).settings, -1);
  const Claim::Reply lost = Claim::decode(flat({"5", "lost"}));
  EXPECT_TRUE(lost.lost);
  EXPECT_EQ(lost.now, 5);
}

TEST(ClaimCall, RefusesRepliesOfAnotherShape) {
  EXPECT_THROW((void)Claim::decode(Reply::nil()), ProtocolError);
  EXPECT_THROW((void)Claim::decode(Reply::integer(1)), ProtocolError);
  for (const Strings& bad :
       {Strings{}, Strings{"5"}, Strings{"5", "what"}, Strings{"=x", "ok"}, Strings{"-5", "lost"},
        Strings{"5", "lost", "more"}, Strings{"5", "ok"}, Strings{"5", "ok", "-1", "", "0", "0"},
        Strings{"5", "ok", "-1", "", "2", "0", "0"}, Strings{"5", "ok", "-1", "7", "0", "0", "0"},
        Strings{"5", "ok", "-1", "", "0", "0", "2"},
        Strings{"5", "ok", "-1", "", "0", "0", "0", "7", "7"}}) {
    EXPECT_THROW((void)Claim::decode(flat(bad)), ProtocolError);
  }
  Reply nested = flat({"5", "ok", "-1", "", "0", "0", "0"});
  nested.as_array().push_back(Reply::array());
  EXPECT_THROW((void)Claim::decode(std::move(nested)), ProtocolError);
}

TEST(SuspectCall, TakesOneOrNone) {
  Suspect::Args args;
  args.consumer = "c";
  args.number = 3;
  args.lease = 1s;
  const auto call = script_call(Suspect::encode(keys, args));
  EXPECT_EQ(call.script, "suspect");
  EXPECT_EQ(call.keys, k({"ready:suspect", "processing:c", "consumers", "settings"}));
  EXPECT_EQ(call.argv, (Strings{"c", "1000", "3", "0"}));
  EXPECT_EQ(Suspect::decode(flat({"5", "ok", "1", "e"})).envelopes, (Strings{"e"}));
  EXPECT_TRUE(Suspect::decode(flat({"5", "ok", "1", "e"})).more);
  EXPECT_TRUE(Suspect::decode(flat({"5", "ok", "0"})).envelopes.empty());
  EXPECT_TRUE(Suspect::decode(flat({"5", "lost"})).lost);
  EXPECT_THROW((void)Suspect::decode(flat({"5", "ok", "0", "e", "f"})), ProtocolError);
}

TEST(AckCall, SendsChosenIdsFirstAndNamesTheIdsKeyOnlyForThem) {
  const std::array<Tag, 2> tags{Tag{1, 1}, Tag{1, 2}};
  const std::array<ChosenTag, 1> chosen{ChosenTag{Tag{2, 1}, "an id", 99}};
  Ack::Args args;
  args.consumer = "c";
  args.tags = tags;
  auto call = script_call(Ack::encode(keys, args));
  EXPECT_EQ(call.script, "ack");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats"}));
  EXPECT_EQ(call.argv, (Strings{"c", "completed", "", "0", "1.1", "1.2"}));
  args.chosen = chosen;
  args.kind = AckKind::expired_discarded;
  call = script_call(Ack::encode(keys, args));
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats", "ids"}));
  EXPECT_EQ(call.argv,
            (Strings{"c", "discarded", "expired", "1", "2.1", "an id", "99", "1.1", "1.2"}));
  args.kind = AckKind::discarded;
  EXPECT_EQ(script_call(Ack::encode(keys, args)).argv[2], "");
  EXPECT_EQ(Ack::decode(Reply::integer(2)).count, 2);
  EXPECT_TRUE(Ack::decode(Reply::integer(-1)).lost);
  EXPECT_THROW((void)Ack::decode(Reply::string("2")), ProtocolError);
}

TEST(RetryCall, SendsFiveForEachMessage) {
  const std::array<Retry::Item, 1> items{Retry::Item{Tag{4, 2}, 60s, "id", 33, "head"}};
  Retry::Args args;
  args.consumer = "c";
  args.items = items;
  const auto call = script_call(Retry::encode(keys, args, plain));
  EXPECT_EQ(call.script, "retry");
  EXPECT_EQ(call.keys,
            k({"processing:c", "consumers", "stats", "delayed", "delayed:data", "idle"}));
  EXPECT_EQ(call.argv, (Strings{"c", "4.2", "60000", "id", "33", "head", "PUBLISH"}));
  EXPECT_EQ(Retry::decode(flat({"5", "ok", "1"})).count, 1);
  EXPECT_TRUE(Retry::decode(flat({"5", "lost"})).lost);
  EXPECT_THROW((void)Retry::decode(flat({"5", "ok"})), ProtocolError);
  EXPECT_THROW((void)Retry::decode(flat({"5", "ok", "1", "2"})), ProtocolError);
}

TEST(DeadCall, SendsThreeForEachMessage) {
  const std::array<Dead::Item, 1> items{Dead::Item{Tag{4, 2}, "id", "rejected\t"}};
  Dead::Args args;
  args.consumer = "c";
  args.cap = 10;
  args.items = items;
  const auto call = script_call(Dead::encode(keys, args));
  EXPECT_EQ(call.script, "dead");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats", "dlq", "dlq:data", "ids"}));
  EXPECT_EQ(call.argv, (Strings{"c", "10", "4.2", "id", "rejected\t"}));
  const Dead::Reply got = Dead::decode(flat({"5", "ok", "7", "=1", "x"}));
  EXPECT_EQ(got.total, 7);
  EXPECT_EQ(got.dropped, (Strings{"1", "x"}));
  EXPECT_TRUE(Dead::decode(flat({"5", "lost"})).lost);
  EXPECT_EQ(undecodable_member("c.1", Tag{3, 4}), "!c.1.3.4");
}

TEST(ReleaseCall, SendsThreeForEachMessage) {
  const std::array<Release::Item, 2> items{Release::Item{Tag{4, 2}, 33, ""},
                                           Release::Item{Tag{4, 1}, 30, "head"}};
  Release::Args args;
  args.consumer = "c";
  args.items = items;
  const auto call = script_call(Release::encode(keys, args, plain));
  EXPECT_EQ(call.script, "release");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "stats", "ready:high", "ready:normal",
                          "ready:low", "ready:suspect", "idle"}));
  EXPECT_EQ(call.argv, (Strings{"c", "4.2", "33", "", "4.1", "30", "head", "PUBLISH"}));
  EXPECT_EQ(Release::decode(flat({"5", "ok", "2"})).count, 2);
}

TEST(TendCall, NamesTagsAndReadsThoseMissing) {
  const std::array<Tag, 2> tags{Tag{1, 1}, Tag{9, 12}};
  Tend::Args args;
  args.consumer = "c";
  args.lease = 30s;
  args.last_claim = 9;
  args.most = 100;
  args.bytes = 1000;
  args.tags = tags;
  const auto call = script_call(Tend::encode(keys, args, plain));
  EXPECT_EQ(call.script, "tend");
  EXPECT_EQ(call.keys, k({"processing:c", "consumers", "ready:high", "ready:normal", "ready:low",
                          "ready:suspect", "idle"}));
  EXPECT_EQ(call.argv, (Strings{"c", "30000", "9", "100", "1000", "1.1", "9.12", "PUBLISH"}));
  const Tend::Reply got = Tend::decode(flat({"5", "ok", "1", "9.12"}));
  EXPECT_TRUE(got.more);
  EXPECT_EQ(got.missing, (std::vector<Tag>{Tag{9, 12}}));
  EXPECT_TRUE(Tend::decode(flat({"5", "lost"})).lost);
  EXPECT_THROW((void)Tend::decode(flat({"5", "ok", "0", "x"})), ProtocolError);
}

TEST(Forget, NamesAllKeysAndReadsEveryState) {
  const auto call = script_call(Forget::encode(keys, {}, plain));
  EXPECT_EQ(call.script, "forget");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                          "dlq", "consumers", "idle", "delayed:data", "dlq:data", "ids",
                          "history:1m", "history:10m", "stats"}));
  EXPECT_EQ(call.argv, (Strings{"1000", "PUBLISH"}));
  EXPECT_EQ(Forget::decode(flat({"5", "gone"})).state, Forget::State::gone);
  EXPECT_EQ(Forget::decode(flat({"5", "used"})).state, Forget::State::used);
  const Forget::Reply lapsed = Forget::decode(flat({"5", "lapsed", "c.1"}));
  EXPECT_EQ(lapsed.state, Forget::State::lapsed);
  EXPECT_EQ(lapsed.consumer, "c.1");
  EXPECT_THROW((void)Forget::decode(flat({"5", "lapsed"})), ProtocolError);
  EXPECT_THROW((void)Forget::decode(flat({"5", "gone", "x"})), ProtocolError);
  EXPECT_THROW((void)Forget::decode(flat({"5", "away"})), ProtocolError);
}

TEST(LeavingAndWaking, SpeakTheirScripts) {
  Leave::Args args;
  args.consumer = "c.1";
  args.alarm = 77;
  auto call = script_call(Leave::encode(keys, args, redis::ChannelKind::sharded));
  EXPECT_EQ(call.script, "leave");
  EXPECT_EQ(call.keys, k({"processing:c.1", "consumers", "idle", "stats", "ready:high",
                          "ready:normal", "ready:low", "delayed"}));
  EXPECT_EQ(call.argv, (Strings{"c.1", "77", "SPUBLISH"}));
  EXPECT_EQ(Leave::decode(Reply::integer(3)), 3);

  call = script_call(Unlist::encode(keys, {"c.1"}, plain));
  EXPECT_EQ(call.script, "unlist");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "delayed", "idle"}));
  EXPECT_EQ(call.argv, (Strings{"c.1", "PUBLISH"}));
  EXPECT_TRUE(Unlist::decode(Reply::integer(1)));
  EXPECT_THROW((void)Unlist::decode(Reply::nil()), ProtocolError);

  Pass::Args pass;
  pass.consumer = "c.1";
  pass.hops = 3;
  call = script_call(Pass::encode(keys, pass, plain));
  EXPECT_EQ(call.script, "pass");
  EXPECT_EQ(call.keys, k({"idle"}));
  EXPECT_EQ(call.argv, (Strings{"c.1", "3", "PUBLISH"}));
  EXPECT_EQ(Pass::decode(Reply::integer(8)), 8);
}

TEST(LeavingAndWaking, AWakeUpSaysHowOftenItWasPassedOn) {
  EXPECT_EQ(read_wake_up("w0"), 0);
  EXPECT_EQ(read_wake_up("w17"), 17);
  for (const char* other : {"", "w", "wx", "w-1", "w1 ", "w99999999999", "hello", "1"})
    EXPECT_EQ(read_wake_up(other), std::nullopt) << other;
}

TEST(ReapCall, NamesTheVictimAndReadsItsEnd) {
  Reap::Args args;
  args.victim = "dead.3";
  args.most = 10;
  args.bytes = 20;
  args.longest_lease = 60s;
  args.dead_cap = 5;
  const auto call = script_call(Reap::encode(keys, args, plain));
  EXPECT_EQ(call.script, "reap");
  EXPECT_EQ(call.keys,
            k({"processing:dead.3", "consumers", "ready:high", "ready:normal", "ready:low",
               "ready:suspect", "idle", "stats", "dlq", "dlq:data", "ids"}));
  EXPECT_EQ(call.argv, (Strings{"dead.3", "10", "20", "60000", "5", "PUBLISH"}));
  EXPECT_EQ(Reap::decode(flat({"5", "gone"})).state, Reap::State::gone);
  EXPECT_EQ(Reap::decode(flat({"5", "alive"})).state, Reap::State::alive);
  const Reap::Reply got = Reap::decode(flat({"5", "ok", "3", "2", "1", "x"}));
  EXPECT_EQ(got.state, Reap::State::taken);
  EXPECT_EQ(got.left, 3);
  EXPECT_EQ(got.recovered, 2);
  EXPECT_EQ(got.dead, 1);
  EXPECT_EQ(got.dropped, (Strings{"x"}));
  EXPECT_THROW((void)Reap::decode(flat({"5", "alive", "1"})), ProtocolError);
}

TEST(SweepCall, NamesAllListsAndReadsWhatItFound) {
  Sweep::Args args;
  args.consumer = "c";
  args.number = 4;
  args.most = 10;
  args.bytes = 20;
  args.drop = true;
  args.longest_lease = 60s;
  const auto call = script_call(Sweep::encode(keys, args, plain));
  EXPECT_EQ(call.script, "sweep");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                          "consumers", "idle", "stats", "dlq", "dlq:data", "ids", "settings"}));
  EXPECT_EQ(call.argv, (Strings{"c", "4", "10", "20", "drop", "60000", "0", "PUBLISH"}));
  args.drop = false;
  EXPECT_EQ(script_call(Sweep::encode(keys, args, plain)).argv[4], "dead");
  const Sweep::Reply got = Sweep::decode(flat({"5", "ok", "8", "1", "c.9", "1", "1", "0", "x"}));
  EXPECT_EQ(got.taken, 8);
  EXPECT_TRUE(got.more);
  EXPECT_EQ(got.lapsed, "c.9");
  EXPECT_TRUE(got.suspects);
  EXPECT_TRUE(got.waits);
  EXPECT_FALSE(got.listed);
  EXPECT_EQ(got.dropped, (Strings{"x"}));
  EXPECT_EQ(got.settings, 0);
  const Sweep::Reply set = Sweep::decode(flat({"5", "ok", "0", "0", "", "0", "0", "0", "77", "x"}));
  EXPECT_EQ(set.settings, 77);
  EXPECT_EQ(set.dropped, (Strings{"x"}));
}

TEST(SettingsCalls, ReadWhatIsSetAndKeepWhatTheyDoNotKnow) {
  const auto call = script_call(Settings::encode(keys, {}));
  EXPECT_EQ(call.script, "settings");
  EXPECT_EQ(call.keys, k({"settings"}));
  EXPECT_TRUE(call.argv.empty());
  const Settings::Reply got =
      Settings::decode(flat({"5", "ok", "77", "partitions", "=16", "active", "=4", "ids_active",
                             "=2", "ids_until", "=9", "rate", "=5/1000"}));
  EXPECT_TRUE(got.unreadable.empty());
  EXPECT_EQ(got.settings.version, 77);
  EXPECT_EQ(got.settings.partitions, 16);
  EXPECT_EQ(got.settings.active, 4);
  EXPECT_EQ(got.settings.ids_active, 2);
  ASSERT_EQ(got.settings.others.size(), 1U) << "what a partition knows of itself is no setting";
  EXPECT_EQ(got.settings.others[0].first, "rate");
  EXPECT_EQ(got.settings.others[0].second, "5/1000");
  EXPECT_EQ(Settings::decode(flat({"5", "wrong", "active"})).unreadable, "active");
  for (const Strings& bad :
       {Strings{"5", "ok"}, Strings{"5", "ok", "-1"}, Strings{"5", "wrong"},
        Strings{"5", "wrong", "active", "more"}, Strings{"5", "ok", "7", "partitions"},
        Strings{"5", "ok", "7", "partitions", "=0"}, Strings{"5", "ok", "7", "partitions", "=1025"},
        Strings{"5", "ok", "7", "partitions", "=2", "active", "=3"},
        Strings{"5", "ok", "7", "active", "=2"}, Strings{"5", "ok", "7", "partitions", "=many"},
        Strings{"5", "what"}}) {
    EXPECT_THROW((void)Settings::decode(flat(bad)), ProtocolError);
  }
}

TEST(SettingsCalls, NameWhatIsToChangeAndReadHowItEnded) {
  Configure::Args args;
  const auto nothing = script_call(Configure::encode(keys, args, plain));
  EXPECT_EQ(nothing.script, "configure");
  EXPECT_EQ(nothing.keys, k({"settings", "idle"}));
  EXPECT_EQ(nothing.argv, (Strings{"-1", "0", "PUBLISH"}));
  args.only_version = 0;
  args.touch = true;
  args.partitions = 16;
  args.active = 4;
  args.ids_active = 2;
  EXPECT_EQ(script_call(Configure::encode(keys, args, redis::ChannelKind::sharded)).argv,
            (Strings{"0", "1", "partitions", "16", "active", "4", "ids_active", "2", "SPUBLISH"}));
  using State = Configure::State;
  const Configure::Reply done =
      Configure::decode(flat({"5", "ok", "9", "partitions", "=16", "active", "=1"}));
  EXPECT_EQ(done.state, State::done);
  EXPECT_EQ(done.settings.version, 9);
  EXPECT_EQ(done.settings.partitions, 16);
  EXPECT_EQ(Configure::decode(flat({"5", "other", "9"})).state, State::other);
  const Configure::Reply refused =
      Configure::decode(flat({"5", "refused", "partitions", "9", "partitions", "=3"}));
  EXPECT_EQ(refused.state, State::refused);
  EXPECT_EQ(refused.field, "partitions");
  EXPECT_EQ(refused.settings.partitions, 3);
  const Configure::Reply wrong = Configure::decode(flat({"5", "wrong", "version"}));
  EXPECT_EQ(wrong.state, State::unreadable);
  EXPECT_EQ(wrong.field, "version");
  EXPECT_THROW((void)Configure::decode(flat({"5", "wrong", "version", "1"})), ProtocolError);
  EXPECT_THROW((void)Configure::decode(flat({"5", "refused", "=x"})), ProtocolError);
}

TEST(SettingsCalls, CopyAllThatWasRead) {
  CopySettings::Args args;
  args.settings.version = 9;
  args.settings.partitions = 3;
  args.settings.active = 2;
  args.settings.others.emplace_back("rate", "5/1000");
  const auto call = script_call(CopySettings::encode(keys, args, plain));
  EXPECT_EQ(call.script, "copy_settings");
  EXPECT_EQ(call.keys, k({"settings", "idle"}));
  EXPECT_EQ(call.argv, (Strings{"9", "partitions", "3", "active", "2", "ids_active", "1", "rate",
                                "5/1000", "PUBLISH"}));
  EXPECT_EQ(CopySettings::decode(flat({"5", "9"})).version, 9);
  EXPECT_THROW((void)CopySettings::decode(flat({"5"})), ProtocolError);
  EXPECT_THROW((void)CopySettings::decode(flat({"5", "9", "1"})), ProtocolError);
}

TEST(CancelCalls, SpeakTheirScripts) {
  EXPECT_EQ(script_call(Cancel::encode(keys, {"id"})).keys,
            k({"delayed", "delayed:data", "ids", "stats"}));
  EXPECT_EQ(script_call(Cancel::encode(keys, {"id"})).argv, (Strings{"id"}));
  EXPECT_TRUE(Cancel::decode(Reply::integer(1)));
  EXPECT_FALSE(Cancel::decode(Reply::integer(0)));
  CancelPage::Args args;
  args.list = List::low;
  args.id = "id";
  args.skip = 2000;
  args.bytes = 4096;
  const auto call = script_call(CancelPage::encode(keys, args));
  EXPECT_EQ(call.keys, k({"ready:low", "ids", "stats", "idle"}));
  EXPECT_EQ(call.argv, (Strings{"id", "2000", "1000", "4096"}));
  const CancelPage::Reply got = CancelPage::decode(flat({"0", "1000", "1"}));
  EXPECT_FALSE(got.found);
  EXPECT_EQ(got.seen, 1'000);
  EXPECT_TRUE(got.end);
}

TEST(DeadLetterCalls, SpeakTheirScripts) {
  DlqList::Args list;
  list.offset = 5;
  list.most = 10;
  list.bytes = 99;
  EXPECT_EQ(script_call(DlqList::encode(keys, list)).argv, (Strings{"5", "10", "99"}));
  const DlqList::Reply page = DlqList::decode(flat({"2", "m1", "=17", "v1", "m2", "=1.6e1", "v2"}));
  EXPECT_EQ(page.seen, 2);
  ASSERT_EQ(page.letters.size(), 2U);
  EXPECT_EQ(page.letters[0].member, "m1");
  EXPECT_EQ(page.letters[0].dead_at, 17);
  EXPECT_EQ(page.letters[1].dead_at, 16);
  EXPECT_EQ(page.letters[1].value, "v2");
  EXPECT_THROW((void)DlqList::decode(flat({"1", "m1", "=17"})), ProtocolError);
  EXPECT_THROW((void)DlqList::decode(flat({"1", "m1", "=x", "v"})), ProtocolError);

  EXPECT_FALSE(DlqGet::decode(flat({})));
  EXPECT_EQ(DlqGet::decode(flat({"=8", "v"}))->dead_at, 8);
  const std::array<std::string_view, 2> members{"a", "b"};
  EXPECT_EQ(script_call(DlqRemove::encode(keys, {members})).argv, (Strings{"a", "b"}));
  EXPECT_EQ(script_call(DlqRemove::encode(keys, {members})).keys,
            k({"dlq", "dlq:data", "ids", "stats"}));

  DlqStep::Args step;
  step.before = 4;
  step.pass = 2;
  step.most = 3;
  step.bytes = 9;
  EXPECT_EQ(script_call(DlqPurge::encode(keys, step)).argv, (Strings{"4", "3", "9"}));
  EXPECT_EQ(script_call(RequeueAll::encode(keys, step, plain)).argv,
            (Strings{"4", "2", "3", "9", "PUBLISH"}));
  const DlqStep::Reply purged = DlqPurge::decode(flat({"5", "3", "1"}));
  EXPECT_EQ(purged.done, 3);
  EXPECT_TRUE(purged.more);
  const DlqStep::Reply requeued = RequeueAll::decode(flat({"5", "3", "1", "0"}));
  EXPECT_EQ(requeued.passed, 1);
  EXPECT_FALSE(requeued.more);

  EXPECT_EQ(
      script_call(Requeue::encode(keys, {"m"}, plain)).keys,
      k({"dlq", "dlq:data", "ready:high", "ready:normal", "ready:low", "idle", "stats", "ids"}));
  EXPECT_EQ(Requeue::decode(flat({"5", "ok"})).state, Requeue::State::done);
  EXPECT_EQ(Requeue::decode(flat({"5", "none"})).state, Requeue::State::none);
  EXPECT_EQ(Requeue::decode(flat({"5", "unreadable"})).state, Requeue::State::unreadable);
  EXPECT_THROW((void)Requeue::decode(flat({"5", "else"})), ProtocolError);
}

TEST(SnapshotCalls, NameWhatIsToldAndHowMuchIsKept) {
  const auto call = script_call(Snapshot::encode(keys, {}));
  EXPECT_EQ(call.script, "snapshot");
  EXPECT_EQ(call.keys, k({"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                          "dlq", "consumers", "stats", "history:1m", "history:10m"}));
  EXPECT_EQ(call.argv, (Strings{"480", "1008"}));
  EXPECT_EQ(Snapshot::decode(flat({"5", "2"})).written, 2);
  EXPECT_THROW((void)Snapshot::decode(flat({"5"})), ProtocolError);
}

TEST(StatsCalls, ReadFiguresAndCounters) {
  EXPECT_EQ(script_call(Stats::encode(keys, {9})).argv, (Strings{"9"}));
  const Stats::Reply got = Stats::decode(flat({"5",
                                               "1",
                                               "2",
                                               "3",
                                               "4",
                                               "6",
                                               "7",
                                               "8",
                                               "1",
                                               "1000",
                                               "-1",
                                               "-1",
                                               "-1",
                                               "2000",
                                               "2",
                                               "produced",
                                               "=10",
                                               "alarm",
                                               "=99",
                                               "c.1",
                                               "=0",
                                               "c.2",
                                               "=1700000000000"}));
  EXPECT_EQ(got.ready, (std::array<std::int64_t, 4>{1, 2, 3, 4}));
  EXPECT_EQ(got.delayed, 6);
  EXPECT_EQ(got.dead, 7);
  EXPECT_EQ(got.consumers, 8);
  EXPECT_EQ(got.lapsed, 1);
  EXPECT_EQ(got.first_due, (std::array<std::int64_t, 4>{1'000, -1, -1, -1}));
  EXPECT_EQ(got.next_due, 2'000);
  EXPECT_EQ(got.counter("produced"), 10);
  EXPECT_EQ(got.counter("completed"), 0);
  EXPECT_EQ(got.counter("alarm"), 0);
  EXPECT_EQ(got.alarm, 99);
  ASSERT_EQ(got.leases.size(), 2U);
  EXPECT_EQ(got.leases[1].until, 1'700'000'000'000);
}

}  // namespace
}  // namespace mx_rmq::broker
