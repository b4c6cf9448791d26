// What nodes of a Cluster tell: CLUSTER SLOTS, MOVED, ASK.
#include "redis/topology/cluster/cluster_slots.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "redis/wire/protocol_error.hpp"

namespace mx_rmq::redis {
namespace {

using api::HostPort;

template <class... Items>
Reply list(Items... items) {
  std::vector<Reply> all;
  (all.push_back(std::move(items)), ...);
  return Reply::array(std::move(all));
}
Reply text(std::string what) { return Reply::string(std::move(what)); }
Reply number(std::int64_t what) { return Reply::integer(what); }
Reply range(int first, int last, Reply master) {
  return list(number(first), number(last), std::move(master));
}

const HostPort asked{"seed.example", 7000};

TEST(ClusterSlots, NamesTheMasterOfEachRange) {
  Reply first = list(number(0), number(5460), list(text("10.0.0.1"), number(7001), text("id")),
                     list(text("10.0.0.4"), number(7004), text("replica")));
  const auto ranges = read_cluster_slots(
      list(std::move(first), range(5461, 16383, list(text("10.0.0.2"), number(7002)))), asked);
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].first, 0);
  EXPECT_EQ(ranges[0].last, 5460);
  EXPECT_EQ(ranges[0].master, (HostPort{"10.0.0.1", 7001}));
  EXPECT_EQ(ranges[1].master, (HostPort{"10.0.0.2", 7002}));
}

TEST(ClusterSlots, TheFurtherFactsOfRedis7TellItFromEarlierOnes) {
  const auto old =
      read_cluster_slots(list(range(0, 1, list(text("h"), number(7001), text("id")))), asked);
  EXPECT_FALSE(old.at(0).by_redis_7);
  const auto modern = read_cluster_slots(
      list(range(0, 1, list(text("h"), number(7001), text("id"), list()))), asked);
  EXPECT_TRUE(modern.at(0).by_redis_7);
}

TEST(ClusterSlots, AnEmptyClusterHasNone) {
  EXPECT_TRUE(read_cluster_slots(list(), asked).empty());
}

TEST(ClusterSlots, AHostThatIsLeftOutIsTheOneThatWasAsked) {
  for (const bool nil : {true, false}) {
    Reply host = nil ? Reply::nil() : text("");
    const auto ranges =
        read_cluster_slots(list(range(0, 1, list(std::move(host), number(7001)))), asked);
    EXPECT_EQ(ranges.at(0).master, (HostPort{"seed.example", 7001}));
  }
}

TEST(ClusterSlots, AQuestionMarkIsAHostThatNobodyKnows) {
  const auto ranges = read_cluster_slots(
      list(range(0, 1, list(text("?"), number(7001), text("id"), list()))), asked);
  EXPECT_EQ(ranges.at(0).master, std::nullopt);
}

TEST(ClusterSlots, BehindAQuestionMarkTheIpAddressIsTakenFromTheFurtherFacts) {
  Reply facts = list(text("ip"), text("10.0.0.1"));
  const auto ranges = read_cluster_slots(
      list(range(0, 1, list(text("?"), number(7001), text("id"), std::move(facts)))), asked);
  EXPECT_EQ(ranges.at(0).master, (HostPort{"10.0.0.1", 7001}));
}

TEST(ClusterSlots, HostNamesAndIpv6StayAsTheyAre) {
  for (const char* const host : {"node-1.example.org", "2001:db8::7"}) {
    const auto ranges =
        read_cluster_slots(list(range(0, 1, list(text(host), number(6380), text("id")))), asked);
    EXPECT_EQ(ranges.at(0).master, (HostPort{host, 6380}));
  }
}

TEST(ClusterSlots, RangesAndAddressesThatMakeNoSenseAreLeftOut) {
  const auto node = [] { return list(text("h"), number(7001)); };
  EXPECT_TRUE(read_cluster_slots(
                  list(range(-1, 5, node()), range(3, 2, node()), range(0, 16384, node())), asked)
                  .empty());
  const auto odd = read_cluster_slots(
      list(range(0, 1, list(text("h"), number(0))), range(2, 3, list(text("h"), number(70000))),
           range(4, 5, list(text("a b"), number(1))), range(6, 7, list(number(3), number(1))),
           list(number(8), number(9))),
      asked);
  ASSERT_EQ(odd.size(), 5U);
  for (const SlotRange& each : odd) EXPECT_EQ(each.master, std::nullopt);
}

TEST(ClusterSlots, AnotherShapeIsAProtocolError) {
  EXPECT_THROW(static_cast<void>(read_cluster_slots(text("no"), asked)), ProtocolError);
  EXPECT_THROW(static_cast<void>(read_cluster_slots(list(text("no")), asked)), ProtocolError);
  EXPECT_THROW(static_cast<void>(read_cluster_slots(list(list(text("a"), text("b"))), asked)),
               ProtocolError);
  EXPECT_THROW(static_cast<void>(read_cluster_slots(list(range(0, 1, text("no"))), asked)),
               ProtocolError);
  EXPECT_THROW(
      static_cast<void>(read_cluster_slots(list(range(0, 1, list(text("h"), text("x")))), asked)),
      ProtocolError);
}

TEST(Redirects, AreReadWithTheirSlotAndAddress) {
  const auto moved = read_redirect("MOVED 3999 127.0.0.1:6381", asked);
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->ask);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(moved->to, (HostPort{"127.0.0.1", 6381}));
  const auto ask = read_redirect("ASK 3999 node.example:6381", asked);
  ASSERT_TRUE(ask);
  EXPECT_TRUE(ask->ask);
  EXPECT_EQ(ask->to, (HostPort{"node.example", 6381}));
}

TEST(Redirects, OddAddressesAreUnderstoodOrCountAsUnknown) {
  EXPECT_EQ(read_redirect("MOVED 1 :6381", asked)->to, (HostPort{"seed.example", 6381}));
  EXPECT_EQ(read_redirect("MOVED 1 2001:db8::7:6381", asked)->to, (HostPort{"2001:db8::7", 6381}));
  EXPECT_EQ(read_redirect("MOVED 1 [2001:db8::7]:6381", asked)->to,
            (HostPort{"2001:db8::7", 6381}));
  for (const char* const unknown : {"MOVED 1 ?:6381", "MOVED 1 host:0", "MOVED 1 host:99999",
                                    "MOVED 1 host:x", "MOVED 1 host", "MOVED 1 a b:1"}) {
    const auto read = read_redirect(unknown, asked);
    ASSERT_TRUE(read) << unknown;
    EXPECT_EQ(read->to, std::nullopt) << unknown;
  }
}

TEST(Redirects, OtherErrorsAreNone) {
  for (const char* const text : {"TRYAGAIN no", "MOVED", "MOVED x h:1", "MOVED 16384 h:1",
                                 "MOVED -1 h:1", "ASK 5", "ERR MOVED 1 h:1", "MOVEDX 1 h:1", ""}) {
    EXPECT_FALSE(read_redirect(text, asked)) << text;
  }
}

}  // namespace
}  // namespace mx_rmq::redis
