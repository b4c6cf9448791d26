#include "broker/produce/produce_batch.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/data/random_id.hpp"
#include "command_args.hpp"
#include "redis/connection/seams.hpp"
#include "redis/wire/protocol_error.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::broker {
namespace {

using namespace std::chrono_literals;
using test::flat;
using test::script_call;
using Strings = std::vector<std::string>;

const TopicKeys keys("p", "t");
constexpr std::int64_t now = 1'700'000'000'000;

BatchLimits limits() {
  BatchLimits out;
  out.now = now;
  out.grace = 300s;
  out.max_recoveries = 3;
  out.max_messages = 1'000;
  out.max_bytes = 1 << 20;
  return out;
}

OutgoingEnvelope message(std::string id, MessagePriority priority = MessagePriority::normal) {
  OutgoingEnvelope out;
  out.priority = priority;
  out.id = std::move(id);
  out.ttl = 10s;
  out.payload = "{}";
  return out;
}

test::ScriptCall call_of(const std::vector<OutgoingEnvelope>& messages,
                         std::vector<std::uint32_t>* special = nullptr) {
  ProduceBatch batch(limits());
  for (const OutgoingEnvelope& each : messages) EXPECT_TRUE(batch.add(each));
  const Produce::Encoded out =
      batch.build(keys, "p:{t}:producer:me", 5, 60s, redis::ChannelKind::plain);
  if (special != nullptr) *special = out.special;
  return script_call(out.command);
}

std::string plain(const std::string& id, char level = 'n') {
  return std::string("mx1 ") + level + " 0 0 3 1700000000000 10000 1700000010000 0 " +
         std::to_string(id.size()) + "\n" + id + "\n\n{}";
}

TEST(ProduceBatch, ImmediateMessagesTravelPlainListByList) {
  const auto call = call_of({message("a"), message("b", MessagePriority::high), message("c")});
  EXPECT_EQ(call.script, "produce");
  EXPECT_EQ(call.keys, (Strings{"p:{t}:producer:me", "p:{t}:idle", "p:{t}:stats",
                                "p:{t}:ready:high", "p:{t}:ready:normal"}));
  EXPECT_EQ(call.argv, (Strings{"5", "60000", "2", "0", "0", "1", "2", plain("b", 'h'), plain("a"),
                                plain("c"), "PUBLISH"}));
}

TEST(ProduceBatch, DelayedOnesFollowWithTheirDueTime) {
  OutgoingEnvelope late = message("late");
  late.delay = 1s;
  OutgoingEnvelope at = message("at");
  at.at = now + 5'000;
  std::vector<std::uint32_t> special;
  const auto call = call_of({late, message("a"), at}, &special);
  EXPECT_EQ(call.keys, (Strings{"p:{t}:producer:me", "p:{t}:idle", "p:{t}:stats",
                                "p:{t}:ready:normal", "p:{t}:delayed", "p:{t}:delayed:data"}));
  EXPECT_EQ(special, (std::vector<std::uint32_t>{0, 2}));
  ASSERT_EQ(call.argv.size(), 7U + 10U + 1U);
  EXPECT_EQ(call.argv[3], "1");
  EXPECT_EQ(call.argv[4], "0");
  EXPECT_EQ(call.argv[6], plain("a"));
  EXPECT_EQ(Strings(call.argv.begin() + 7, call.argv.begin() + 11),
            (Strings{"0", std::to_string(now + 1'000), "late", "0"}));
  // ttl counts from the due time.
  EXPECT_EQ(call.argv[11], "mx1 n 0 0 3 1700000000000 10000 1700000011000 0 4\nlate\n\n{}");
  EXPECT_EQ(call.argv[13], std::to_string(now + 5'000));
}

TEST(ProduceBatch, ADelayCountsFromTheLatestTimeThatTheServerMayHave) {
  BatchLimits unsure = limits();
  unsure.latest = now + 2;
  OutgoingEnvelope late = message("late");
  late.delay = 1s;
  OutgoingEnvelope at = message("at");
  at.at = now + 1;
  ProduceBatch batch(unsure);
  EXPECT_TRUE(batch.add(message("soon")));
  EXPECT_TRUE(batch.add(late));
  EXPECT_TRUE(batch.add(at));
  const auto call = script_call(
      batch.build(keys, "p:{t}:producer:me", 5, 60s, redis::ChannelKind::plain).command);
  const auto begin = call.argv.end() - 11;  // five for each of the two, and the last one
  EXPECT_EQ(Strings(begin, begin + 3), (Strings{"0", std::to_string(now + 1'002), "late"}));
  EXPECT_NE(begin[4].find(" " + std::to_string(now + 2) + " "), std::string::npos) << begin[4];
  EXPECT_EQ(Strings(begin + 5, begin + 8), (Strings{"0", std::to_string(now + 1), "at"}));
  EXPECT_EQ(*(begin - 1), plain("soon"));
}

TEST(ProduceBatch, OneImmediateChosenIdMakesAllGoOneByOneInOrder) {
  OutgoingEnvelope chosen = message("mine", MessagePriority::low);
  chosen.chosen = true;
  std::vector<std::uint32_t> special;
  const auto call = call_of({message("a"), chosen, message("b")}, &special);
  EXPECT_EQ(call.keys, (Strings{"p:{t}:producer:me", "p:{t}:idle", "p:{t}:stats",
                                "p:{t}:ready:normal", "p:{t}:ready:low", "p:{t}:ids"}));
  EXPECT_EQ(Strings(call.argv.begin(), call.argv.begin() + 7),
            (Strings{"5", "60000", "2", "0", "1", "0", "0"}));
  ASSERT_EQ(call.argv.size(), 7U + 15U + 1U);
  EXPECT_EQ(call.argv[7], "1");
  EXPECT_EQ(call.argv[9], "a");
  EXPECT_EQ(call.argv[12], "2");
  EXPECT_EQ(call.argv[14], "mine");
  EXPECT_EQ(call.argv[15], std::to_string(now + 10'000 + 300'000));
  EXPECT_EQ(call.argv[19], "b");
  EXPECT_EQ(special, (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST(ProduceBatch, ADelayedChosenIdLeavesTheOthersPlain) {
  OutgoingEnvelope chosen = message("mine");
  chosen.chosen = true;
  chosen.delay = 1s;
  const auto call = call_of({message("a"), chosen});
  EXPECT_EQ(call.keys,
            (Strings{"p:{t}:producer:me", "p:{t}:idle", "p:{t}:stats", "p:{t}:ready:normal",
                     "p:{t}:delayed", "p:{t}:delayed:data", "p:{t}:ids"}));
  EXPECT_EQ(call.argv[5], "1");
  EXPECT_EQ(call.argv[6], plain("a"));
}

TEST(ProduceBatch, APastDueTimeIsAtOnce) {
  OutgoingEnvelope past = message("a");
  past.at = now - 1;
  const auto call = call_of({past});
  EXPECT_EQ(call.argv[3], "0");
  EXPECT_EQ(call.argv[6], plain("a"));
}

TEST(ProduceBatch, FarTimesAreCutToWhatAnEnvelopeHolds) {
  OutgoingEnvelope far = message("a");
  far.delay = std::chrono::milliseconds::max();
  far.ttl = std::chrono::milliseconds::max();
  far.chosen = true;
  const auto call = call_of({far});
  EXPECT_EQ(call.argv[6], "999999999999999");
  EXPECT_EQ(call.argv[8], "999999999999999");
  EXPECT_TRUE(parse_envelope(call.argv[9]));
}

TEST(ProduceBatch, IsFullByCountAndByBytesButTakesOneAlways) {
  BatchLimits few = limits();
  few.max_messages = 2;
  ProduceBatch by_count(few);
  const OutgoingEnvelope small = message("a");
  EXPECT_TRUE(by_count.add(small));
  EXPECT_TRUE(by_count.add(small));
  EXPECT_FALSE(by_count.add(small));
  EXPECT_EQ(by_count.size(), 2U);

  BatchLimits tight = limits();
  tight.max_bytes = 1'000;
  ProduceBatch by_bytes(tight);
  OutgoingEnvelope large = message("a");
  large.payload.assign(5'000, 'x');
  EXPECT_TRUE(by_bytes.add(large));
  EXPECT_FALSE(by_bytes.add(small));
}

TEST(ProduceBatch, RefusesWhatNoEnvelopeHoldsAndGoesOn) {
  ProduceBatch batch(limits());
  OutgoingEnvelope bad = message("a");
  bad.headers = "{\n}";
  EXPECT_THROW((void)batch.add(bad), std::invalid_argument);
  const OutgoingEnvelope good = message("b");
  EXPECT_TRUE(batch.add(good));
  EXPECT_EQ(script_call(batch.build(keys, "k", 1, 1s, redis::ChannelKind::plain).command).argv[6],
            plain("b"));
}

TEST(ProduceBatch, NamesTheSettingsOnlyIfTheyAreToBeLookedAt) {
  OutgoingEnvelope chosen = message("a");
  chosen.chosen = true;
  ProduceBatch batch(limits());
  EXPECT_TRUE(batch.add(chosen));
  const auto built = [&](const Produce::SettingsLook& look) {
    return script_call(batch.build(keys, "k", 1, 1s, redis::ChannelKind::plain, look).command);
  };
  Produce::SettingsLook look;
  const test::ScriptCall without = built(look);
  EXPECT_EQ(without.keys.back(), keys.ids);
  look.look = true;
  const test::ScriptCall looking = built(look);
  EXPECT_EQ(looking.keys.back(), keys.settings);
  EXPECT_EQ(looking.keys.size(), without.keys.size() + 1);
  EXPECT_EQ(looking.argv.size(), without.argv.size() + 1);
  EXPECT_EQ(looking.argv[looking.argv.size() - 2], "-1");
  look.must_be = 77;
  const test::ScriptCall sure = built(look);
  EXPECT_EQ(sure.argv[sure.argv.size() - 2], "77");
  EXPECT_EQ(sure.argv.back(), "PUBLISH");
}

TEST(ProduceBatch, HoldsWhatWasRoutedByOneVersionOfTheSettings) {
  const OutgoingEnvelope plain = message("a");
  OutgoingEnvelope routed = message("b");
  routed.keyed = true;
  routed.must = 7;
  OutgoingEnvelope other = routed;
  other.must = 8;
  ProduceBatch batch(limits());
  EXPECT_TRUE(batch.add(plain));
  EXPECT_FALSE(batch.add(routed)) << "with those that must have a version only the same ones go";
  ProduceBatch second(limits());
  EXPECT_TRUE(second.add(routed));
  EXPECT_FALSE(second.add(other));
  EXPECT_FALSE(second.add(plain));
  EXPECT_TRUE(second.add(routed));
  EXPECT_EQ(second.must(), 7);
}

TEST(ProduceBatch, TellsUntilWhenItsKeysAndIdsMayBeInWork) {
  const auto until = [](OutgoingEnvelope one, std::int64_t version) {
    one.must = version;
    ProduceBatch batch(limits());
    EXPECT_TRUE(batch.add(one));
    return batch.ids_until();
  };
  OutgoingEnvelope chosen = message("a");
  chosen.chosen = true;
  OutgoingEnvelope keyed = message("b");
  keyed.keyed = true;
  keyed.delay = 1h;
  constexpr std::int64_t rounding = 10'000;
  EXPECT_EQ(until(chosen, 5), now + 10'000 + 300'000) << "its ttl, and time to run it";
  EXPECT_EQ(until(keyed, 5), now + 3'600'000 + 10'000 + 300'000);
  EXPECT_EQ(until(chosen, 0), 0) << "of a topic for which nothing is set, the ids themselves tell";
  EXPECT_EQ(until(keyed, 0), now + 3'600'000 + 10'000 + 300'000) << "keys are kept nowhere else";
  keyed.ttl = 10'001ms;
  EXPECT_EQ(until(keyed, 5), now + 3'600'000 + 10'000 + 300'000 + rounding) << "rounded up";
  ProduceBatch plain(limits());
  EXPECT_TRUE(plain.add(message("c")));
  EXPECT_EQ(plain.ids_until(), 0);
}

TEST(ProduceReply, TellsTheVersionOfTheSettingsIfTheyWereLookedAt) {
  EXPECT_FALSE(Produce::decode(flat({"5", "ok", "0", "1"})).settings.has_value());
  const Produce::Reply got = Produce::decode(flat({"5", "ok", "0", "settings", "77", "1", "3"}));
  EXPECT_EQ(got.settings, 77);
  EXPECT_FALSE(got.stale);
  EXPECT_EQ(got.duplicates, (std::vector<std::uint32_t>{0, 2}));
  const Produce::Reply stale = Produce::decode(flat({"5", "stale", "0", "settings", "-1"}));
  EXPECT_TRUE(stale.stale);
  EXPECT_FALSE(stale.again);
  EXPECT_EQ(stale.settings, -1);
  EXPECT_THROW((void)Produce::decode(flat({"5", "ok", "0", "settings"})), redis::ProtocolError);
  EXPECT_THROW((void)Produce::decode(flat({"5", "ok", "0", "others", "7"})), redis::ProtocolError);
}

TEST(ProduceReply, IsReadWithItsDuplicates) {
  const Produce::Reply got = Produce::decode(flat({"5", "ok", "0", "1", "3"}));
  EXPECT_FALSE(got.again);
  EXPECT_FALSE(got.mute);
  EXPECT_EQ(got.duplicates, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_TRUE(Produce::decode(flat({"5", "again", "0"})).again);
  EXPECT_TRUE(Produce::decode(flat({"5", "ok", "1"})).mute);
  const Produce::Reply again = Produce::decode(flat({"5", "again", "0", "2"}));
  EXPECT_TRUE(again.again);
  EXPECT_EQ(again.duplicates, std::vector<std::uint32_t>{1});
  EXPECT_THROW((void)Produce::decode(flat({"5", "again", "0", "0"})), redis::ProtocolError);
  EXPECT_THROW((void)Produce::decode(flat({"5", "ok", "0", "0"})), redis::ProtocolError);
  EXPECT_THROW((void)Produce::decode(flat({"5", "ok"})), redis::ProtocolError);
  EXPECT_THROW((void)Produce::decode(flat({"5", "ok", "2"})), redis::ProtocolError);
  EXPECT_THROW((void)Produce::decode(flat({"5", "no", "0"})), redis::ProtocolError);
}

TEST(RandomId, Is128BitsInHexAndNotTheSameTwice) {
  runtime::EventLoop loop;
  const auto rng = redis::Seams::real(loop, {}).rng;
  const std::string id = random_id(*rng);
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(id, random_id(*rng));
  const auto another = redis::Seams::real(loop, {}).rng;
  EXPECT_NE(id, random_id(*another));
}

}  // namespace
}  // namespace mx_rmq::broker
