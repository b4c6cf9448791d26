#include "worker/quarantine.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace mx_rmq::worker {
namespace {

// A member, what its consumer holds, and how often each of its hooks was called.
struct Member {
  explicit Member(Quarantine& quarantine) : part(quarantine), holding(part) {
    Quarantine::Hooks hooks;
    hooks.clear = [this] { ++clear; };
    hooks.resume = [this] { ++resume; };
    hooks.granted = [this] { ++granted; };
    part.join(std::move(hooks));
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  void hold(std::size_t messages) { holding.set(held += messages); }
  void drop(std::size_t messages) { holding.set(held -= messages); }

  Quarantine::Member part;
  Quarantine::Holding holding;
  std::size_t held = 0;
  int clear = 0;
  int resume = 0;
  int granted = 0;
};

TEST(Quarantine, IsGrantedAtOnceToAProcessThatHoldsNothing) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  const auto turn = a.part.want();
  EXPECT_EQ(a.granted, 1);
  EXPECT_EQ(a.clear, 1);
  EXPECT_EQ(b.clear, 1) << "all are told to give back what has not started";
  EXPECT_TRUE(quarantine.closed());
}

TEST(Quarantine, WaitsForWhatOtherMembersHold) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  b.hold(2);
  const auto turn = a.part.want();
  EXPECT_EQ(a.granted, 0);
  b.drop(1);
  EXPECT_EQ(a.granted, 0);
  b.drop(1);
  EXPECT_EQ(a.granted, 1);
}

TEST(Quarantine, AClaimUnderWayCountsAsHeld) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  auto claim = b.part.begin_claim();
  ASSERT_TRUE(claim);
  EXPECT_EQ(quarantine.held(), 1u);
  const auto turn = a.part.want();
  EXPECT_EQ(a.granted, 0);
  b.hold(1);
  claim.reset();
  EXPECT_EQ(a.granted, 0) << "what it took is held";
  b.drop(1);
  EXPECT_EQ(a.granted, 1);
}

TEST(Quarantine, AProcessWithNothingButClaimsUnderWayIsIdle) {
  Quarantine quarantine;
  Member a(quarantine);
  EXPECT_TRUE(quarantine.idle());
  std::optional<Member> b(std::in_place, quarantine);
  auto claim = a.part.begin_claim();
  auto other = b->part.begin_claim();
  ASSERT_TRUE(claim && other);
  EXPECT_TRUE(quarantine.idle());
  a.hold(1);
  claim.reset();
  EXPECT_FALSE(quarantine.idle());
  a.drop(1);
  EXPECT_TRUE(quarantine.idle()) << "though the other claims";
  b->part.leave();
  EXPECT_TRUE(quarantine.idle());
  EXPECT_EQ(quarantine.held(), 0u);
  a.hold(1);
  EXPECT_FALSE(quarantine.idle()) << "what the other claimed is forgotten with it";
  other.reset();
  EXPECT_EQ(quarantine.held(), 1u) << "and is not taken back twice";
}

TEST(Quarantine, WhatIsCountedEndsWithTheObjectThatCountsIt) {
  Quarantine quarantine;
  Member a(quarantine);
  {
    Quarantine::Holding holding(a.part);
    holding.set(3);
    const auto claim = a.part.begin_claim();
    EXPECT_EQ(quarantine.held(), 4u);
  }
  EXPECT_EQ(quarantine.held(), 0u);
}

TEST(Quarantine, NobodyClaimsWhileItIsWantedOrUnderWay) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  b.hold(1);
  auto turn = a.part.want();
  EXPECT_FALSE(a.part.begin_claim());
  EXPECT_FALSE(b.part.begin_claim());
  b.drop(1);
  EXPECT_FALSE(b.part.begin_claim());
  turn.reset();
  EXPECT_TRUE(b.part.begin_claim());
  EXPECT_EQ(a.resume, 1);
  EXPECT_EQ(b.resume, 1);
}

TEST(Quarantine, ServesThoseWhoAskInTurn) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  auto first = a.part.want();
  auto second = b.part.want();
  EXPECT_EQ(b.granted, 0);
  first.reset();
  EXPECT_EQ(b.granted, 1);
  EXPECT_EQ(a.resume, 0) << "the next one has it";
  second.reset();
  EXPECT_EQ(a.resume, 1);
  EXPECT_FALSE(quarantine.closed());
}

TEST(Quarantine, WantingTwiceIsWantingOnce) {
  Quarantine quarantine;
  Member a(quarantine);
  auto turn = a.part.want();
  EXPECT_FALSE(a.part.want());
  EXPECT_EQ(a.granted, 1);
  turn.reset();
  EXPECT_FALSE(quarantine.closed());
}

TEST(Quarantine, AMemberThatLeavesTakesWhatItHeldAndWanted) {
  Quarantine quarantine;
  Member a(quarantine);
  Quarantine::Member::Turn turn;
  {
    Member b(quarantine);
    b.hold(3);
    const auto first = b.part.want();
    turn = a.part.want();
    EXPECT_EQ(a.granted, 0);
    b.part.leave();
    EXPECT_EQ(a.granted, 1);
  }
  EXPECT_EQ(quarantine.held(), 0u);
  EXPECT_EQ(a.granted, 1);
}

TEST(Quarantine, ThoseWhoAreNoMembersDoNotCount) {
  Quarantine quarantine;
  Quarantine::Member stranger(quarantine);
  Quarantine::Holding holding(stranger);
  EXPECT_FALSE(stranger.begin_claim());
  holding.set(1);
  EXPECT_FALSE(stranger.want());
  EXPECT_EQ(quarantine.held(), 0u);
  EXPECT_FALSE(quarantine.closed());
}

}  // namespace
}  // namespace mx_rmq::worker
