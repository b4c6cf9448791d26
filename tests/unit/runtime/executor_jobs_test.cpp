#include "runtime/executor_jobs.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "mx_rmq/errors.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::ExecutorJobs;
using runtime::JobEnd;
using runtime::JobId;

/// An executor whose work runs when the test says so.
class Later {
 public:
  ExecutorJobs::Executor executor() {
    return [this](std::function<void()> work) {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
    };
  }
  /// Empty if there is none.
  std::function<void()> take() {
    const std::lock_guard lock(mutex_);
    if (work_.empty()) return {};
    auto first = std::move(work_.front());
    work_.pop_front();
    return first;
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return work_.size();
  }

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> work_;
};

class ExecutorJobsTest : public LoopTest {
 protected:
  void make(ExecutorJobs::Executor executor) {
    jobs_ = call([&] { return std::make_unique<ExecutorJobs>(loop(), std::move(executor)); });
  }
  JobId submit(ExecutorJobs::Job job) {
    return call([&] {
      return jobs_->submit(std::move(job), [this](JobEnd end) {
        EXPECT_NE(runtime::EventLoop::current(), nullptr);
        const std::lock_guard lock(mutex_);
        ends_.push_back(end);
      });
    });
  }
  std::vector<JobEnd> ends() {
    const std::lock_guard lock(mutex_);
    return ends_;
  }
  bool told(std::size_t count) {
    return wait_for(30s, [&] { return ends().size() == count; });
  }

  Later later_;
  std::unique_ptr<ExecutorJobs> jobs_;

 private:
  std::mutex mutex_;
  std::vector<JobEnd> ends_;
};

TEST_F(ExecutorJobsTest, AJobRunsWhereTheExecutorRunsItAndTheLoopIsTold) {
  make(later_.executor());
  std::thread::id ran_on;
  submit([&] { ran_on = std::this_thread::get_id(); });
  EXPECT_TRUE(ends().empty());
  later_.take()();
  ASSERT_TRUE(told(1));
  EXPECT_EQ(ends()[0], JobEnd::completed);
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(ExecutorJobsTest, WorkThatIsCalledTwiceRunsOnce) {
  make(later_.executor());
  int runs = 0;
  submit([&] { ++runs; });
  const auto work = later_.take();
  const auto copy = work;
  work();
  copy();
  work();
  ASSERT_TRUE(told(1));
  EXPECT_EQ(runs, 1);
}

TEST_F(ExecutorJobsTest, WorkThatIsDroppedIsCancelled) {
  make(later_.executor());
  submit([] { ADD_FAILURE() << "it was dropped"; });
  static_cast<void>(later_.take());
  ASSERT_TRUE(told(1));
  EXPECT_EQ(ends()[0], JobEnd::cancelled);
}

TEST_F(ExecutorJobsTest, WhatIsWithdrawnIsDestroyedAtOnceAndItsWorkDoesNothing) {
  make(later_.executor());
  const auto owned = std::make_shared<int>(1);
  const JobId id = submit([owned] { ADD_FAILURE() << "it was withdrawn"; });
  EXPECT_TRUE(call([&] { return jobs_->withdraw(id); }));
  EXPECT_EQ(owned.use_count(), 1);
  ASSERT_TRUE(told(1));
  EXPECT_EQ(ends()[0], JobEnd::withdrawn);
  later_.take()();
  EXPECT_FALSE(call([&] { return jobs_->withdraw(id); }));
  EXPECT_EQ(ends().size(), 1U);
}

TEST_F(ExecutorJobsTest, WhatHasBegunCannotBeWithdrawn) {
  make(later_.executor());
  Gate begun;
  Gate end;
  const JobId id = submit([&] {
    begun.open();
    end.wait();
  });
  std::thread other(later_.take());
  ASSERT_TRUE(begun.wait());
  EXPECT_FALSE(call([&] { return jobs_->withdraw(id); }));
  end.open();
  other.join();
  ASSERT_TRUE(told(1));
  EXPECT_EQ(ends()[0], JobEnd::completed);
}

TEST_F(ExecutorJobsTest, WhatTheExecutorThrowsIsThrownAndNobodyIsTold) {
  make([](const std::function<void()>&) { throw std::runtime_error("full"); });
  EXPECT_THROW(submit([] {}), std::runtime_error);
  EXPECT_TRUE(call([&] { return ends().empty(); }));
}

TEST_F(ExecutorJobsTest, AnExecutorMayRunItAtOnce) {
  make([](const std::function<void()>& work) { work(); });
  bool ran = false;
  submit([&] { ran = true; });
  EXPECT_TRUE(ran);
  ASSERT_TRUE(told(1));
  EXPECT_EQ(ends()[0], JobEnd::completed);
}

TEST_F(ExecutorJobsTest, ShutdownTellsWhatIsUnderWayAndWorkMayComeLate) {
  make(later_.executor());
  Gate begun;
  Gate end;
  std::atomic<int> runs{0};
  submit([&] {
    begun.open();
    end.wait();
    ++runs;
  });
  submit([&] { ++runs; });
  std::thread other(later_.take());
  ASSERT_TRUE(begun.wait());
  runtime_.reset();
  EXPECT_EQ(ends(), (std::vector{JobEnd::abandoned, JobEnd::cancelled}));
  end.open();
  other.join();
  later_.take()();
  jobs_.reset();
  EXPECT_EQ(runs, 1);
}

TEST_F(ExecutorJobsTest, ManyThreadsAndJobsEachToldOnce) {
  constexpr int count = 2'000;
  make(later_.executor());
  std::atomic<int> runs{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!over) {
        if (const auto work = later_.take()) work();
        std::this_thread::yield();
      }
    });
  }
  call([&] {
    for (int i = 0; i < count; ++i) {
      const JobId id = jobs_->submit([&] { ++runs; }, [&](JobEnd) {});
      if (i % 3 == 0) jobs_->withdraw(id);
    }
    return 0;
  });
  EXPECT_TRUE(wait_for(30s, [&] { return later_.size() == 0; }));
  over = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GE(runs, count * 2 / 3 - 1);
  EXPECT_LE(runs, count);
}

}  // namespace
}  // namespace mx_rmq::test
