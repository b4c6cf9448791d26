#include "mx_rmq/async.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "mx_rmq/log.hpp"

#include "loop_test.hpp"
#include "runtime/event.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::Event;

class Async : public LoopTest {
 protected:
  void SetUp() override {
    set_log_sink([this](LogLevel level, std::string_view line) {
      if (level < LogLevel::warn) return;
      const std::lock_guard lock(lines_mutex_);
      lines_.emplace_back(line);
    });
  }
  void TearDown() override {
    LoopTest::TearDown();
    set_log_sink({});
    EXPECT_EQ(take_lines(), std::vector<std::string>{}) << "each is expected by its test";
  }
  std::vector<std::string> take_lines() {
    const std::lock_guard lock(lines_mutex_);
    return std::exchange(lines_, {});
  }
  bool said(const std::string& text) {
    bool found = false;
    wait_for(30s, [&] {
      for (const auto& line : take_lines()) found |= line.find(text) != std::string::npos;
      return found;
    });
    return found;
  }

 private:
  std::mutex lines_mutex_;
  std::vector<std::string> lines_;
};

Task<int> now(int value) { co_return value; }
Task<int> later(int value) {
  co_await sleep_for(1ms);
  co_return value;
}
Task<> fails(const char* what) {
  co_await sleep_for(1ms);
  throw std::runtime_error(what);
}
Task<int> fails_at_once() {
  throw std::runtime_error("at once");
  co_return 0;
}
Task<std::unique_ptr<int>> owned(int value) {
  co_await sleep_for(1us);
  co_return std::make_unique<int>(value);
}

// --- when_all ---

Task<std::vector<int>> all_of(int tasks) {
  std::vector<Task<int>> list;
  for (int i = 0; i < tasks; ++i) list.push_back(i % 2 == 0 ? now(i) : later(i));
  auto all = when_all(std::move(list));
  co_return co_await std::move(all);
}

TEST_F(Async, WhenAllGivesTheResultsInTheOrderOfTheTasks) {
  const auto results = run(all_of(1000));
  ASSERT_EQ(results.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(run(all_of(0)).size(), 0U);
  EXPECT_EQ(sync_wait(all_of(10)).size(), 10U) << "from a plain thread";
}

TEST_F(Async, WhenAllRunsTheTasksSideBySide) {
  Event go(loop());
  int begun = 0;
  const auto wait = [](Event* event, int* count) -> Task<> {
    ++*count;
    co_await event->wait();
  };
  const auto open = [](Event* event, int* count) -> Task<> {
    EXPECT_EQ(*count, 3);
    event->set();
    co_return;
  };
  std::vector<Task<>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(wait(&go, &begun));
  tasks.push_back(open(&go, &begun));
  run(when_all(std::move(tasks)));
  EXPECT_EQ(begun, 3);
}

Task<> counts(std::atomic<int>* ended, std::chrono::milliseconds pause) {
  co_await sleep_for(pause);
  ++*ended;
}

TEST_F(Async, WhenAllThrowsTheFirstErrorAfterAllHaveEnded) {
  std::atomic<int> ended{0};
  std::vector<Task<>> tasks;
  tasks.push_back(counts(&ended, 20ms));
  tasks.push_back(fails("first"));
  tasks.push_back(counts(&ended, 10ms));
  try {
    run(when_all(std::move(tasks)));
    FAIL() << "no error";
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "first");
  }
  EXPECT_EQ(ended, 2);
}

TEST_F(Async, WhenAllTakesTasksOfDifferentTypes) {
  auto [number, owner, nothing] = run(when_all(later(1), owned(2), sleep_for(1us)));
  EXPECT_EQ(number, 1);
  EXPECT_EQ(*owner, 2);
  EXPECT_EQ(nothing, std::monostate{});
  EXPECT_THROW(run(when_all(later(1), fails("one of three"), now(3))), std::runtime_error);
  EXPECT_THROW(run(when_all(fails_at_once(), now(3))), std::runtime_error);
}

TEST_F(Async, AnEmptyTaskIsAnErrorOfTheWaitAndTheOthersRun) {
  std::atomic<int> ended{0};
  std::vector<Task<>> tasks;
  tasks.emplace_back();
  tasks.push_back(counts(&ended, 1ms));
  EXPECT_THROW(run(when_all(std::move(tasks))), std::logic_error);
  EXPECT_EQ(ended, 1);
}

