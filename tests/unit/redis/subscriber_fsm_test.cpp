// Who listens to what, without a socket: when a channel is up, and what a hello finds out.
#include "redis/topology/subscriber_fsm.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;

Reply texts(std::vector<std::string> words) {
  std::vector<Reply> items;
  for (std::string& each : words) items.push_back(Reply::string(std::move(each)));
  return Reply::array(std::move(items));
}
Reply confirmed(const std::string& channel) {
  Reply reply = texts({"subscribe", channel});
  reply.as_array().push_back(Reply::integer(1));
  return reply;
}

std::string show(const SubscriberAction& action) {
  using Kind = SubscriberAction::Kind;
  const std::string number = std::to_string(action.number);
  const std::string listener = std::to_string(action.listener);
  switch (action.kind) {
    case Kind::subscribe:
      return "subscribe " + action.channel;
    case Kind::unsubscribe:
      return "unsubscribe " + action.channel;
    case Kind::hello:
      return "hello " + number + " to " + action.channel;
    case Kind::ping:
      return "ping";
    case Kind::drop:
      return "drop";
    case Kind::up:
      return "up " + listener + " epoch " + number;
    case Kind::down:
      return "down " + listener;
    case Kind::message:
      return "message " + listener + " " + action.text;
  }
  return "?";
}

class Listening {
 public:
  explicit Listening(SubscriberFsm::Options options = {}) : fsm(std::move(options)) {}

  // What was answered since the last call.
  std::string trace() {
    std::string text;
    for (const SubscriberAction& action : out) {
      if (action.kind == SubscriberAction::Kind::hello) hello_ = action;
      if (!text.empty()) text += "; ";
      text += show(action);
    }
    out.clear();
    return text;
  }
  std::uint64_t add(const std::string& channel) { return fsm.add(now, channel, out); }
  void usable() { fsm.on_usable(now, out); }
  void answer(const Reply& reply) { fsm.on_answer(now, reply, out); }
  void message(const std::string& channel, const std::string& text) {
    fsm.on_push(now, texts({"message", channel, text}), out);
  }
  // The last hello comes back.
  void hear() { message(hello_.channel, hello_.text); }
  void hello_ended(HelloEnd end, std::string_view error = {}) {
    fsm.on_hello_end(now, hello_.number, end, error, out);
  }
  void after(std::chrono::milliseconds span) {
    now += span;
    fsm.on_timer(now, out);
  }
  // From nothing to a channel that is up.
  void make_up(const std::string& channel) {
    add(channel);
    usable();
    answer(confirmed(channel));
    trace();
    hear();
    trace();
  }

  SubscriberFsm fsm;
  SubscriberActions out;
  TimePoint now{std::chrono::hours(1)};

 private:
  SubscriberAction hello_;
};

SubscriberFsm::Options without_hello() {
  SubscriberFsm::Options options;
  options.hello = false;
  return options;
}

TEST(SubscriberFsm, AChannelIsUpWhenItIsSubscribedAndTheHelloCameBack) {
  Listening it;
  const std::uint64_t listener = it.add("c");
  EXPECT_EQ(it.trace(), "") << "there is no connection yet";
  it.usable();
  EXPECT_EQ(it.trace(), "subscribe c");
  it.answer(confirmed("c"));
  EXPECT_EQ(it.trace(), "hello 1 to c");
  EXPECT_EQ(it.fsm.epoch(listener), 0U);
  it.hear();
  EXPECT_EQ(it.trace(), "up 1 epoch 1");
  EXPECT_EQ(it.fsm.epoch(listener), 1U);
  it.message("c", "text");
  EXPECT_EQ(it.trace(), "message 1 text");
}

TEST(SubscriberFsm, FurtherChannelsAndListenersComeUpWithoutAnotherHello) {
  Listening it;
  it.make_up("a");
  it.add("b");
  EXPECT_EQ(it.trace(), "subscribe b");
  it.answer(confirmed("b"));
  EXPECT_EQ(it.trace(), "up 2 epoch 2");
  it.add("b");
  EXPECT_EQ(it.trace(), "up 3 epoch 3");
  it.message("b", "x");
  EXPECT_EQ(it.trace(), "message 2 x; message 3 x");
}

