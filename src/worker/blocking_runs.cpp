#include "worker/blocking_runs.hpp"

#include <cassert>
#include <system_error>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "worker/claimer.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::JobEnd;
using namespace std::chrono_literals;

namespace {

// After the system refused a thread it is asked again so soon.
constexpr Duration ask_again_after = 1s;

}  // namespace

BlockingRuns::BlockingRuns(runtime::EventLoop& loop, Claimer& claimer)
    : loop_(loop), claimer_(claimer) {}

void BlockingRuns::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  records_.emplace_back(source);
}

Task<BlockingRuns::End> BlockingRuns::call(std::shared_ptr<Run> run) {
  runtime::OneShot<JobEnd> ended(loop_);
  if (!submit(run, &ended)) co_return End::no_thread;
  const JobEnd end = co_await ended.wait();
  if (end == JobEnd::abandoned)
    throw ShutdownError("mx_rmq: the Runtime ended and a blocking handler still runs");
  const bool called = !withdraw(*run) && run->has_begun();
  co_return called ? End::called : End::withdrawn;
}

bool BlockingRuns::submit(const std::shared_ptr<Run>& run, runtime::OneShot<JobEnd>* ended) {
  const Topic& topic = run->delivery->source->topic;
  // All that the job needs is its own: it may outlive the queue.
  auto job = [run, handler = topic.handler.plain, submitted = run->delivery->started,
              timeout = Duration(topic.policy.timeout),
              waiting = waiting_] { run->call(handler, submitted, timeout, *waiting); };
  waiting_->fetch_add(1, std::memory_order_relaxed);
  Counted waits(waiting_.get());
  std::string why;
  try {
    run->job = loop_.blocking_pool()->submit(std::move(job),
                                             [ended](JobEnd end) { ended->complete(end); });
    static_cast<void>(waits.release());  // whoever begins or withdraws the run takes it off
    return true;
  } catch (const std::system_error& error) {
    why = error.what();
  } catch (const ShutdownError& error) {
    why = error.what();
  }
  log::warn(records_[run->delivery->source->id].gate, "there is no blocking thread", "topic",
            topic.name, "why", why);
  return false;
}

bool BlockingRuns::withdraw(Run& run) {
  if (!run.job) return false;
  Duration::rep still_waits = 0;
  if (!run.began.compare_exchange_strong(still_waits, Run::never, std::memory_order_acq_rel))
    return still_waits == Run::never;
  waiting_->fetch_sub(1, std::memory_order_relaxed);
  static_cast<void>(loop_.blocking_pool()->withdraw(run.job));  // or its thread sees it
  return true;
}

void BlockingRuns::starve(Source& source) {
  Record& record = records_[source.id];
  if (!std::exchange(record.starved, true))
    log::warn("no blocking thread came free in time; messages are given back until one does",
              "topic", source.topic.name, "threads", loop_.blocking_pool()->max_threads(), "waited",
              source.topic.policy.timeout);
  ask_for_thread();
}

// A job that does nothing takes its turn among the others.
void BlockingRuns::ask_for_thread() {
  if (asked_ || ask_again_ || stopped_) return;
  try {
    asked_ = loop_.blocking_pool()->submit([] {},
                                           [this, weak = keep_](JobEnd end) {
                                             const auto alive = weak.lock();
                                             if (!alive) return;
                                             asked_ = {};
                                             if (end == JobEnd::completed) thread_came();
                                           });
  } catch (const std::system_error&) {
    ask_again_ = loop_.call_at(loop_.now() + ask_again_after, [this, weak = keep_] {
      const auto alive = weak.lock();
      if (!alive) return;
      ask_again_ = {};
      thread_came();
    });
  }
}

void BlockingRuns::thread_came() {
  for (auto& record : records_) {
    if (!std::exchange(record.starved, false)) continue;
    log::info("there is a blocking thread again", "topic", record.source.topic.name);
    claimer_.want(record.source);
  }
}

std::size_t BlockingRuns::waiting() const noexcept {
  const std::int64_t waiting = waiting_->load(std::memory_order_relaxed);
  return waiting > 0 ? static_cast<std::size_t>(waiting) : 0;
}

std::string BlockingRuns::trouble() const {
  const std::size_t threads = loop_.blocking_pool()->max_threads();
  const std::string busy = "all " + std::to_string(threads) + " blocking threads are busy";
  for (const auto& record : records_) {
    if (record.starved)
      return busy + ": messages of topic " + record.source.topic.name + " got none within " +
             std::to_string(record.source.topic.policy.timeout.count()) + " ms and are given back";
  }
  if (hung_.load() >= static_cast<std::int64_t>(threads))
    return busy + " with handlers that were given up at their deadline";
  return {};
}

void BlockingRuns::stop() {
  stopped_ = true;
  if (asked_) static_cast<void>(loop_.blocking_pool()->withdraw(asked_));
  if (ask_again_) loop_.cancel(ask_again_);
  asked_ = {};
  ask_again_ = {};
}

}  // namespace mx_rmq::worker
