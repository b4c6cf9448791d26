#include "worker/blocking_runs.hpp"

#include <cassert>
#include <exception>
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

BlockingRuns::Record::Record(const Topic& of, runtime::EventLoop& loop) : topic(of) {
  if (of.executor) executor.emplace(loop, of.executor);
}

void BlockingRuns::add(const Topic& topic) {
  assert(topic.id == records_.size() && "topics are added in order");
  Record& record = records_.emplace_back(topic, loop_);
  if (topic.handler.blocking && !record.executor)
    record.crew = loop_.blocking_pool()->make_crew(most_at_work_);
}

void BlockingRuns::set_most_at_work(std::size_t most) {
  most_at_work_ = most;
  for (auto& record : records_)
    if (record.crew) loop_.blocking_pool()->set_most(*record.crew, most);
}

bool BlockingRuns::kept_back(const Run& run) const {
  return run.job && keeps_back(run.delivery->source->topic) &&
         loop_.blocking_pool()->kept_back(run.job);
}

void BlockingRuns::add(Source& source) { records_[source.topic.id].sources.push_back(&source); }

Task<BlockingRuns::End> BlockingRuns::call(std::shared_ptr<Run> run) {
  runtime::OneShot<JobEnd> ended(loop_);
  if (!submit_run(run, &ended)) co_return End::no_thread;
  const JobEnd end = co_await ended.wait();
  if (end == JobEnd::abandoned)
    throw ShutdownError("mx_rmq: the Runtime ended and a blocking handler still runs");
  const bool called = !withdraw(*run) && run->has_begun();
  // The pool cancels at the end only, an executor that drops its work whenever it likes.
  if (!called && end == JobEnd::cancelled && record_of(*run).executor) co_return End::no_thread;
  co_return called ? End::called : End::withdrawn;
}

runtime::JobId BlockingRuns::submit(Record& record, runtime::BlockingPool::Job job,
                                    runtime::BlockingPool::Done done,
                                    std::shared_ptr<runtime::BlockingPool::Crew> crew) {
  if (record.executor) return record.executor->submit(std::move(job), std::move(done));
  return loop_.blocking_pool()->submit(std::move(job), std::move(done), std::move(crew));
}

void BlockingRuns::take_back(Record& record, runtime::JobId job) {
  // If it has begun meanwhile, that is seen where it runs.
  if (record.executor) {
    static_cast<void>(record.executor->withdraw(job));
  } else {
    static_cast<void>(loop_.blocking_pool()->withdraw(job));
  }
}

bool BlockingRuns::submit_run(const std::shared_ptr<Run>& run, runtime::OneShot<JobEnd>* ended) {
  Record& record = record_of(*run);
  const Topic& topic = record.topic;
  // All that the job needs is its own: it may outlive the queue.
  auto job = [run, handler = topic.handler.plain, submitted = run->delivery->started,
              timeout = Duration(topic.policy.timeout),
              waiting = waiting_] { run->call(handler, submitted, timeout, *waiting); };
  waiting_->fetch_add(1, std::memory_order_relaxed);
  Counted waits(waiting_.get());
  std::string why;
  try {
    run->job = submit(
        record, std::move(job), [ended](JobEnd end) { ended->complete(end); }, record.crew);
    static_cast<void>(waits.release());  // whoever begins or withdraws the run takes it off
    return true;
  } catch (const std::exception& error) {
    why = error.what();
  } catch (...) {
    why = "the executor threw something that is no std::exception";
  }
  log::warn(record.gate, "there is no thread for a handler that blocks", "topic", topic.name, "why",
            why);
  return false;
}

bool BlockingRuns::withdraw(Run& run) {
  if (!run.job) return false;
  Duration::rep still_waits = 0;
  if (!run.began.compare_exchange_strong(still_waits, Run::never, std::memory_order_acq_rel))
    return still_waits == Run::never;
  waiting_->fetch_sub(1, std::memory_order_relaxed);
  take_back(record_of(run), run.job);
  return true;
}

Counted BlockingRuns::count_hung(const Run& run) {
  Record& record = record_of(run);
  if (record.crew) loop_.blocking_pool()->leave_crew(run.job);
  return record.executor ? Counted() : count_in(hung_);
}

void BlockingRuns::starve(const Topic& topic) {
  Record& record = records_[topic.id];
  if (!std::exchange(record.starved, true)) {
    if (record.executor) {
      log::warn("the executor did not run messages in time; they are given back until it does",
                "topic", topic.name, "waited", topic.policy.timeout);
    } else {
      log::warn("no blocking thread came free in time; messages are given back until one does",
                "topic", topic.name, "threads", loop_.blocking_pool()->max_threads(), "waited",
                topic.policy.timeout);
    }
  }
  ask_for_thread(record);
}

// A job that does nothing takes its turn among the others.
void BlockingRuns::ask_for_thread(Record& record) {
  Question& question = question_of(record);
  if (question.job || question.again || stopped_ || loop_.stopping()) return;
  try {
    question.job = submit(
        record, [] {},
        [this, &record, weak = keep_](JobEnd end) {
          const auto alive = weak.lock();
          if (!alive) return;
          question_of(record).job = {};
          if (end == JobEnd::completed) thread_came(record);
          if (end == JobEnd::cancelled && !stopped_ && !loop_.stopping()) ask_later(record);
        });
  } catch (...) {
    ask_later(record);  // it will be no better now, perhaps then
  }
}

void BlockingRuns::ask_later(Record& record) {
  question_of(record).again =
      loop_.call_at(loop_.now() + ask_again_after, [this, &record, weak = keep_] {
        const auto alive = weak.lock();
        if (!alive) return;
        question_of(record).again = {};
        thread_came(record);
      });
}

// For all that wait for the same threads.
void BlockingRuns::thread_came(const Record& record) {
  for (auto& each : records_) {
    const bool concerned = record.executor ? &each == &record : !each.executor;
    if (!concerned || !std::exchange(each.starved, false)) continue;
    log::info("there is a thread again for handlers that block", "topic", each.topic.name);
    for (const Source* source : each.sources) claimer_.want(*source);
  }
}

std::size_t BlockingRuns::waiting() const noexcept {
  const std::int64_t waiting = waiting_->load(std::memory_order_relaxed);
  return waiting > 0 ? static_cast<std::size_t>(waiting) : 0;
}

std::string BlockingRuns::trouble() const {
  const std::size_t threads = loop_.blocking_pool()->max_threads();
  const std::string all_busy = "all " + std::to_string(threads) + " blocking threads are busy";
  for (const auto& record : records_) {
    if (!record.starved) continue;
    const Topic& topic = record.topic;
    const std::string busy =
        record.executor ? "the executor of topic " + topic.name + " does not keep up" : all_busy;
    return busy + ": messages of topic " + topic.name + " got none within " +
           std::to_string(topic.policy.timeout.count()) + " ms and are given back";
  }
  if (hung_.load() >= static_cast<std::int64_t>(threads))
    return all_busy + " with handlers that were given up at their deadline";
  return {};
}

void BlockingRuns::stop() {
  stopped_ = true;
  for (auto& record : records_) {
    Question& question = question_of(record);
    if (question.job) take_back(record, question.job);
    if (question.again) loop_.cancel(question.again);
    question = Question();
  }
}

}  // namespace mx_rmq::worker
