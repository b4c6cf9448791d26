#include "runtime/blocking_pool.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "mx_rmq/errors.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::BlockingPool;
using runtime::JobEnd;

class BlockingPoolTest : public LoopTest {
 protected:
  BlockingPool& pool() { return runtime_->blocking_pool(); }

  void make_runtime(int threads, std::chrono::milliseconds timeout) {
    RuntimeOptions options;
    options.blocking_threads = threads;
    options.shutdown_timeout = timeout;
    runtime_ = std::make_unique<Runtime>(options);
  }
};

TEST_F(BlockingPoolTest, RunsAJobAndTellsOnTheLoopThread) {
  Gate told;
  std::thread::id ran_on;
  bool on_loop = false;
  pool().submit([&] { ran_on = std::this_thread::get_id(); },
                [&](JobEnd end) {
                  EXPECT_EQ(end, JobEnd::completed);
                  on_loop = loop().on_loop_thread();
                  told.open();
                });
  ASSERT_TRUE(told.wait());
  EXPECT_TRUE(on_loop);
  EXPECT_NE(ran_on, std::thread::id());
  EXPECT_NE(ran_on, std::this_thread::get_id());
}

TEST_F(BlockingPoolTest, ThreadsGrowOnDemandToTheLimitAndStay) {
  make_runtime(3, 10s);
  EXPECT_EQ(pool().threads(), 0U);
  Gate release;
  std::atomic<int> done{0};
  for (int i = 0; i < 5; ++i) {
    pool().submit([&] { release.wait(); }, [&](JobEnd) { ++done; });
  }
  EXPECT_EQ(pool().threads(), 3U);
  EXPECT_TRUE(wait_for(30s, [&] { return pool().running() == 3; }));
  EXPECT_EQ(pool().waiting(), 2U);
  release.open();
  EXPECT_TRUE(wait_for(30s, [&] { return done == 5; }));
  for (int i = 0; i < 100; ++i) {
    Gate told;
    pool().submit([] {}, [&](JobEnd) { told.open(); });
    ASSERT_TRUE(told.wait());
  }
  EXPECT_EQ(pool().threads(), 3U);
}

TEST_F(BlockingPoolTest, OneIdleThreadIsUsedAgainInsteadOfANewOne) {
  for (int i = 0; i < 50; ++i) {
    Gate told;
    pool().submit([] {}, [&](JobEnd) { told.open(); });
    ASSERT_TRUE(told.wait());
  }
  EXPECT_EQ(pool().threads(), 1U);
}

TEST_F(BlockingPoolTest, RaisingTheLimitStartsWhatWaits) {
  make_runtime(1, 10s);
  Gate release;
  std::atomic<int> started{0};
  std::atomic<int> done{0};
  for (int i = 0; i < 3; ++i) {
    pool().submit(
        [&] {
          ++started;
          release.wait();
        },
        [&](JobEnd) { ++done; });
  }
  EXPECT_TRUE(wait_for(30s, [&] { return started == 1; }));
  EXPECT_EQ(pool().waiting(), 2U);
  pool().ensure_threads(2);
  EXPECT_TRUE(wait_for(30s, [&] { return started == 2; }));
  pool().ensure_threads(1);  // never lowers it
  EXPECT_EQ(pool().max_threads(), 2U);
  EXPECT_EQ(pool().waiting(), 1U);
  release.open();
  EXPECT_TRUE(wait_for(30s, [&] { return done == 3; }));
}

TEST_F(BlockingPoolTest, JobsStartInTheOrderTheyWereSubmitted) {
  make_runtime(1, 10s);
  std::vector<int> order;
  Gate last;
  for (int i = 0; i < 100; ++i) {
    pool().submit([&order, i] { order.push_back(i); },
                  [&, i](JobEnd) {
                    if (i == 99) last.open();
                  });
  }
  ASSERT_TRUE(last.wait());
  std::vector<int> expected;
  for (int i = 0; i < 100; ++i) expected.push_back(i);
  EXPECT_EQ(order, expected);
}

