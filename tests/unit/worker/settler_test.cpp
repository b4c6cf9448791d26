#include "worker/settler.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "worker/delivery.hpp"

namespace mx_rmq::worker {
namespace {

using Kind = Settlement::Kind;

Settlement settlement(Kind kind, std::uint64_t number, std::uint64_t incarnation = 1) {
  Settlement made;
  made.delivery = std::make_shared<Delivery>(0, incarnation, broker::Tag{number, 1}, "");
  made.kind = kind;
  return made;
}

// Answers at once, and writes down what it is given.
class Owner final : public Settler::Owner {
 public:
  bool holds(const Delivery& delivery) const override {
    return !not_held.contains(delivery.tag.claim);
  }
  Task<bool> carry_out(std::vector<Settlement> group) override {
    std::vector<std::uint64_t> numbers;
    for (const auto& each : group) numbers.push_back(each.delivery->tag.claim);
    kinds.push_back(group.front().kind);
    groups.push_back(std::move(numbers));
    if (meanwhile) {
      const auto act = std::exchange(meanwhile, nullptr);
      act();
    }
    co_return groups.size() != give_up_at;
  }
  void refused(const Settlement& each) override { refusals.push_back(each.delivery->tag.claim); }

  std::set<std::uint64_t> not_held;
  std::size_t give_up_at = 0;
  std::function<void()> meanwhile;
  std::vector<Kind> kinds;
  std::vector<std::vector<std::uint64_t>> groups;
  std::vector<std::uint64_t> refusals;
};

using Groups = std::vector<std::vector<std::uint64_t>>;

void flush(Settler& settler) { sync_wait(settler.flush()); }

TEST(Settler, SendsNothingWhenNothingWaits) {
  Owner owner;
  Settler settler(owner);
  flush(settler);
  EXPECT_TRUE(owner.groups.empty());
}

TEST(Settler, GroupsByKindInOrder) {
  Owner owner;
  Settler settler(owner);
  settler.add(settlement(Kind::ack, 1));
  settler.add(settlement(Kind::retry, 2));
  settler.add(settlement(Kind::ack, 3));
  settler.add(settlement(Kind::dead, 4));
  settler.add(settlement(Kind::retry, 5));
  EXPECT_EQ(settler.size(), 5u);
  flush(settler);
  EXPECT_EQ(owner.groups, (Groups{{1, 3}, {2, 5}, {4}}));
  EXPECT_EQ(owner.kinds, (std::vector<Kind>{Kind::ack, Kind::retry, Kind::dead}));
  EXPECT_TRUE(settler.empty());
}

TEST(Settler, AcksOfDifferentMeaningAndNamesGoApart) {
  Owner owner;
  Settler settler(owner);
  settler.add(settlement(Kind::ack, 1));
  Settlement expired = settlement(Kind::ack, 2);
  expired.ack = broker::AckKind::expired_discarded;
  settler.add(std::move(expired));
  settler.add(settlement(Kind::ack, 3, 2));
  settler.add(settlement(Kind::ack, 4));
  flush(settler);
  EXPECT_EQ(owner.groups, (Groups{{1, 4}, {2}, {3}}));
}

TEST(Settler, WhatComesMeanwhileFormsTheNextGroup) {
  Owner owner;
  Settler settler(owner);
  owner.meanwhile = [&] {
    settler.add(settlement(Kind::ack, 2));
    settler.add(settlement(Kind::ack, 3));
  };
  settler.add(settlement(Kind::ack, 1));
  flush(settler);
  EXPECT_EQ(owner.groups, (Groups{{1}, {2, 3}}));
}

TEST(Settler, WhatIsNotHeldAnyMoreIsRefusedNotSent) {
  Owner owner;
  owner.not_held = {1, 3};
  Settler settler(owner);
  for (std::uint64_t i = 1; i <= 3; ++i) settler.add(settlement(Kind::ack, i));
  flush(settler);
  EXPECT_EQ(owner.groups, (Groups{{2}}));
  EXPECT_EQ(owner.refusals, (std::vector<std::uint64_t>{1, 3}));
}

TEST(Settler, BoundsTheSizeOfACall) {
  Owner owner;
  Settler settler(owner);
  for (std::uint64_t i = 1; i <= 2500; ++i) settler.add(settlement(Kind::ack, i));
  for (std::uint64_t i = 1; i <= 150; ++i) settler.add(settlement(Kind::release, 3000 + i));
  flush(settler);
  std::vector<std::size_t> sizes;
  for (const auto& group : owner.groups) sizes.push_back(group.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1000, 1000, 500, 100, 50}));
}

TEST(Settler, EndsWhenTheConsumerGivesUpAndKeepsTheRest) {
  Owner owner;
  owner.give_up_at = 1;
  Settler settler(owner);
  settler.add(settlement(Kind::ack, 1));
  settler.add(settlement(Kind::retry, 2));
  flush(settler);
  EXPECT_EQ(owner.groups, (Groups{{1}}));
  EXPECT_EQ(settler.size(), 1u);
}

}  // namespace
}  // namespace mx_rmq::worker