TEST(SubscriberFsm, AnEndedConnectionEndsTheEpochsAndTheNextOneBeginsOthers) {
  Listening it;
  it.make_up("a");
  it.fsm.on_ended(it.out);
  EXPECT_EQ(it.trace(), "down 1");
  EXPECT_EQ(it.fsm.epoch(1), 0U);
  it.usable();
  EXPECT_EQ(it.trace(), "subscribe a");
  it.answer(confirmed("a"));
  EXPECT_EQ(it.trace(), "hello 2 to a");
  it.hear();
  EXPECT_EQ(it.trace(), "up 1 epoch 2");
}

TEST(SubscriberFsm, ANewConnectionOfTheLaneEndsTheEpochsUntilAHelloHasComeOverIt) {
  Listening it;
  it.make_up("a");
  it.fsm.on_lane(it.now, it.out);
  EXPECT_EQ(it.trace(), "down 1; hello 2 to a");
  it.hear();
  EXPECT_EQ(it.trace(), "up 1 epoch 2");
}

TEST(SubscriberFsm, TheHelloIsRepeatedAndOneThatIsNotHeardDropsTheConnection) {
  Listening it;
  it.make_up("a");
  EXPECT_EQ(it.fsm.next_wake() - it.now, 20s);
  it.after(20s);
  EXPECT_EQ(it.trace(), "hello 2 to a");
  EXPECT_EQ(it.fsm.epoch(1), 1U) << "it is up still";
  it.hello_ended(HelloEnd::answered);
  EXPECT_EQ(it.fsm.next_wake() - it.now, 2s);
  it.after(2s);
  EXPECT_EQ(it.trace(), "drop");
  it.fsm.on_ended(it.out);
  EXPECT_EQ(it.trace(), "down 1");
}

TEST(SubscriberFsm, AnOldHelloThatComesLateCountsForNothingAndReachesNobody) {
  Listening it;
  it.add("a");
  it.usable();
  it.answer(confirmed("a"));
  it.trace();
  SubscriberAction old;
  it.fsm.on_lane(it.now, it.out);
  for (const SubscriberAction& each : it.out) old = each;
  it.trace();
  it.fsm.on_lane(it.now, it.out);
  EXPECT_EQ(it.trace(), "hello 3 to a");
  it.message("a", old.text);
  EXPECT_EQ(it.trace(), "");
  it.hear();
  EXPECT_EQ(it.trace(), "up 1 epoch 1");
}

TEST(SubscriberFsm, ARefusedSubscriptionIsMuteAndAskedAgainSeldom) {
  SubscriberFsm::Options options;
  options.refused_retry = 30s;
  Listening it(options);
  it.add("a");
  it.usable();
  it.trace();
  EXPECT_EQ(it.fsm.mute(), "");
  it.answer(Reply::error("NOPERM this user has no permissions to run the 'subscribe' command"));
  EXPECT_EQ(it.trace(), "");
  EXPECT_TRUE(it.fsm.mute().starts_with("SUBSCRIBE refused: NOPERM")) << it.fsm.mute();
  EXPECT_EQ(it.fsm.next_wake() - it.now, 30s);
  it.after(30s);
  EXPECT_EQ(it.trace(), "subscribe a");
  it.answer(confirmed("a"));
  EXPECT_EQ(it.trace(), "hello 1 to a");
  EXPECT_EQ(it.fsm.mute(), "");
}

TEST(SubscriberFsm, WhoMayNotPublishIsMuteToo) {
  Listening it;
  it.make_up("a");
  it.after(20s);
  it.trace();
  it.hello_ended(HelloEnd::refused, "NOPERM no");
  EXPECT_EQ(it.trace(), "down 1");
  EXPECT_EQ(it.fsm.mute(), "PUBLISH refused: NOPERM no");
  it.after(30s);
  EXPECT_EQ(it.trace(), "hello 3 to a");
  it.hear();
  EXPECT_EQ(it.trace(), "up 1 epoch 2");
  EXPECT_EQ(it.fsm.mute(), "");
}

TEST(SubscriberFsm, WhatPassesByItselfIsAskedAgainSoonAndIsNotMute) {
  Listening it;
  it.add("a");
  it.usable();
  it.trace();
  it.answer(Reply::error("CLUSTERDOWN Hash slot not served"));
  EXPECT_EQ(it.fsm.mute(), "");
  it.after(200ms);
  EXPECT_EQ(it.trace(), "subscribe a");
}

TEST(SubscriberFsm, WithoutALaneNoHelloIsSaidAndNothingIsDropped) {
  Listening it;
  it.add("a");
  it.usable();
  it.answer(confirmed("a"));
  it.trace();
  it.hello_ended(HelloEnd::not_now);
  EXPECT_EQ(it.fsm.next_wake(), TimePoint::max());
  it.after(60s);
  EXPECT_EQ(it.trace(), "");
  it.fsm.on_lane(it.now, it.out);
  EXPECT_EQ(it.trace(), "hello 2 to a");
}

