#include "runtime/signal_waiter.hpp"

#include <atomic>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <unistd.h>

#include "mx_rmq/errors.hpp"

#include "runtime/scope.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::EventLoop;
using runtime::Scope;
using runtime::SignalWaiter;

class SignalWaiterTest : public LoopTest {};

void unexpected(std::exception_ptr error) { std::rethrow_exception(error); }

using Handler = void (*)(int);

Handler disposition(int signal) {
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler;
}

Task<std::optional<int>> send_and_wait(EventLoop* loop, int signal) {
  SignalWaiter waiter(*loop);
  ::kill(::getpid(), signal);
  co_return co_await waiter.wait();
}

TEST_F(SignalWaiterTest, TellsWhichSignalCame) {
  EXPECT_EQ(run(send_and_wait(&loop(), SIGINT)), SIGINT);
  EXPECT_EQ(run(send_and_wait(&loop(), SIGTERM)), SIGTERM);
}

Task<> tells_each(EventLoop* loop) {
  SignalWaiter waiter(*loop);
  const std::vector<int> sent{SIGINT, SIGTERM, SIGINT};
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ::kill(::getpid(), sent[i]);
    const std::optional<int> come = co_await waiter.wait(i + 1);
    EXPECT_EQ(come, sent[i]);
  }
  EXPECT_EQ(waiter.told(), SIGINT);
  const std::optional<int> second = co_await waiter.wait(2);
  EXPECT_EQ(second, SIGTERM) << "it is kept";
  waiter.cancel();
  const std::optional<int> fourth = co_await waiter.wait(4);
  EXPECT_EQ(fourth, std::nullopt);
}

TEST_F(SignalWaiterTest, TellsOfEachSignalInTurn) { run(tells_each(&loop())); }

void own_handler(int) {}

void two_waiters(EventLoop* loop) {
  auto first = std::make_unique<SignalWaiter>(*loop);
  {
    SignalWaiter second(*loop);
    EXPECT_NE(disposition(SIGTERM), &own_handler);
  }
  EXPECT_NE(disposition(SIGTERM), &own_handler);  // the first still watches
  first.reset();
  EXPECT_EQ(disposition(SIGTERM), &own_handler);
  EXPECT_EQ(disposition(SIGINT), SIG_DFL);
}

TEST_F(SignalWaiterTest, PutsTheProgramsOwnDispositionBack) {
  ::signal(SIGTERM, own_handler);
  call([this] {
    two_waiters(&loop());
    return 0;
  });
  ::signal(SIGTERM, SIG_DFL);
}

Task<> note(SignalWaiter* waiter, std::vector<int>* told) {
  const std::optional<int> signal = co_await waiter->wait();
  told->push_back(signal.value_or(0));
}

Task<> all_told(EventLoop* loop) {
  SignalWaiter a(*loop);
  SignalWaiter b(*loop);
  Scope scope(*loop, unexpected);
  std::vector<int> told;
  scope.spawn(note(&a, &told));
  scope.spawn(note(&b, &told));
  scope.spawn(note(&b, &told));
  ::kill(::getpid(), SIGINT);
  co_await scope.join();
  const std::vector<int> expected{SIGINT, SIGINT, SIGINT};
  EXPECT_EQ(told, expected);
}

TEST_F(SignalWaiterTest, AllWaitersAreTold) { run(all_told(&loop())); }

TEST_F(SignalWaiterTest, WaitersOnDifferentLoopsAreAllTold) {
  Runtime other;
  std::optional<SignalWaiter> a;
  std::optional<SignalWaiter> b;
  Gate ready;
  call([&] { return &a.emplace(loop()); });
  other.event_loop().post([&] {
    b.emplace(other.event_loop());
    ready.open();
  });
  ASSERT_TRUE(ready.wait());
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(run(a->wait()), SIGTERM);
  EXPECT_EQ(sync_wait(runtime::on_loop(other.event_loop(), b->wait())), SIGTERM);
  Gate gone;
  call([&] {
    a.reset();
    return 0;
  });
  other.event_loop().post([&] {
    b.reset();
    gone.open();
  });
  ASSERT_TRUE(gone.wait());
  EXPECT_EQ(disposition(SIGTERM), SIG_DFL);
}

Task<> cancelled(EventLoop* loop) {
  SignalWaiter waiter(*loop);
  loop->defer([&waiter] { waiter.cancel(); });
  const std::optional<int> signal = co_await waiter.wait();
  EXPECT_EQ(signal, std::nullopt);
}

TEST_F(SignalWaiterTest, CancelEndsTheWait) { run(cancelled(&loop())); }

Task<> wait_and_destroy(EventLoop* loop, bool* told) {
  auto waiter = std::make_unique<SignalWaiter>(*loop);
  Task<std::optional<int>> wait = waiter->wait();
  loop->defer([&waiter] { waiter.reset(); });
  try {
    co_await std::move(wait);
  } catch (const ShutdownError&) {
    *told = true;
  }
}

TEST_F(SignalWaiterTest, DestroyedWhileWaitingThrowsShutdownError) {
  bool told = false;
  run(wait_and_destroy(&loop(), &told));
  EXPECT_TRUE(told);
}

Task<> wait_for_the_end(EventLoop* loop, std::atomic<bool>* waiting) {
  SignalWaiter waiter(*loop);
  waiting->store(true);
  co_await waiter.wait();
}

TEST_F(SignalWaiterTest, TheEndOfTheRuntimeEndsTheWait) {
  std::atomic<bool> waiting{false};
  Task<> task = runtime::on_loop(loop(), wait_for_the_end(&loop(), &waiting));
  std::thread thread([&] { EXPECT_THROW(sync_wait(std::move(task)), ShutdownError); });
  EXPECT_TRUE(wait_for(30s, [&] { return waiting.load(); }));
  runtime_.reset();
  thread.join();
  EXPECT_EQ(disposition(SIGTERM), SIG_DFL);
}

}  // namespace
}  // namespace mx_rmq::test
