// Who waits to join a batch, and who is in the one under way: without a connection.
#include "broker/produce/produce_line.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "broker/produce/batch_under_way.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::broker {
namespace {

using runtime::TimePoint;
using namespace std::chrono_literals;

// Four messages of one submitter, due at 1 s, 2 s, 3 s and 4 s.
struct Entries {
  Entries() {
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].group = &group;
      all[i].deadline = TimePoint(std::chrono::seconds(i + 1));
    }
  }

  runtime::EventLoop loop;
  ProduceGroup group{4};
  std::array<ProduceEntry, 4> all;
};

std::exception_ptr error() { return std::make_exception_ptr(std::runtime_error("as told")); }

TEST(ProduceLine, WhoComesBackStandsWhereHeStood) {
  Entries entries;
  ProduceLine line(entries.loop);
  line.push(entries.all);
  std::vector<ProduceEntry*> taken;
  for (int i = 0; i < 2; ++i) {
    taken.push_back(&line.front());
    line.pop_front();
  }
  std::vector<ProduceEntry*> later{&line.front()};
  line.pop_front();
  line.give_back(later);
  line.give_back(taken);
  for (ProduceEntry& each : entries.all) {
    EXPECT_EQ(&line.front(), &each);
    line.pop_front();
  }
  EXPECT_EQ(line.first_deadline(), TimePoint::max());
}

TEST(ProduceLine, TheForemostIsTheFirstToBeTold) {
  Entries entries;
  ProduceLine line(entries.loop);
  line.push(entries.all);
  EXPECT_EQ(line.first_deadline(), TimePoint(1s));
  line.fail_front(error());
  EXPECT_TRUE(entries.all[0].outcome.error);
  EXPECT_EQ(line.first_deadline(), TimePoint(2s));
  line.drop_last(1);
  line.fail_all(error());
  EXPECT_TRUE(entries.all[2].outcome.error);
  EXPECT_FALSE(entries.all[3].outcome.error);
  EXPECT_TRUE(line.empty());
}

TEST(BatchUnderWay, TellsEachAtItsOwnDeadlineAndGoesOnForTheOthers) {
  Entries entries;
  BatchUnderWay batch(entries.loop);
  for (ProduceEntry& each : entries.all) batch.add(each);
  EXPECT_EQ(batch.first_deadline(), TimePoint(1s));
  EXPECT_EQ(batch.last_deadline(), TimePoint(4s));
  batch.set_maybe_applied();
  batch.fail_late(TimePoint(2s), error());
  EXPECT_TRUE(entries.all[1].outcome.error);
  EXPECT_EQ(batch.first_deadline(), TimePoint(3s));
  Produce::Reply reply;
  reply.duplicates = {0, 1, 7};
  batch.apply(reply, {1, 3});
  EXPECT_FALSE(entries.all[2].outcome.error);
  EXPECT_EQ(entries.all[2].outcome.result, Produced::enqueued);
  EXPECT_EQ(entries.all[3].outcome.result, Produced::duplicate);
  EXPECT_TRUE(entries.group.await_ready());
  EXPECT_TRUE(batch.empty());
  EXPECT_FALSE(batch.maybe_applied());
}

TEST(BatchUnderWay, GivesBackWhoHasTimeLeft) {
  Entries entries;
  BatchUnderWay batch(entries.loop);
  for (ProduceEntry& each : entries.all) batch.add(each);
  const std::vector<ProduceEntry*> back = batch.dissolve(TimePoint(2s), error());
  EXPECT_EQ(back, (std::vector<ProduceEntry*>{&entries.all[2], &entries.all[3]}));
  EXPECT_TRUE(entries.all[0].outcome.error);
  EXPECT_TRUE(batch.empty());
}

}  // namespace
}  // namespace mx_rmq::broker
