#include "mx_rmq/runtime.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/sync_wait.hpp"

#include "runtime/blocking_pool.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

// Neither opens a file: ThreadSanitizer does not see libuv close its descriptors, and would take a
// descriptor with a number that was in use before for the old one.
long open_files() {
  long count = 0;
  for (int fd = 0; fd < 1'024; ++fd) count += ::fcntl(fd, F_GETFD) == -1 ? 0 : 1;
  return count;
}
long threads() {
  struct stat tasks {};
  EXPECT_EQ(::stat("/proc/self/task", &tasks), 0);
  return static_cast<long>(tasks.st_nlink) - 2;
}

TEST(Runtime, RefusesOptionsOutOfRange) {
  RuntimeOptions options;
  options.blocking_threads = 0;
  EXPECT_THROW(Runtime{options}, std::invalid_argument);
  options = RuntimeOptions();
  options.shutdown_timeout = -1ms;
  EXPECT_THROW(Runtime{options}, std::invalid_argument);
}

TEST(Runtime, AThousandComeAndGoWithoutADescriptorOrThreadLeft) {
  Runtime().event_loop().post([] {});  // whatever is opened once
  const long files = open_files();
  const long before = threads();
  for (int i = 0; i < 1'000; ++i) {
    const Runtime runtime;
    EXPECT_FALSE(runtime.on_loop_thread());
  }
  EXPECT_EQ(open_files(), files);
  EXPECT_TRUE(wait_for(30s, [&] { return threads() <= before; }));
}

TEST(Runtime, ThreadsAreNamed) {
  RuntimeOptions options;
  options.name = "a-long-runtime-name";
  Runtime runtime(options);
  const auto name = [] {
    char text[32] = {};
    ::pthread_getname_np(::pthread_self(), text, sizeof text);
    return std::string(text);
  };
  std::string loop_name;
  Gate seen;
  runtime.event_loop().post([&] {
    loop_name = name();
    seen.open();
  });
  ASSERT_TRUE(seen.wait());
  EXPECT_EQ(loop_name, "a-long-runtime-");
  std::string pool_name;
  Gate ran;
  runtime.blocking_pool().submit([&] { pool_name = name(); }, [&](runtime::JobEnd) { ran.open(); });
  ASSERT_TRUE(ran.wait());
  EXPECT_EQ(pool_name, "a-long-runtim-b");
}

bool blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return ::sigismember(&mask, signal) == 1;
}

