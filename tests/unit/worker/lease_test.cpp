#include "worker/lease.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "worker/delivery.hpp"

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;

const TimePoint t0{100s};

std::shared_ptr<Delivery> delivery(const Lease& lease, Tag tag) {
  return std::make_shared<Delivery>(nullptr, lease.incarnation(), tag, "");
}

// A lease that holds `count` messages of one claim, sent at `sent`.
void take(Lease& lease, std::uint32_t count, TimePoint sent) {
  const auto number = lease.begin_claim();
  ASSERT_TRUE(lease.claim_answered(lease.incarnation(), true, sent));
  for (std::uint32_t i = 1; i <= count; ++i)
    lease.hold(Tag{number, i}, delivery(lease, Tag{number, i}));
}

bool contains(const std::vector<Tag>& tags, Tag tag) {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

TEST(Lease, NamesHaveTheIncarnation) {
  const Lease lease("abc", 30s);
  EXPECT_EQ(lease.name(), "abc.1");
  EXPECT_EQ(lease.incarnation(), 1u);
  EXPECT_TRUE(lease.fresh());
  EXPECT_TRUE(lease.may_claim());
  EXPECT_FALSE(lease.needs_tend(t0));
}

TEST(Lease, ClaimsAreNumberedFromOneAndGoOneAtATime) {
  Lease lease("a", 30s);
  EXPECT_EQ(lease.begin_claim(), 1u);
  EXPECT_FALSE(lease.may_claim());
  EXPECT_TRUE(lease.claim_answered(1, false, t0));
  EXPECT_TRUE(lease.may_claim());
  EXPECT_EQ(lease.begin_claim(), 2u);
  lease.claim_failed();
  EXPECT_TRUE(lease.may_claim());
  EXPECT_EQ(lease.begin_claim(), 3u)
      << "the number of a claim that was not executed is not used again";
}

TEST(Lease, HoldsFromTheSendingOfTheClaimThatTookSomething) {
  Lease lease("a", 30s);
  lease.begin_claim();
  lease.claim_answered(1, false, t0);
  EXPECT_EQ(lease.until(), TimePoint{}) << "a claim that took nothing registers nothing";
  take(lease, 1, t0 + 1s);
  EXPECT_EQ(lease.until(), t0 + 31s);
  take(lease, 1, t0);
  EXPECT_EQ(lease.until(), t0 + 31s) << "an answer never shortens it";
}

TEST(Lease, AClaimWithoutAnAnswerOwesATendForALease) {
  Lease lease("a", 30s);
  lease.begin_claim();
  lease.claim_unanswered(t0);
  EXPECT_FALSE(lease.may_claim());
  EXPECT_TRUE(lease.owes_tend());
  const auto tend = lease.begin_tend();
  EXPECT_EQ(tend.last_claim, 1u) << "given up: the server gives back what it took";
  EXPECT_TRUE(tend.tags.empty());
  EXPECT_TRUE(lease.tend_answered(tend, {}, t0).empty());
  EXPECT_TRUE(lease.may_claim());
  EXPECT_TRUE(lease.needs_tend(t0 + 29s)) << "a late copy of the claim may still be executed";
  EXPECT_FALSE(lease.needs_tend(t0 + 31s));
}

TEST(Lease, ATendDoesNotNameTheClaimThatIsUnderWay) {
  Lease lease("a", 30s);
  take(lease, 2, t0);
  lease.begin_claim();
  const auto tend = lease.begin_tend();
  EXPECT_EQ(tend.last_claim, 1u);
  EXPECT_EQ(tend.tags.size(), 2u);
}

TEST(Lease, ATendSentBeforeTheLastReasonDoesNotPayForIt) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  ASSERT_TRUE(lease.reconnected());
  const auto early = lease.begin_tend();
  ASSERT_TRUE(lease.reconnected());
  lease.tend_answered(early, {}, t0);
  EXPECT_TRUE(lease.owes_tend());
  const auto late = lease.begin_tend();
  lease.tend_answered(late, {}, t0);
  EXPECT_FALSE(lease.owes_tend());
}

TEST(Lease, ANewConnectionOwesATendOnlyIfSomethingIsHeld) {
  Lease lease("a", 30s);
  EXPECT_FALSE(lease.reconnected());
  take(lease, 1, t0);
  EXPECT_TRUE(lease.reconnected());
  EXPECT_FALSE(lease.may_claim());
}

TEST(Lease, TendingRenewsFromWhenItWasSent) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  const auto tend = lease.begin_tend();
  lease.tend_answered(tend, {}, t0 + 10s);
  EXPECT_EQ(lease.until(), t0 + 40s);
  EXPECT_TRUE(lease.needs_tend(t0 + 100s)) << "as long as something is held";
}

