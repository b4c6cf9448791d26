// Slots of keys, by the rules of Redis Cluster.
#include "redis/topology/cluster/slot.hpp"

#include <gtest/gtest.h>

#include <string>

namespace mx_rmq::redis {
namespace {

// From CLUSTER KEYSLOT of Redis 7.0.
TEST(Slot, IsWhatRedisSays) {
  EXPECT_EQ(slot_of("123456789"), 12739);
  EXPECT_EQ(slot_of("foo"), 12182);
  EXPECT_EQ(slot_of("hello"), 866);
  EXPECT_EQ(slot_of(""), 0);
}

TEST(Slot, OnlyTheHashTagCounts) {
  EXPECT_EQ(slot_of("mq:{foo}:ready:high"), slot_of("foo"));
  EXPECT_EQ(slot_of("{foo}{bar}"), slot_of("foo")) << "the first one";
  EXPECT_EQ(slot_of("x{foo}"), slot_of("foo"));
}

TEST(Slot, WhatIsNoHashTagCountsWhole) {
  EXPECT_EQ(slot_of("foo{}{bar}"), 8363) << "an empty first tag: the whole key";
  EXPECT_NE(slot_of("foo{"), slot_of("foo"));
  EXPECT_NE(slot_of("}foo{"), slot_of("foo"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
}

TEST(Slot, OfATagCanBeReckonedCharacterByCharacter) {
  const SlotPrefix orders("orders#1.");
  EXPECT_EQ(orders.slot(), slot_of("orders#1."));
  EXPECT_EQ(orders.then('0').then('1').slot(), slot_of("orders#1.01"));
}

TEST(Slot, AnyBytes) {
  EXPECT_EQ(slot_of(std::string("\0\xff\x80", 3)), slot_of(std::string("{\0\xff\x80}", 5)));
  for (int i = 0; i < 1000; ++i) {
    const int slot = slot_of("key-" + std::to_string(i));
    EXPECT_GE(slot, 0);
    EXPECT_LT(slot, slot_count);
  }
}

}  // namespace
}  // namespace mx_rmq::redis