TEST(SubscriberFsm, AHelloThatItsChannelCannotCarryGoesOverAnother) {
  Listening it;
  it.make_up("a");
  it.add("b");
  it.answer(confirmed("b"));
  it.trace();
  it.after(20s);
  EXPECT_EQ(it.trace(), "hello 2 to b") << "they take turns";
  it.hello_ended(HelloEnd::not_now, "MOVED 1 other:1");
  it.after(200ms);
  EXPECT_EQ(it.trace(), "hello 3 to a");
}

TEST(SubscriberFsm, AChannelThatTheServerTookAwayIsAskedForAgain) {
  Listening it;
  it.make_up("a");
  Reply taken = texts({"sunsubscribe", "a"});
  taken.as_array().push_back(Reply::integer(0));
  it.fsm.on_push(it.now, taken, it.out);
  EXPECT_EQ(it.trace(), "down 1");
  it.after(200ms);
  EXPECT_EQ(it.trace(), "subscribe a");
  it.answer(confirmed("a"));
  EXPECT_EQ(it.trace(), "up 1 epoch 2");
}

TEST(SubscriberFsm, AServerThatKnowsNoShardedChannelsGetsPlainOnes) {
  SubscriberFsm::Options options;
  options.kind = ChannelKind::sharded;
  Listening it(options);
  it.add("a");
  it.add("b");
  it.usable();
  it.trace();
  it.answer(Reply::error("ERR unknown command `SSUBSCRIBE`, with args beginning with: `a`, "));
  EXPECT_EQ(it.fsm.kind(), ChannelKind::plain);
  it.answer(Reply::error("ERR unknown command `SSUBSCRIBE`, with args beginning with: `b`, "));
  EXPECT_EQ(it.trace(), "subscribe a; subscribe b");
  it.answer(confirmed("a"));
  it.trace();
  it.hear();
  EXPECT_EQ(it.trace(), "up 1 epoch 1");
  EXPECT_EQ(it.fsm.mute(), "");
}

TEST(SubscriberFsm, TheLastListenerOfAChannelUnsubscribes) {
  Listening it;
  it.make_up("a");
  const std::uint64_t second = it.add("a");
  it.trace();
  it.fsm.remove(1, it.out);
  EXPECT_EQ(it.trace(), "");
  it.fsm.remove(second, it.out);
  EXPECT_EQ(it.trace(), "unsubscribe a");
  it.message("a", "late");
  EXPECT_EQ(it.trace(), "");
}

TEST(SubscriberFsm, AnAnswerToAnEarlierSubscriptionOfAChannelIsNotTakenForTheLaterOnes) {
  Listening it;
  it.usable();
  const std::uint64_t first = it.add("a");
  it.fsm.remove(first, it.out);
  it.add("a");
  EXPECT_EQ(it.trace(), "subscribe a; unsubscribe a; subscribe a");
  it.answer(confirmed("a"));
  EXPECT_EQ(it.trace(), "");
  it.answer(confirmed("a"));
  EXPECT_EQ(it.trace(), "hello 1 to a");
}

TEST(SubscriberFsm, WithoutAHelloAChannelIsUpWhenSubscribedAndPingsKeepWatch) {
  Listening it(without_hello());
  it.add("+switch-master");
  it.usable();
  it.trace();
  it.answer(confirmed("+switch-master"));
  EXPECT_EQ(it.trace(), "up 1 epoch 1");
  it.after(20s);
  EXPECT_EQ(it.trace(), "ping");
  it.after(20s);
  EXPECT_EQ(it.trace(), "ping");
}

TEST(SubscriberFsm, MalformedPushesAreIgnored) {
  Listening it;
  it.make_up("a");
  it.fsm.on_push(it.now, texts({"message", "a"}), it.out);
  it.fsm.on_push(it.now, Reply::integer(7), it.out);
  Reply odd = texts({"message", "a"});
  odd.as_array().push_back(Reply::integer(7));
  it.fsm.on_push(it.now, odd, it.out);
  it.fsm.on_push(it.now, texts({"sunsubscribe", "unknown", "0"}), it.out);
  EXPECT_EQ(it.trace(), "");
}

}  // namespace
}  // namespace mx_rmq::redis
