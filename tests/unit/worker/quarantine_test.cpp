#include "worker/quarantine.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::worker {
namespace {

// A member, and how often each of its hooks was called.
struct Member {
  explicit Member(Quarantine& quarantine_of) : quarantine(quarantine_of) {
    Quarantine::Hooks hooks;
    hooks.clear = [this] { ++clear; };
    hooks.resume = [this] { ++resume; };
    hooks.granted = [this] { ++granted; };
    id = quarantine.join(std::move(hooks));
  }
  ~Member() { quarantine.leave(id); }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  Quarantine& quarantine;
  Quarantine::MemberId id = 0;
  int clear = 0;
  int resume = 0;
  int granted = 0;
};

TEST(Quarantine, IsGrantedAtOnceToAProcessThatHoldsNothing) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  quarantine.want(a.id);
  EXPECT_EQ(a.granted, 1);
  EXPECT_EQ(a.clear, 1);
  EXPECT_EQ(b.clear, 1) << "all are told to give back what has not started";
  EXPECT_TRUE(quarantine.closed());
}

TEST(Quarantine, WaitsForWhatOtherMembersHold) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  quarantine.hold(b.id, 2);
  quarantine.want(a.id);
  EXPECT_EQ(a.granted, 0);
  quarantine.drop(b.id, 1);
  EXPECT_EQ(a.granted, 0);
  quarantine.drop(b.id, 1);
  EXPECT_EQ(a.granted, 1);
}

TEST(Quarantine, AClaimUnderWayCountsAsHeld) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  ASSERT_TRUE(quarantine.begin_claim(b.id));
  EXPECT_EQ(quarantine.held(), 1u);
  quarantine.want(a.id);
  EXPECT_EQ(a.granted, 0);
  quarantine.hold(b.id, 1);
  quarantine.claim_ended(b.id);
  EXPECT_EQ(a.granted, 0) << "what it took is held";
  quarantine.drop(b.id, 1);
  EXPECT_EQ(a.granted, 1);
}

TEST(Quarantine, AProcessWithNothingButClaimsUnderWayIsIdle) {
  Quarantine quarantine;
  Member a(quarantine);
  EXPECT_TRUE(quarantine.idle());
  {
    Member b(quarantine);
    ASSERT_TRUE(quarantine.begin_claim(a.id));
    ASSERT_TRUE(quarantine.begin_claim(b.id));
    EXPECT_TRUE(quarantine.idle());
    quarantine.hold(a.id, 1);
    quarantine.claim_ended(a.id);
    EXPECT_FALSE(quarantine.idle());
    quarantine.drop(a.id, 1);
    EXPECT_TRUE(quarantine.idle()) << "though the other claims";
  }
  EXPECT_TRUE(quarantine.idle());
  EXPECT_EQ(quarantine.held(), 0u);
  quarantine.hold(a.id, 1);
  EXPECT_FALSE(quarantine.idle()) << "what the other claimed is forgotten with it";
}

TEST(Quarantine, NobodyClaimsWhileItIsWantedOrUnderWay) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  quarantine.hold(b.id, 1);
  quarantine.want(a.id);
  EXPECT_FALSE(quarantine.begin_claim(a.id));
  EXPECT_FALSE(quarantine.begin_claim(b.id));
  quarantine.drop(b.id, 1);
  EXPECT_FALSE(quarantine.begin_claim(b.id));
  quarantine.done(a.id);
  EXPECT_TRUE(quarantine.begin_claim(b.id));
  EXPECT_EQ(a.resume, 1);
  EXPECT_EQ(b.resume, 1);
}

TEST(Quarantine, ServesThoseWhoAskInTurn) {
  Quarantine quarantine;
  Member a(quarantine);
  Member b(quarantine);
  quarantine.want(a.id);
  quarantine.want(b.id);
  EXPECT_EQ(b.granted, 0);
  quarantine.done(a.id);
  EXPECT_EQ(b.granted, 1);
  EXPECT_EQ(a.resume, 0) << "the next one has it";
  quarantine.done(b.id);
  EXPECT_EQ(a.resume, 1);
  EXPECT_FALSE(quarantine.closed());
}

TEST(Quarantine, WantingTwiceIsWantingOnce) {
  Quarantine quarantine;
  Member a(quarantine);
  quarantine.want(a.id);
  quarantine.want(a.id);
  EXPECT_EQ(a.granted, 1);
  quarantine.done(a.id);
  EXPECT_FALSE(quarantine.closed());
}

TEST(Quarantine, AMemberThatLeavesTakesWhatItHeldAndWanted) {
  Quarantine quarantine;
  Member a(quarantine);
  {
    Member b(quarantine);
    quarantine.hold(b.id, 3);
    quarantine.want(b.id);
    quarantine.want(a.id);
    EXPECT_EQ(a.granted, 0);
  }
  EXPECT_EQ(quarantine.held(), 0u);
  EXPECT_EQ(a.granted, 1);
}

TEST(Quarantine, ThoseWhoAreNoMembersDoNotCount) {
  Quarantine quarantine;
  EXPECT_FALSE(quarantine.begin_claim(99));
  quarantine.hold(99, 1);
  quarantine.want(99);
  EXPECT_EQ(quarantine.held(), 0u);
  EXPECT_FALSE(quarantine.closed());
}

}  // namespace
}  // namespace mx_rmq::worker
