#include "worker/listing.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::worker {
namespace {

TEST(Listing, AsksToBeListedOnlyWhileTheChannelIsHeard) {
  Listing listing;
  EXPECT_FALSE(listing.ask().list);
  listing.up(1);
  EXPECT_TRUE(listing.ask().list);
  listing.down();
  EXPECT_FALSE(listing.hears());
  EXPECT_FALSE(listing.ask().list);
}

TEST(Listing, IsListedByAnAnswerInTheEpochInWhichTheClaimWasSent) {
  Listing listing;
  listing.up(1);
  (void)listing.ask();
  listing.answered(true);
  EXPECT_TRUE(listing.listed());

  (void)listing.ask();
  EXPECT_FALSE(listing.listed()) << "the claim under way may take it out";
  listing.up(2);
  listing.answered(true);
  EXPECT_FALSE(listing.listed()) << "what was published in between nobody may have heard";

  (void)listing.ask();
  listing.answered(false);
  EXPECT_FALSE(listing.listed());

  (void)listing.ask();
  listing.answered(true);
  listing.down();
  EXPECT_FALSE(listing.listed());
}

TEST(Listing, AClaimThatWasSentUnheardListsNobody) {
  Listing listing;
  (void)listing.ask();
  listing.up(1);
  listing.answered(false);
  EXPECT_FALSE(listing.listed());
}

TEST(Listing, AWakeUpEndsIt) {
  Listing listing;
  listing.up(1);
  (void)listing.ask();
  listing.answered(true);
  listing.woken();
  EXPECT_FALSE(listing.listed());
}

TEST(Listing, SaysThatItMayBeListedUntilAnAnswerDeniesIt) {
  Listing listing;
  listing.up(1);
  EXPECT_FALSE(listing.ask().listed);
  listing.unanswered();
  EXPECT_TRUE(listing.ask().listed);
  listing.answered(false);
  EXPECT_FALSE(listing.ask().listed);
  listing.answered(true);
  listing.woken();
  EXPECT_TRUE(listing.ask().listed) << "as one that was told";
  listing.answered(true);
  listing.down();
  EXPECT_TRUE(listing.ask().listed);
}

}  // namespace
}  // namespace mx_rmq::worker
