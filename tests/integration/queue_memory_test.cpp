// Memory that runs out for a moment, in the worker itself: what threw costs nobody more than a
// moment.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "mx_rmq/runtime.hpp"
#include "support/queue_fixture.hpp"
#include "worker/delivery.hpp"
#include "worker/run.hpp"

namespace {

// One allocation of this size fails on the loop thread: that before which so many have been made.
thread_local bool may_fail = false;
std::atomic<std::size_t> failing_size{0};
std::atomic<int> let_pass{0};
thread_local std::size_t* size_seen = nullptr;  // of the next allocation of this thread

}  // namespace

void* operator new(std::size_t size) {
  if (size_seen != nullptr) {
    *size_seen = size;
    size_seen = nullptr;
  }
  if (may_fail && size == failing_size.load() && let_pass.fetch_sub(1) == 0) {
    failing_size = 0;
    throw std::bad_alloc();
  }
  if (void* const memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace mx_rmq::test {
namespace {

// What one allocates first.
template <class Make>
std::size_t size_of(Make make) {
  std::size_t size = 0;
  size_seen = &size;
  const auto made = make();
  return size;
}

std::size_t size_of_delivery() {
  return size_of([] {
    return std::make_shared<worker::Delivery>(nullptr, 1, broker::Tag{1, 1}, std::string());
  });
}
std::size_t size_of_run() {
  const auto runtime = Runtime::shared();
  return size_of([&] { return std::make_shared<worker::Run>(runtime->event_loop()); });
}

class QueueMemory : public QueueTest {
 protected:
  static constexpr std::size_t messages = 5;

  static Task<> let_loop_fail() {
    co_await sleep_for(1us);  // goes on on the loop thread
    may_fail = true;
  }

  // All are handled though the allocation of that size after `passing` others fails.
  void handles_all(std::size_t size, int passing) {
    const std::string topic = "t" + std::to_string(size) + "-" + std::to_string(passing);
    const auto journal = std::make_shared<Journal>();
    RedisMessageQueue queue(config());
    queue.register_handler(topic, recorder(journal));
    start(queue);
    sync_wait(let_loop_fail());
    let_pass = passing;
    failing_size = size;
    // From another loop: what others allocate must not fail in the place of the worker.
    RedisMessageQueue elsewhere(config(), std::make_shared<Runtime>());
    std::vector<OutgoingMessage> batch;
    for (std::size_t i = 0; i < messages; ++i) batch.emplace_back(topic, json(i));
    sync_wait(elsewhere.produce_batch(std::move(batch)));
    // The lease is 30 s: it is not its end that mends this.
    EXPECT_TRUE(journal->wait_size(messages, 15s)) << journal->size() << " of " << topic;
    EXPECT_EQ(failing_size, 0u) << "nothing failed";
    failing_size = 0;
    produce(queue, topic, "after");
    EXPECT_TRUE(journal->wait_size(messages + 1, 15s)) << "and what comes later";
    EXPECT_TRUE(wait_drained(server(), topic));
    stop(queue);
    EXPECT_TRUE(sound(audit(server(), topic)));
    EXPECT_EQ(journal->size(), messages + 1) << "once each";
  }
};

TEST_F(QueueMemory, AClaimThatCannotBeTakenInLeavesNoTopicClaimingForEver) {
  const std::size_t size = size_of_delivery();
  handles_all(size, 0);
  handles_all(size, 3);
}

TEST_F(QueueMemory, AMessageThatCannotBeBegunIsGivenBackAndItsWorkerGoesOn) {
  handles_all(size_of_run(), 0);
}

}  // namespace
}  // namespace mx_rmq::test