TEST_F(Async, TasksOfAWhenAllMayEndOnManyThreads) {
  const auto blocking = [](int i) -> Task<int> {
    auto call = run_blocking([i] { return i; });
    const int value = co_await std::move(call);
    co_return value;
  };
  const auto elsewhere = [](int i) -> Task<int> {
    auto task = from_callback<int>([i](Completion<int> done) {
      std::thread([done = std::move(done), i] { done(i); }).detach();
    });
    co_return co_await std::move(task);
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 8; ++i) tasks.push_back(i % 2 == 0 ? blocking(i) : elsewhere(i));
    const auto results = sync_wait(when_all(std::move(tasks)));
    for (int i = 0; i < 8; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
  }
}

// --- when_any ---

Task<int> after(Event* event, int value) {
  co_await event->wait();
  co_return value;
}

TEST_F(Async, WhenAnyGivesTheFirstAndTheOthersGoOn) {
  Event never(loop());
  std::vector<Task<int>> tasks;
  tasks.push_back(after(&never, 1));
  tasks.push_back(later(2));
  tasks.push_back(after(&never, 3));
  const First<int> first = run(when_any(std::move(tasks)));
  EXPECT_EQ(first.index, 1U);
  EXPECT_EQ(first.value, 2);
  EXPECT_GT(runtime::live_frames(), frames_before_);
  call([&] { never.set(); });
  EXPECT_TRUE(wait_for(30s, [&] { return runtime::live_frames() == frames_before_; }));
}

TEST_F(Async, WhenAnyThrowsTheErrorOfTheFirstAndLogsThoseOfTheOthers) {
  Event go(loop());
  const auto fails_after = [](Event* event) -> Task<> {
    co_await event->wait();
    throw std::runtime_error("too late");
  };
  std::vector<Task<>> tasks;
  tasks.push_back(fails_after(&go));
  tasks.push_back(fails("sooner"));
  EXPECT_THROW(run(when_any(std::move(tasks))), std::runtime_error);
  call([&] { go.set(); });
  EXPECT_TRUE(said("too late"));
  EXPECT_THROW(run(when_any(std::vector<Task<>>())), std::invalid_argument);
}

Task<int> until_token(std::stop_token token, int value, std::atomic<int>* stopped) {
  try {
    auto sleep = stoppable(sleep_for(1h), token);
    co_await std::move(sleep);
  } catch (const Stopped&) {
    ++*stopped;
  }
  co_return value;
}

TEST_F(Async, WhenAnyOfTasksWithATokenStopsTheOthersAndWaitsForThem) {
  std::atomic<int> stopped{0};
  std::vector<std::function<Task<int>(std::stop_token)>> makers;
  makers.emplace_back([&](std::stop_token token) { return until_token(token, 1, &stopped); });
  makers.emplace_back([](std::stop_token) { return later(2); });
  makers.emplace_back([&](std::stop_token token) { return until_token(token, 3, &stopped); });
  const First<int> first = run(when_any<int>(std::move(makers)));
  EXPECT_EQ(first.index, 1U);
  EXPECT_EQ(first.value, 2);
  EXPECT_EQ(stopped, 2);
}

// --- stoppable ---

TEST_F(Async, AStoppableWaitEndsWithItsTask) {
  std::stop_source source;
  EXPECT_EQ(run(stoppable(later(1), source.get_token())), 1);
  EXPECT_EQ(run(stoppable(now(2), source.get_token())), 2);
  EXPECT_THROW(run(stoppable(fails("itself"), source.get_token())), std::runtime_error);
  source.request_stop();
}

TEST_F(Async, AStoppableWaitEndsWhenItsTokenFiresAndTheTaskGoesOn) {
  Event go(loop());
  std::atomic<bool> began{false};
  std::atomic<int> ended{0};
  const auto work = [](Event* event, std::atomic<bool>* flag,
                       std::atomic<int>* count) -> Task<int> {
    *flag = true;
    co_await event->wait();
    co_return ++*count;
  };
  std::stop_source source;
  auto future =
      to_future(runtime::on_loop(loop(), stoppable(work(&go, &began, &ended), source.get_token())));
  ASSERT_TRUE(wait_for(30s, [&] { return began.load(); }));
  source.request_stop();
  EXPECT_THROW(future.get(), Stopped);
  EXPECT_EQ(ended, 0);
  call([&] { go.set(); });
  EXPECT_TRUE(wait_for(30s, [&] { return ended == 1; }));
}