/// Blocks one on the calling thread while it lives.
class Blocked {
 public:
  explicit Blocked(int signal) {
    sigset_t one;
    ::sigemptyset(&one);
    ::sigaddset(&one, signal);
    ::pthread_sigmask(SIG_BLOCK, &one, &before_);
  }
  ~Blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

TEST(Runtime, ItsThreadsHaveTheSignalMaskOfWhoMadeItAndTheLoopBlocksSigpipeBesides) {
  std::unique_ptr<Runtime> runtime;
  {
    const Blocked usr1(SIGUSR1);
    runtime = std::make_unique<Runtime>();
  }
  bool on_loop = false;
  bool on_pool = false;
  bool on_inner_pool = false;
  Gate all;
  std::unique_ptr<Runtime> inner;
  runtime->event_loop().post([&] {
    on_loop = blocked(SIGPIPE) && blocked(SIGUSR1) && !blocked(SIGTERM) && !blocked(SIGCHLD);
    // The threads that a loop thread starts must not have what only that blocks.
    inner = std::make_unique<Runtime>();
    runtime->blocking_pool().submit(
        [&] { on_pool = !blocked(SIGPIPE) && blocked(SIGUSR1) && !blocked(SIGTERM); },
        [&](runtime::JobEnd) {
          inner->blocking_pool().submit(
              [&] { on_inner_pool = !blocked(SIGPIPE) && blocked(SIGUSR1) && !blocked(SIGTERM); },
              [&](runtime::JobEnd) { all.open(); });
        });
  });
  ASSERT_TRUE(all.wait());
  EXPECT_TRUE(on_loop);
  EXPECT_TRUE(on_pool);
  EXPECT_TRUE(on_inner_pool);
  EXPECT_FALSE(blocked(SIGUSR1));
}

/// How the process ends that `start` starts on the loop thread, after SIGTERM; 0 if it does not.
template <class F>
int end_of_child(Runtime& runtime, F start) {
  pid_t child = -1;
  Gate started;
  runtime.event_loop().post([&] {
    child = start();
    started.open();
  });
  if (!started.wait() || child <= 0) return 0;
  ::kill(child, SIGTERM);
  int status = 0;
  if (!wait_for(20s, [&] { return ::waitpid(child, &status, WNOHANG) == child; })) {
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return 0;
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

TEST(Runtime, AChildThatTheLoopThreadStartsHeedsSignals) {
  Runtime runtime;
  EXPECT_EQ(end_of_child(runtime,
                         [] {
                           pid_t child = -1;
                           std::string name = "sleep";
                           std::string time = "60";
                           char* const arguments[] = {name.data(), time.data(), nullptr};
                           ::posix_spawnp(&child, "sleep", nullptr, nullptr, arguments, environ);
                           return child;
                         }),
            SIGTERM);
  EXPECT_EQ(end_of_child(runtime,
                         [] {
                           const pid_t child = ::fork();
                           if (child != 0) return child;
                           if (blocked(SIGPIPE)) ::_exit(1);
                           for (;;) ::pause();
                         }),
            SIGTERM);
}

TEST(Runtime, SharedIsOneForAllThreads) {
  std::atomic<Runtime*> seen[4] = {};
  std::vector<std::thread> threads;
  for (auto& slot : seen) threads.emplace_back([&slot] { slot = Runtime::shared().get(); });
  for (auto& thread : threads) thread.join();
  for (auto& slot : seen) EXPECT_EQ(slot, Runtime::shared().get());
}

/// Released on the runtime's own loop thread.
Task<> drop_on_loop(std::unique_ptr<Runtime> runtime, Gate* dropped) {
  co_await runtime->event_loop().schedule();
  runtime.reset();
  dropped->open();
}

TEST(Runtime, DestroyedOnItsOwnLoopThreadDoesNotDeadlock) {
  { const Runtime first; }  // libuv opens two files for the whole process with its first loop
  const long files = open_files();
  const auto frames = runtime::live_frames();
  for (int i = 0; i < 20; ++i) {
    Gate dropped;
    sync_wait(drop_on_loop(std::make_unique<Runtime>(), &dropped));
    EXPECT_TRUE(dropped.wait());
  }
  EXPECT_TRUE(wait_for(30s, [&] { return open_files() == files; }));
  EXPECT_EQ(runtime::live_frames(), frames);
}

Task<> drop_on_other_loop(runtime::EventLoop* other, std::unique_ptr<Runtime> runtime,
                          bool* waited) {
  co_await other->schedule();
  const auto busy = std::make_shared<Gate>();
  runtime->blocking_pool().submit([busy] { busy->wait(); });
  const auto began = WaitClock::now();
  runtime.reset();
  *waited = WaitClock::now() - began > 5s;
  busy->open();
}

TEST(Runtime, DestroyedOnAnothersLoopThreadDoesNotHoldThatUp) {
  Runtime other;
  const long before = threads();
  bool waited = true;
  sync_wait(drop_on_other_loop(&other.event_loop(), std::make_unique<Runtime>(), &waited));
  EXPECT_FALSE(waited);
  EXPECT_TRUE(wait_for(30s, [&] { return threads() <= before; })) << "it ends by itself";
}

TEST(Runtime, DestroyedOnItsOwnBlockingThreadDoesNotDeadlock) {
  { const Runtime first; }  // a sanitizer starts a thread of its own with the first one
  const long before = threads();
  for (int i = 0; i < 20; ++i) {
    auto runtime = std::make_shared<Runtime>();
    Gate dropped;
    Gate go;
    Runtime* const raw = runtime.get();
    raw->blocking_pool().submit([held = std::move(runtime), &dropped, &go]() mutable {
      go.wait();
      held.reset();
      dropped.open();
    });
    go.open();
    EXPECT_TRUE(dropped.wait());
  }
  EXPECT_TRUE(wait_for(30s, [&] { return threads() <= before; }));
}

/// What `child` returns in a forked process, or nothing if that hangs. The loop thread of the
/// Runtime is held while the process forks: had it an allocator of a sanitizer locked at that
/// moment, the child would wait for it for ever.
template <class F>
std::optional<int> in_fork(Runtime& runtime, F child) {
  struct Gates {
    Gate held;
    Gate forked;
  };
  const auto gates = std::make_shared<Gates>();  // the loop may be the last to leave
  runtime.event_loop().post([gates] {
    gates->held.open();
    gates->forked.wait();
  });
  EXPECT_TRUE(gates->held.wait());
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(child());
  gates->forked.open();
  int status = 0;
  const bool ended = wait_for(20s, [&] { return ::waitpid(pid, &status, WNOHANG) == pid; });
  if (!ended) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
    return std::nullopt;
  }
  return WIFEXITED(status) ? std::optional(WEXITSTATUS(status)) : std::nullopt;
}

TEST(Runtime, SharedRefusesInAForkedChild) {
  EXPECT_EQ(in_fork(*Runtime::shared(),
                    [] {
                      try {
                        Runtime::shared();
                        return 1;
                      } catch (const std::logic_error&) {
                        return 42;
                      }
                    }),
            42);
}

TEST(Runtime, WaitingInAForkedChildIsRefusedInsteadOfHanging) {
  Runtime runtime;
  EXPECT_EQ(in_fork(runtime,
                    [&] {
                      try {
                        sync_wait(runtime::on_loop(runtime.event_loop(), sleep_for(1ms)));
                        return 1;
                      } catch (const std::logic_error&) {
                        return 42;
                      }
                    }),
            42);
}

TEST(Runtime, DestroyingInAForkedChildDoesNotHang) {
  auto runtime = std::make_unique<Runtime>();
  EXPECT_EQ(in_fork(*runtime,
                    [&] {
                      runtime.reset();
                      return 42;
                    }),
            42);
}

// --- the end of the process
// ------------------------------------------------------------------------- Each of these runs in a
// process of its own, started anew. It exits with another code if a lock is waited for in vain (a
// watchdog kills it) or if a sanitizer finds something.

class RuntimeAtExit : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void wait_for_ever() {
  ::alarm(20);
  for (;;) ::pause();
}

Task<> sleep_long() { co_await sleep_for(1h); }

TEST_F(RuntimeAtExit, ExitWithTheSharedRuntimeInUse) {
  EXPECT_EXIT(
      {
        ::alarm(20);
        Gate asleep;
        std::thread([&] {
          Runtime::shared()->event_loop().post([&] { asleep.open(); });
          try {
            sync_wait(sleep_long());
          } catch (const ShutdownError&) {
          } catch (const std::logic_error&) {
            // It had not begun when the program ended: it is refused then.
          }
        }).detach();
        asleep.wait();
        std::exit(42);
      },
      testing::ExitedWithCode(42), "");
}

TEST_F(RuntimeAtExit, ExitCalledOnTheLoopThread) {
  EXPECT_EXIT(
      {
        Runtime::shared()->event_loop().post([] { std::exit(42); });
        wait_for_ever();
      },
      testing::ExitedWithCode(42), "");
}

TEST_F(RuntimeAtExit, ASignalRaisedOnTheLoopThreadIsNotLost) {
  EXPECT_EXIT(
      {
        Runtime::shared()->event_loop().post([] { ::raise(SIGTERM); });
        wait_for_ever();
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST_F(RuntimeAtExit, ExitCalledOnABlockingThread) {
  EXPECT_EXIT(
      {
        Runtime::shared()->blocking_pool().submit([] { std::exit(42); });
        wait_for_ever();
      },
      testing::ExitedWithCode(42), "");
}

TEST_F(RuntimeAtExit, SharedIsRefusedAfterTheEndOfMain) {
  EXPECT_EXIT(
      {
        ::alarm(20);
        std::atexit([] {
          try {
            Runtime::shared();
          } catch (const std::logic_error&) {
            std::_Exit(42);
          }
        });
        Runtime::shared();  // after atexit(), so destroyed before that function runs
        std::exit(1);
      },
      testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace mx_rmq::test