TEST_F(BlockingPoolTest, AJobThatHasNotBegunCanBeWithdrawn) {
  make_runtime(1, 10s);
  Gate running;
  Gate release;
  Gate last;
  std::vector<int> ran;         // blocking thread only
  std::vector<JobEnd> ends(4);  // loop thread only
  std::vector<runtime::JobId> ids;
  const auto held = std::make_shared<int>(0);
  for (int i = 0; i < 4; ++i) {
    ids.push_back(pool().submit(
        [&, i, held] {
          ran.push_back(i);
          running.open();
          if (i == 0) release.wait();
        },
        [&, i](JobEnd end) {
          ends[static_cast<std::size_t>(i)] = end;
          if (i == 3) last.open();
        }));
  }
  ASSERT_TRUE(running.wait());
  EXPECT_EQ(held.use_count(), 5);
  EXPECT_FALSE(pool().withdraw(ids[0])) << "it runs";
  EXPECT_TRUE(pool().withdraw(ids[2]));
  EXPECT_EQ(held.use_count(), 4) << "it is destroyed at once";
  EXPECT_FALSE(pool().withdraw(ids[2])) << "once";
  EXPECT_EQ(pool().waiting(), 2U);
  release.open();
  ASSERT_TRUE(last.wait());
  EXPECT_EQ(ran, (std::vector{0, 1, 3}));
  EXPECT_EQ(ends, (std::vector{JobEnd::completed, JobEnd::completed, JobEnd::withdrawn,
                               JobEnd::completed}));
  EXPECT_FALSE(pool().withdraw(ids[3])) << "it has run";
  EXPECT_FALSE(pool().withdraw(runtime::JobId{}));
}

TEST_F(BlockingPoolTest, AJobThatThrowsEndsAndItsThreadGoesOn) {
  make_runtime(1, 10s);
  Gate told;
  pool().submit([] { throw std::runtime_error("job"); }, [&](JobEnd) { told.open(); });
  ASSERT_TRUE(told.wait());
  Gate again;
  pool().submit([] {}, [&](JobEnd) { again.open(); });
  EXPECT_TRUE(again.wait());
}

TEST_F(BlockingPoolTest, ShutdownLetsRunningJobsEndAndCancelsTheRest) {
  make_runtime(1, 30s);
  Gate running;
  Gate release;
  std::vector<JobEnd> ends;  // loop thread only
  bool second_ran = false;
  pool().submit(
      [&] {
        running.open();
        release.wait();
      },
      [&](JobEnd end) { ends.push_back(end); });
  pool().submit([&] { second_ran = true; }, [&](JobEnd end) { ends.push_back(end); });
  ASSERT_TRUE(running.wait());
  BlockingPool& ending = pool();  // runtime_ is empty while it ends
  std::thread ender([&] { runtime_.reset(); });
  EXPECT_TRUE(wait_for(30s, [&] {
    try {
      ending.submit([] {});
      return false;
    } catch (const ShutdownError&) {
      return true;
    }
  }));
  release.open();
  ender.join();
  EXPECT_EQ(ends, (std::vector{JobEnd::cancelled, JobEnd::completed}));
  EXPECT_FALSE(second_ran);
}

// Jobs of one crew that run until they are let go, one by one.
class BlockingPoolCrewTest : public BlockingPoolTest {
 protected:
  struct Held {
    Gate go;
    std::atomic<bool> running{false};
    std::atomic<int> told{0};
    std::atomic<JobEnd> end{JobEnd::completed};
    runtime::JobId id;
  };

  void hold(std::size_t most, int jobs) {
    make_runtime(6, 30s);
    crew_ = pool().make_crew(most);
    for (int i = 0; i < jobs; ++i) submit(crew_);
  }
  Held& submit(std::shared_ptr<BlockingPool::Crew> crew) {
    const auto held = std::make_shared<Held>();
    jobs_.push_back(held);
    held->id = pool().submit(
        [held] {
          held->running = true;
          held->go.wait();
        },
        [held](JobEnd end) {
          held->end = end;
          ++held->told;
        },
        std::move(crew));
    return *held;
  }
  Held& job(std::size_t i) { return *jobs_[i]; }
  bool runs(std::size_t i) {
    return wait_for(30s, [&] { return job(i).running.load(); });
  }
  bool told(std::size_t i) {
    return wait_for(30s, [&] { return job(i).told == 1; });
  }
  void TearDown() override {
    for (const auto& each : jobs_) each->go.open();
    crew_.reset();
    BlockingPoolTest::TearDown();
  }

  std::shared_ptr<BlockingPool::Crew> crew_;
  std::vector<std::shared_ptr<Held>> jobs_;
};

TEST_F(BlockingPoolCrewTest, SoManyRunAtTheSameTimeAndOthersPassThem) {
  hold(2, 4);
  submit({});
  ASSERT_TRUE(runs(0) && runs(1) && runs(4));
  EXPECT_TRUE(pool().kept_back(job(2).id));
  EXPECT_TRUE(pool().kept_back(job(3).id));
  EXPECT_FALSE(pool().kept_back(job(0).id));
  EXPECT_FALSE(pool().kept_back(job(4).id));
  EXPECT_EQ(pool().waiting(), 0U);
  EXPECT_EQ(pool().threads(), 3U) << "those that are kept back need no thread";
  job(1).go.open();
  ASSERT_TRUE(runs(2));
  EXPECT_FALSE(pool().kept_back(job(2).id));
  EXPECT_TRUE(pool().kept_back(job(3).id));
  EXPECT_FALSE(job(3).running);
}