TEST_F(Async, ATaskWhoseTokenHasFiredIsNotBegun) {
  std::stop_source source;
  source.request_stop();
  std::atomic<int> ended{0};
  EXPECT_THROW(run(stoppable(counts(&ended, 0ms), source.get_token())), Stopped);
  EXPECT_EQ(ended, 0);
}

TEST_F(Async, StoppingWhileTheTaskEndsIsOneOrTheOther) {
  for (int i = 0; i < 300; ++i) {
    std::stop_source source;
    auto future = to_future(stoppable(sleep_for(100us), source.get_token()));
    std::this_thread::sleep_for(std::chrono::microseconds(i));
    source.request_stop();
    try {
      future.get();
    } catch (const Stopped&) {
    }
  }
  EXPECT_TRUE(wait_for(30s, [&] { return runtime::live_frames() == frames_before_; }))
      << "the sleeps went on to their end";
}

// --- spawn, to_future ---

TEST_F(Async, SpawnTellsHowTheTaskEnded) {
  Gate ended;
  std::exception_ptr error;
  spawn(fails("spawned"), [&](std::exception_ptr how) {
    error = std::move(how);
    ended.open();
  });
  ASSERT_TRUE(ended.wait());
  EXPECT_EQ(text_of(error), "spawned");
  Gate well;
  spawn(sleep_for(1us), [&](std::exception_ptr how) {
    EXPECT_EQ(how, nullptr);
    well.open();
  });
  EXPECT_TRUE(well.wait());
}

TEST_F(Async, AnErrorOfASpawnedTaskThatNobodyTakesIsLogged) {
  spawn(fails("nobody takes this"));
  EXPECT_TRUE(said("nobody takes this"));
  spawn(sleep_for(1us), [](std::exception_ptr) { throw std::runtime_error("thrown by done"); });
  EXPECT_TRUE(said("thrown by done"));
  EXPECT_THROW(spawn(Task<>()), std::logic_error);
}

TEST_F(Async, AFutureGetsTheResultOrTheException) {
  EXPECT_EQ(to_future(later(7)).get(), 7);
  EXPECT_EQ(*to_future(owned(8)).get(), 8);
  EXPECT_NO_THROW(to_future(sleep_for(1us)).get());
  EXPECT_THROW(to_future(fails("in the future")).get(), std::runtime_error);
  EXPECT_THROW(to_future(Task<int>()), std::logic_error);
}

// --- from_callback ---

TEST_F(Async, ACallbackEndsTheWaitOnItsThread) {
  std::optional<Completion<std::string>> kept;
  std::thread::id went_on;
  const auto wait = [](std::optional<Completion<std::string>>* keep,
                       std::thread::id* id) -> Task<std::string> {
    auto task = from_callback<std::string>(
        [keep](const Completion<std::string>& done) { keep->emplace(done); });
    std::string text = co_await std::move(task);
    *id = std::this_thread::get_id();
    co_return text;
  };
  auto future = to_future(wait(&kept, &went_on));  // it waits when this returns
  std::thread::id called;
  std::thread([&] {
    called = std::this_thread::get_id();
    EXPECT_TRUE((*kept)("called back"));
  }).join();
  EXPECT_EQ(future.get(), "called back");
  EXPECT_EQ(went_on, called);
}

TEST_F(Async, ACallbackInsideTheCallIsTaken) {
  EXPECT_EQ(run(from_callback<int>([](const Completion<int>& done) { done(3); })), 3);
  EXPECT_NO_THROW(run(from_callback<void>([](const Completion<void>& done) { done(); })));
}

TEST_F(Async, ACallbackCountsOnce) {
  int taken = 0;
  const auto start = [&taken](const Completion<int>& done) {
    taken += done(1);
    taken += done(2);
    taken += done.fail(std::make_exception_ptr(std::runtime_error("third")));
  };
  EXPECT_EQ(run(from_callback<int>(start)), 1);
  EXPECT_EQ(taken, 1);
}

TEST_F(Async, ACallbackMayFailAndACompletionThatIsDroppedDoes) {
  const auto fail = [](const Completion<int>& done) {
    done.fail(std::make_exception_ptr(std::runtime_error("refused")));
  };
  EXPECT_THROW(run(from_callback<int>(fail)), std::runtime_error);
  EXPECT_THROW(run(from_callback<int>([](const Completion<int>&) {})), std::logic_error);
  const auto throws = [](const Completion<int>&) { throw std::runtime_error("cannot start"); };
  EXPECT_THROW(run(from_callback<int>(throws)), std::runtime_error);
}

}  // namespace
}  // namespace mx_rmq::test
