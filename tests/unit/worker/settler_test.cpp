#include "worker/settler.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "worker/delivery.hpp"
#include "worker/lease.hpp"

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;
using Groups = std::vector<std::vector<std::uint64_t>>;

// A consumer that answers at once, and writes down what it is given.
class Rig {
 public:
  // One of a message that is held under the name of that incarnation, which is no longer the
  // consumer's if it is not the lease's.
  void add(Ending ending, std::uint64_t number, std::uint64_t incarnation = 1,
           broker::AckKind ack = broker::AckKind::completed) {
    Settlement made;
    const broker::Tag tag{number, 1};
    made.delivery = std::make_shared<Delivery>(nullptr, incarnation, tag, "");
    made.ending = ending;
    made.ack = ack;
    if (incarnation == lease.incarnation()) lease.hold(tag, made.delivery);
    settler.add(std::move(made));
  }
  void lose(std::uint64_t number) { lease.settled(lease.incarnation(), broker::Tag{number, 1}); }

  void flush() {
    while (send()) {
      if (groups.size() == give_up_at) return;
      if (meanwhile) std::exchange(meanwhile, nullptr)();
      for (const auto& each : settler.answered()) {
        answered.push_back(each.delivery->tag.claim);
        lease.settled(each.delivery->incarnation, each.delivery->tag);
      }
    }
  }
  // False: nothing is left.
  bool send() {
    std::vector<std::uint64_t> numbers;
    for (const auto& each : settler.next()) numbers.push_back(each.delivery->tag.claim);
    for (const auto& each : settler.take_refused()) refusals.push_back(each.delivery->tag.claim);
    if (numbers.empty()) return false;
    endings.push_back(settler.next().front().ending);
    groups.push_back(std::move(numbers));
    return true;
  }

  Lease lease{"a", 30s};
  Settler settler{lease};
  std::size_t give_up_at = 0;
  std::function<void()> meanwhile;
  std::vector<Ending> endings;
  Groups groups;
  std::vector<std::uint64_t> answered;
  std::vector<std::uint64_t> refusals;
};

TEST(Settler, SendsNothingWhenNothingWaits) {
  Rig rig;
  rig.flush();
  EXPECT_TRUE(rig.groups.empty());
}

TEST(Settler, GroupsByKindInOrder) {
  Rig rig;
  rig.add(Ending::ack, 1);
  rig.add(Ending::retry, 2);
  rig.add(Ending::ack, 3);
  rig.add(Ending::dead, 4);
  rig.add(Ending::retry, 5);
  EXPECT_EQ(rig.settler.size(), 5u);
  rig.flush();
  EXPECT_EQ(rig.groups, (Groups{{1, 3}, {2, 5}, {4}}));
  EXPECT_EQ(rig.endings, (std::vector<Ending>{Ending::ack, Ending::retry, Ending::dead}));
  EXPECT_EQ(rig.settler.size(), 0u);
}

TEST(Settler, AcksOfDifferentMeaningAndNamesGoApart) {
  Rig rig;
  rig.add(Ending::ack, 1);
  rig.add(Ending::ack, 2, 1, broker::AckKind::expired_discarded);
  rig.add(Ending::ack, 3, 2);
  rig.add(Ending::ack, 4);
  rig.flush();
  EXPECT_EQ(rig.groups, (Groups{{1, 4}, {2}}));
  EXPECT_EQ(rig.refusals, (std::vector<std::uint64_t>{3})) << "a consumer has one name at a time";
}

TEST(Settler, WhatComesMeanwhileFormsTheNextGroup) {
  Rig rig;
  rig.meanwhile = [&] {
    rig.add(Ending::ack, 2);
    rig.add(Ending::ack, 3);
  };
  rig.add(Ending::ack, 1);
  rig.flush();
  EXPECT_EQ(rig.groups, (Groups{{1}, {2, 3}}));
}

TEST(Settler, WhatIsNotHeldAnyMoreIsRefusedNotSent) {
  Rig rig;
  for (std::uint64_t i = 1; i <= 3; ++i) rig.add(Ending::ack, i);
  rig.lose(1);
  rig.lose(3);
  rig.flush();
  EXPECT_EQ(rig.groups, (Groups{{2}}));
  EXPECT_EQ(rig.refusals, (std::vector<std::uint64_t>{1, 3}));
}

TEST(Settler, BoundsTheSizeOfACall) {
  Rig rig;
  for (std::uint64_t i = 1; i <= 2500; ++i) rig.add(Ending::ack, i);
  for (std::uint64_t i = 1; i <= 150; ++i) rig.add(Ending::release, 3000 + i);
  rig.flush();
  std::vector<std::size_t> sizes;
  for (const auto& group : rig.groups) sizes.push_back(group.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1000, 1000, 500, 100, 50}));
}

TEST(Settler, EndsWhenTheConsumerGivesUpAndKeepsTheRest) {
  Rig rig;
  rig.give_up_at = 1;
  rig.add(Ending::ack, 1);
  rig.add(Ending::retry, 2);
  rig.flush();
  EXPECT_EQ(rig.groups, (Groups{{1}}));
  EXPECT_TRUE(rig.answered.empty());
  EXPECT_EQ(rig.settler.size(), 2u) << "neither was answered";
}

TEST(Settler, WhatWasNotAnsweredIsSentAgainWithoutWhatWasLost) {
  Rig rig;
  for (std::uint64_t i = 1; i <= 3; ++i) rig.add(Ending::retry, i);
  ASSERT_TRUE(rig.send());
  rig.add(Ending::retry, 4);
  rig.lose(2);
  ASSERT_TRUE(rig.send());
  EXPECT_EQ(rig.groups, (Groups{{1, 2, 3}, {1, 3}})) << "unchanged, whatever came meanwhile";
  EXPECT_EQ(rig.refusals, (std::vector<std::uint64_t>{2}));
}

TEST(Settler, WhatWasLostWhileItsCallWasUnderWayIsNotSettledByItsAnswer) {
  Rig rig;
  rig.add(Ending::ack, 1);
  rig.add(Ending::ack, 2);
  rig.meanwhile = [&] { rig.lose(1); };
  rig.flush();
  EXPECT_EQ(rig.answered, (std::vector<std::uint64_t>{2}));
}

}  // namespace
}  // namespace mx_rmq::worker