TEST_F(BlockingPoolCrewTest, WhatIsKeptBackCanBeWithdrawn) {
  hold(1, 3);
  ASSERT_TRUE(runs(0));
  EXPECT_TRUE(pool().withdraw(job(1).id));
  ASSERT_TRUE(told(1));
  EXPECT_EQ(job(1).end, JobEnd::withdrawn);
  EXPECT_FALSE(pool().withdraw(job(1).id)) << "once";
  job(0).go.open();
  EXPECT_TRUE(runs(2));
  EXPECT_FALSE(job(1).running);
}

TEST_F(BlockingPoolCrewTest, WhoIsWithdrawnBeforeAThreadWasFreeLeavesHisPlace) {
  make_runtime(1, 30s);
  crew_ = pool().make_crew(1);
  submit({});
  ASSERT_TRUE(runs(0));
  submit(crew_);
  submit(crew_);
  EXPECT_FALSE(pool().kept_back(job(1).id)) << "it waits for a thread";
  EXPECT_TRUE(pool().kept_back(job(2).id));
  EXPECT_TRUE(pool().withdraw(job(1).id));
  EXPECT_FALSE(pool().kept_back(job(2).id));
  EXPECT_EQ(pool().waiting(), 1U);
  job(0).go.open();
  EXPECT_TRUE(runs(2));
}

TEST_F(BlockingPoolCrewTest, OneThatIsGivenUpMakesRoomForAnother) {
  hold(1, 2);
  ASSERT_TRUE(runs(0));
  pool().leave_crew(job(0).id);
  ASSERT_TRUE(runs(1));
  submit(crew_);
  EXPECT_TRUE(pool().kept_back(job(2).id));
  job(0).go.open();
  ASSERT_TRUE(told(0));
  EXPECT_TRUE(pool().kept_back(job(2).id)) << "its end makes no further room";
  pool().leave_crew(job(2).id);
  EXPECT_TRUE(pool().kept_back(job(2).id)) << "only one that runs can leave";
}

TEST_F(BlockingPoolCrewTest, MoreMayRunFromNowOn) {
  hold(1, 3);
  ASSERT_TRUE(runs(0));
  pool().set_most(*crew_, 3);
  EXPECT_TRUE(runs(1) && runs(2));
}

TEST_F(BlockingPoolCrewTest, ShutdownCancelsWhatIsKeptBack) {
  hold(1, 2);
  ASSERT_TRUE(runs(0));
  std::thread ender([this] { runtime_.reset(); });
  EXPECT_TRUE(told(1));
  EXPECT_EQ(job(1).end, JobEnd::cancelled);
  job(0).go.open();
  ender.join();
  EXPECT_FALSE(job(1).running);
  EXPECT_EQ(job(0).end, JobEnd::completed);
}

TEST_F(BlockingPoolTest, ShutdownAbandonsWhatDoesNotEndInTime) {
  make_runtime(2, 20ms);
  struct Shared {
    Gate running, release;
    std::atomic<bool> ended{false};
  };
  const auto shared = std::make_shared<Shared>();
  std::vector<JobEnd> ends;
  pool().submit(
      [shared] {
        shared->running.open();
        shared->release.wait();
        shared->ended = true;
      },
      [&](JobEnd end) { ends.push_back(end); });
  ASSERT_TRUE(shared->running.wait());
  runtime_.reset();
  EXPECT_EQ(ends, std::vector{JobEnd::abandoned});
  EXPECT_FALSE(shared->ended);
  shared->release.open();
  // The thread that was left to itself still ends and frees what it holds.
  EXPECT_TRUE(wait_for(30s, [&] { return shared.use_count() == 1; }));
}

TEST_F(BlockingPoolTest, TheJobIsDestroyedOnTheBlockingThread) {
  struct NotesThread {
    explicit NotesThread(std::thread::id* where) : destroyed_on(where) {}
    ~NotesThread() { *destroyed_on = std::this_thread::get_id(); }
    std::thread::id* destroyed_on;
  };
  std::thread::id destroyed_on;
  std::thread::id ran_on;
  Gate told;
  // The only owner, so nobody else can be the last one.
  pool().submit([noted = std::make_shared<NotesThread>(&destroyed_on),
                 &ran_on] { ran_on = std::this_thread::get_id(); },
                [&](JobEnd) { told.open(); });
  ASSERT_TRUE(told.wait());
  EXPECT_EQ(destroyed_on, ran_on);
}

}  // namespace
}  // namespace mx_rmq::test
