#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "worker/runner.hpp"
#include "worker/runner_seat.hpp"

// Handlers that block: a run waits for a blocking thread, and begins when it has one.
namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::JobEnd;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// After the system refused a thread it is asked again so soon.
constexpr Duration kAskAgain = 1s;

}  // namespace

// False if the handler was not called, and is not any more.
Task<bool> Runner::call_on_thread(std::shared_ptr<Run> run) {
  runtime::OneShot<JobEnd> ended(shared_.loop);
  if (!submit(run, &ended)) co_return false;
  const JobEnd end = co_await ended.wait();
  if (end == JobEnd::abandoned)
    throw ShutdownError("mx_rmq: the Runtime ended and a blocking handler still runs");
  co_return !withdraw(*run) && has_begun(*run);
}

bool Runner::submit(const std::shared_ptr<Run>& run, runtime::OneShot<JobEnd>* ended) {
  Topic& topic = *shared_.topics[run->delivery->topic];
  // All that the job needs is its own: it may outlive the queue.
  auto job = [run, handler = topic.handler.plain, submitted = run->delivery->started,
              timeout = Duration(topic.policy.timeout),
              waiting = shared_.threadless] { run->call(handler, submitted, timeout, *waiting); };
  shared_.threadless->fetch_add(1, std::memory_order_relaxed);
  std::string why;
  try {
    run->job = shared_.loop.blocking_pool()->submit(std::move(job),
                                                    [ended](JobEnd end) { ended->complete(end); });
    return true;
  } catch (const std::system_error& error) {
    why = error.what();
  } catch (const ShutdownError& error) {
    why = error.what();
  }
  shared_.threadless->fetch_sub(1, std::memory_order_relaxed);
  log::warn(topic.outcome_gate, "there is no blocking thread", "topic", topic.name, "why", why);
  starve(topic, run->delivery);
  return false;
}

// Whether its handler has been called. Brings the delivery up to date: a blocking thread cannot.
bool Runner::has_begun(Run& run) {
  Delivery& delivery = *run.delivery;
  if (!run.job) return delivery.state != Delivery::State::queued;
  const auto began = run.began.load(std::memory_order_acquire);
  if (began <= 0) return false;
  if (delivery.state == Delivery::State::queued) {
    const TimePoint at{Duration(began)};
    delivery.state = Delivery::State::running;
    delivery.started_ms +=
        std::chrono::duration_cast<std::chrono::milliseconds>(at - delivery.started).count();
    delivery.started = at;
  }
  return true;
}

// True if it waited for a blocking thread: its handler will not be called, and it ends by itself.
bool Runner::withdraw(Run& run) {
  if (!run.job) return false;
  Duration::rep still_waits = 0;
  if (!run.began.compare_exchange_strong(still_waits, Run::never, std::memory_order_acq_rel))
    return still_waits == Run::never;
  shared_.threadless->fetch_sub(1, std::memory_order_relaxed);
  static_cast<void>(shared_.loop.blocking_pool()->withdraw(run.job));  // or its thread sees it
  return true;
}

// Gives back what has not started, of one topic or of all, and `items`.
void Runner::give_back(std::optional<std::size_t> topic,
                       std::vector<std::shared_ptr<Delivery>> items) {
  auto queued =
      topic
          ? shared_.queue.take_if([id = *topic](const Delivery& each) { return each.topic == id; })
          : shared_.queue.take_all();
  shared_.note_queue();
  std::ranges::move(queued, std::back_inserter(items));
  for (const auto& seat : runs_) {
    const auto& delivery = seat->run->delivery;
    if ((!topic || delivery->topic == *topic) && withdraw(*seat->run)) items.push_back(delivery);
  }
  // Each goes to the head of its list, so the newest first.
  std::ranges::stable_sort(items, [](const auto& a, const auto& b) { return a->tag > b->tag; });
  for (auto& item : items) {
    if (item->state == Delivery::State::queued) release(std::move(item));
  }
}

void Runner::starve(Topic& topic, std::shared_ptr<Delivery> waited) {
  if (!topic.starved)
    log::warn("no blocking thread came free in time; messages are given back until one does",
              "topic", topic.name, "threads", shared_.loop.blocking_pool()->max_threads(), "waited",
              topic.policy.timeout);
  topic.starved = true;
  std::vector<std::shared_ptr<Delivery>> items;
  items.push_back(std::move(waited));
  give_back(topic.id, std::move(items));
  ask_for_thread();
}

// A job that does nothing takes its turn among the others.
void Runner::ask_for_thread() {
  if (asked_ || ask_again_ || shared_.stopping) return;
  try {
    asked_ = shared_.loop.blocking_pool()->submit([] {},
                                                  [this, weak = keep_](JobEnd end) {
                                                    const auto alive = weak.lock();
                                                    if (!alive) return;
                                                    asked_ = {};
                                                    if (end == JobEnd::completed) thread_came();
                                                  });
  } catch (const std::system_error&) {
    ask_again_ = shared_.loop.call_at(shared_.loop.now() + kAskAgain, [this, weak = keep_] {
      const auto alive = weak.lock();
      if (!alive) return;
      ask_again_ = {};
      thread_came();
    });
  }
}

void Runner::thread_came() {
  for (const auto& topic : shared_.topics) {
    if (!std::exchange(topic->starved, false)) continue;
    log::info("there is a blocking thread again", "topic", topic->name);
    shared_.want(*topic);
  }
  shared_.work();
}

std::string Runner::trouble() const {
  const std::size_t threads = shared_.loop.blocking_pool()->max_threads();
  const std::string busy = "all " + std::to_string(threads) + " blocking threads are busy";
  for (const auto& topic : shared_.topics) {
    if (topic->starved)
      return busy + ": messages of topic " + topic->name + " got none within " +
             std::to_string(topic->policy.timeout.count()) + " ms and are given back";
  }
  if (hung_ >= threads) return busy + " with handlers that were given up at their deadline";
  return {};
}

}  // namespace mx_rmq::worker
