#include "runtime/loop_watch.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sys/stat.h>

#include "mx_rmq/errors.hpp"

#include "runtime/blocking_pool.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

class LoopWatchTest : public LoopTest {};

long threads() {
  struct stat tasks {};
  EXPECT_EQ(::stat("/proc/self/task", &tasks), 0);
  return static_cast<long>(tasks.st_nlink) - 2;
}

Task<bool> ask(runtime::EventLoop* loop, std::atomic<bool>* on_loop) {
  const bool stalled = co_await loop->watch()->ask();
  *on_loop = loop->on_loop_thread();
  co_return stalled;
}

TEST_F(LoopWatchTest, ALoopThatTurnsAnswersOnItsThread) {
  for (int i = 0; i < 100; ++i) {
    std::atomic<bool> on_loop{false};
    EXPECT_FALSE(sync_wait(ask(&loop(), &on_loop)));
    EXPECT_TRUE(on_loop);
  }
  std::atomic<bool> on_loop{false};
  EXPECT_FALSE(run(ask(&loop(), &on_loop))) << "asked on the loop thread itself";
}

TEST_F(LoopWatchTest, ALoopThatDoesNotTurnIsNoticedByAllWhoAskAtOnce) {
  Gate go;
  loop().post([&go] { go.wait(); });
  std::atomic<int> stalled{0};
  std::atomic<int> on_the_loop{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      std::atomic<bool> on_loop{false};
      if (sync_wait(ask(&loop(), &on_loop))) ++stalled;
      if (on_loop) ++on_the_loop;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(stalled, 20);
  EXPECT_EQ(on_the_loop, 0);
  go.open();
  std::atomic<bool> on_loop{false};
  EXPECT_FALSE(sync_wait(ask(&loop(), &on_loop)));
}

TEST_F(LoopWatchTest, ABusyBlockingPoolChangesNothingAndStaysAsItIs) {
  RuntimeOptions options;
  options.blocking_threads = 2;
  runtime_ = std::make_unique<Runtime>(options);
  Gate release;
  std::atomic<int> done{0};
  for (int i = 0; i < 5; ++i)
    runtime_->blocking_pool().submit([&release] { release.wait(); },
                                     [&done](runtime::JobEnd) { ++done; });
  for (int i = 0; i < 50; ++i) {
    std::atomic<bool> on_loop{false};
    EXPECT_FALSE(sync_wait(ask(&loop(), &on_loop)));
  }
  EXPECT_EQ(runtime_->blocking_pool().max_threads(), 2U);
  EXPECT_EQ(runtime_->blocking_pool().threads(), 2U);
  release.open();
  EXPECT_TRUE(wait_for(30s, [&] { return done == 5; }));
}

// While it lives no thread can be started: none has room for so large a stack.
class NoThreads {
 public:
  NoThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 46);
    ::pthread_setattr_default_np(&huge);
    ::pthread_attr_destroy(&huge);
  }
  ~NoThreads() { ::pthread_setattr_default_np(&before_); }

 private:
  pthread_attr_t before_;
};

TEST_F(LoopWatchTest, WithoutAThreadItStillAnswers) {
  const NoThreads none;
  ASSERT_THROW(std::thread([] {}), std::system_error);
  std::atomic<bool> on_loop{false};
  EXPECT_FALSE(sync_wait(ask(&loop(), &on_loop)));
  EXPECT_TRUE(on_loop);
  const auto go = std::make_shared<Gate>();
  loop().post([go] { go->wait(); });
  EXPECT_TRUE(
      wait_for(30s, [&] { return runtime_->stalled_for() > runtime::LoopWatch::patience; }));
  EXPECT_TRUE(sync_wait(ask(&loop(), &on_loop)));
  EXPECT_FALSE(on_loop);
  go->open();
}

Task<> ask_and_drop(runtime::EventLoop* loop, std::unique_ptr<Runtime> runtime, Gate* dropped) {
  const bool stalled = co_await loop->watch()->ask();
  EXPECT_TRUE(stalled);
  runtime.reset();
  dropped->open();
}

TEST_F(LoopWatchTest, ARuntimeMayBeDestroyedOnTheWatchingThread) {
  const long before = threads();
  auto runtime = std::make_unique<Runtime>();
  runtime::EventLoop* const other = &runtime->event_loop();
  const auto go = std::make_shared<Gate>();
  other->post([go] { go->wait(); });
  Gate dropped;
  sync_wait(ask_and_drop(other, std::move(runtime), &dropped));
  EXPECT_TRUE(dropped.wait());
  go->open();
  EXPECT_TRUE(wait_for(30s, [&] { return threads() <= before; })) << "it ends by itself";
}

}  // namespace
}  // namespace mx_rmq::test