TEST(Lease, WhatTheServerMissesIsLost) {
  Lease lease("a", 30s);
  take(lease, 2, t0);
  const auto tend = lease.begin_tend();
  const auto gone = lease.tend_answered(tend, {Tag{1, 2}}, t0);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0]->tag, (Tag{1, 2}));
  EXPECT_EQ(lease.held(), 1u);
  EXPECT_FALSE(lease.holds(1, Tag{1, 2}));
}

TEST(Lease, AMissingTagWhoseSettlementIsUnansweredWasSettledByIt) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  lease.settling(Tag{1, 1});
  const auto tend = lease.begin_tend();
  EXPECT_TRUE(contains(tend.tags, Tag{1, 1})) << "what is being settled is named";
  EXPECT_TRUE(lease.tend_answered(tend, {Tag{1, 1}}, t0).empty());
  EXPECT_TRUE(lease.holds(1, Tag{1, 1})) << "until the settlement itself is answered";
  lease.settled(1, Tag{1, 1});
  EXPECT_EQ(lease.held(), 0u);
}

TEST(Lease, AMissingTagThatIsNotHeldAnyMoreIsNoLoss) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  const auto tend = lease.begin_tend();
  lease.settled(1, Tag{1, 1});
  EXPECT_TRUE(lease.tend_answered(tend, {Tag{1, 1}}, t0).empty());
}

TEST(Lease, LostTakesAllAndGoesOnUnderAnotherName) {
  Lease lease("a", 30s);
  take(lease, 3, t0);
  const auto gone = lease.lost(1);
  EXPECT_EQ(gone.size(), 3u);
  EXPECT_EQ(lease.name(), "a.2");
  EXPECT_TRUE(lease.fresh());
  EXPECT_EQ(lease.until(), TimePoint{});
  EXPECT_FALSE(lease.owes_tend());
  EXPECT_EQ(lease.begin_claim(), 2u) << "claim numbers go on, tags never mean two messages";
}

TEST(Lease, LostIsSaidOnceForEachName) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  EXPECT_EQ(lease.lost(1).size(), 1u);
  take(lease, 1, t0);
  EXPECT_TRUE(lease.lost(1).empty()) << "a late answer to a call under the old name";
  EXPECT_EQ(lease.held(), 1u);
  EXPECT_EQ(lease.name(), "a.2");
}

TEST(Lease, ATendThatFindsAnIdleConsumerGoneGivesItAnotherName) {
  Lease lease("a", 30s);
  lease.begin_claim();
  lease.claim_unanswered(t0);
  EXPECT_TRUE(lease.lost(1).empty());
  EXPECT_EQ(lease.name(), "a.2");
  EXPECT_FALSE(lease.owes_tend());
}

TEST(Lease, AClaimAnsweredUnderTheOldNameIsNotOurs) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  lease.begin_claim();
  lease.lost(1);
  EXPECT_FALSE(lease.claim_answered(1, true, t0));
  EXPECT_TRUE(lease.may_claim());
  EXPECT_FALSE(lease.holds(1, Tag{1, 1}));
}

TEST(Lease, ATendAnsweredUnderTheOldNameChangesNothing) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  const auto tend = lease.begin_tend();
  lease.lost(1);
  EXPECT_TRUE(lease.tend_answered(tend, {Tag{1, 1}}, t0 + 5s).empty());
  EXPECT_EQ(lease.until(), TimePoint{});
}

TEST(Lease, WhatIsLetGoIsGivenBackByTheNextTend) {
  Lease lease("a", 30s);
  take(lease, 2, t0);
  lease.let_go(lease.incarnation(), Tag{1, 2});
  EXPECT_FALSE(lease.holds(lease.incarnation(), Tag{1, 2}));
  EXPECT_TRUE(lease.owes_tend());
  EXPECT_FALSE(lease.may_claim());
  EXPECT_EQ(lease.begin_tend().tags, (std::vector<Tag>{{1, 1}}))
      << "what is not named and in the hash goes back";
}

TEST(Lease, WhatAClaimBroughtThatCouldNotBeTakenInIsNotHeld) {
  Lease lease("a", 30s);
  take(lease, 1, t0);
  take(lease, 2, t0);
  lease.claim_unanswered(t0);
  EXPECT_EQ(lease.held(), 1u) << "of the claim before";
  const Lease::Tend tend = lease.begin_tend();
  EXPECT_EQ(tend.tags, (std::vector<Tag>{{1, 1}}));
  EXPECT_EQ(tend.last_claim, 2u);
}

}  // namespace
}  // namespace mx_rmq::worker
