#include "runtime/loop_watch.hpp"

#include <atomic>
#include <system_error>
#include <utility>

#include "runtime/log.hpp"
#include "runtime/thread_setup.hpp"

namespace mx_rmq::runtime {

namespace {

using WatchClock = std::chrono::steady_clock;

thread_local const LoopWatch* current_watch = nullptr;

}  // namespace

/// Whoever takes it goes on with its coroutine.
struct LoopWatch::Question {
  bool take(bool stalled_now) {
    if (taken.exchange(true, std::memory_order_acq_rel)) return false;
    *stalled = stalled_now;
    return true;
  }

  std::atomic<bool> taken{false};
  std::coroutine_handle<> asker;
  bool* stalled = nullptr;  // in the asker's frame, which lives until it is resumed
  WatchClock::time_point due;
};

LoopWatch::LoopWatch(EventLoop& loop, std::string name, const sigset_t& signals)
    : loop_(loop), name_(std::move(name)), signals_(signals) {}

LoopWatch::~LoopWatch() { shutdown(); }

// Not inlined: nothing of the frame may be used once the question can be taken.
[[gnu::noinline]] bool LoopWatch::Ask::await_suspend(std::coroutine_handle<> coroutine) {
  LoopWatch& watch = watch_;
  const auto question = std::make_shared<Question>();
  question->asker = coroutine;
  question->stalled = &stalled_;
  question->due = WatchClock::now() + patience;
  if (!watch.add(question) && watch.stalled_already()) {
    stalled_ = true;
    return false;
  }
  try {
    watch.loop_.post([question] {
      if (question->take(false)) question->asker.resume();
    });
  } catch (...) {
    if (question->take(false)) throw;
  }
  return true;
}

// False if there is no thread to watch it.
bool LoopWatch::add(const std::shared_ptr<Question>& question) {
  const std::lock_guard lock(mutex_);
  if (ending_) return false;
  while (!open_.empty() && open_.front()->taken.load(std::memory_order_relaxed)) open_.pop_front();
  open_.push_back(question);
  if (thread_.joinable()) {
    if (open_.size() == 1) changed_.notify_one();
    return true;
  }
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& error) {
    open_.pop_back();
    log::warn("no thread can be started that watches the loop", "why", error.what());
    return false;
  }
  return true;
}

void LoopWatch::work() {
  current_watch = this;
  set_signal_mask(signals_);  // the thread that started this one may be a loop's
  name_this_thread(name_, "-w");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (open_.empty()) {
      changed_.wait(lock);
      continue;
    }
    if (open_.front()->taken.load(std::memory_order_relaxed)) {
      open_.pop_front();
      continue;
    }
    if (const auto due = open_.front()->due; WatchClock::now() < due) {
      changed_.wait_until(lock, due);
      continue;
    }
    const std::shared_ptr<Question> question = std::move(open_.front());
    open_.pop_front();
    lock.unlock();
    if (question->take(true)) question->asker.resume();
    lock.lock();
  }
}

void LoopWatch::shutdown() noexcept {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool LoopWatch::on_watching_thread() const noexcept { return current_watch == this; }

}  // namespace mx_rmq::runtime
