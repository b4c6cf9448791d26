// Claims without a wake-up, after those that brought many messages.
#include "worker/next_guess.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::worker {
namespace {

TEST(NextGuess, FollowsEachClaimOfManyWhileItFindsSomething) {
  NextGuess guess;
  EXPECT_FALSE(guess.worth(63)) << "one command more would count";
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(guess.worth(64));
    guess.answered(1);
  }
}

TEST(NextGuess, WhatFindsNothingIsTriedEverMoreSeldom) {
  NextGuess guess;
  int claims = 0;
  int guesses = 0;
  for (; claims < 64 * 100; ++claims) {
    if (!guess.worth(100)) continue;
    ++guesses;
    guess.answered(0);
  }
  EXPECT_GE(guesses, 100);
  EXPECT_LE(guesses, 106) << "one in 64, after a few to begin with";
  while (!guess.worth(100)) {
  }
  guess.answered(100);
  EXPECT_TRUE(guess.worth(100)) << "and at once again after one that did";
}

}  // namespace
}  // namespace mx_rmq::worker
