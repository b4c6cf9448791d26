#include "worker/runner.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "api/payload.hpp"
#include "broker/data/history.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "worker/runner_seat.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// So many messages are begun before what they have led to leaves, so that Redis works on that while the
// next ones are handled.
constexpr int kTurn = 128;

// A run that ends this soon after its stop token fired still counts with its own outcome.
Duration grace(std::chrono::milliseconds timeout) {
  return std::min<Duration>(100ms, Duration(timeout) / 10);
}

Outcome outcome_of(Outcome::Kind kind, std::string error) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.error = std::move(error);
  return outcome;
}

Outcome outcome_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Reject& e) {
    return outcome_of(Outcome::Kind::rejected, e.what());
  } catch (const RetryAfter& e) {
    Outcome outcome = outcome_of(Outcome::Kind::retry_after, e.what());
    outcome.delay = e.delay();
    return outcome;
  } catch (const detail::PayloadDecodeError& e) {
    return outcome_of(Outcome::Kind::undecodable, e.what());
  } catch (const std::exception& e) {
    return outcome_of(Outcome::Kind::failed, e.what());
  } catch (...) {
    return outcome_of(Outcome::Kind::failed,
                      "the handler threw something that is no std::exception");
  }
}

}  // namespace

Runner::Runner(Shared& shared)
    : shared_(shared), none_runs_(shared.loop), seats_left_(shared.loop) {
  none_runs_.set();
  runtime::EventLoop* const loop = &shared.loop;
  scope_ = std::make_unique<runtime::Scope>(
      shared.loop, [loop](std::exception_ptr error) { loop->report(std::move(error)); });
}

Runner::~Runner() = default;

void Runner::start(std::shared_ptr<void> keep) {
  keep_ = keep;
  for (int i = 0; i < shared_.config.max_workers; ++i) add_seat();
}

void Runner::add_seat() {
  ++seats_;
  seats_left_.reset();
  scope_->spawn(work(std::make_shared<Seat>(shared_.loop), keep_.lock()));
}

void Runner::wake() {
  if (idle_.empty() || woken_ > 0 || resting_) return;
  ++woken_;
  idle_.back()->wake.set();
  idle_.pop_back();
}

bool Runner::turn_is_over() {
  if (drain_ != shared_.loop.drains()) {
    drain_ = shared_.loop.drains();
    taken_ = 0;
  }
  return taken_ >= kTurn;
}

bool Runner::may_run(std::size_t id) const {
  const Topic& topic = *shared_.topics[id];
  if (topic.max_concurrency != 0 && topic.running >= topic.max_concurrency) return false;
  // The last free worker is kept while there is a topic of which nothing runs, so that slow ones
  // cannot occupy them all while another one waits.
  const auto workers = static_cast<std::size_t>(shared_.config.max_workers);
  if (workers <= 2 || topic.running == 0 || runs_.size() + 1 < workers) return true;
  return shared_.resting == 0;
}

std::shared_ptr<Delivery> Runner::next() {
  if (shared_.stopping) return nullptr;
  // While the messages of a topic end at once, the turn of the loop is its own: acknowledged together they
  // cost one call.
  std::optional<std::size_t> again;
  if (taken_ > 0 && shared_.topics[last_]->running == 0) again = last_;
  auto delivery = shared_.queue.pop([this](std::size_t topic) { return may_run(topic); }, again);
  if (delivery) last_ = delivery->topic;
  shared_.note_queue();
  return delivery;
}

Task<> Runner::work(std::shared_ptr<Seat> seat, std::shared_ptr<void> keep) {
  while (!seat->zombie && !finishing_) {
    const bool over = turn_is_over();
    if (over && !resting_) {
      resting_ = true;
      co_await shared_.loop.next_turn();
      resting_ = false;
      continue;
    }
    std::shared_ptr<Delivery> delivery;
    if (!over) delivery = next();
    if (!delivery) {
      seat->wake.reset();
      idle_.push_back(seat);
      co_await seat->wake.wait();
      if (woken_ > 0) --woken_;  // finish() wakes all at once
      continue;
    }
    ++taken_;
    if (shared_.queue.size() > 0) wake();
    shared_.work();  // there is room again
    co_await run_one(seat, std::move(delivery));
    if (seat->spare_is_free()) seat->spare->clear();
  }
  if (seat->zombie) {
    shared_.zombies.fetch_sub(1, std::memory_order_relaxed);
    if (seat->on_thread) --hung_;
  } else {
    if (seat->timer) shared_.loop.cancel(seat->timer);
    if (--seats_ == 0) seats_left_.set();
  }
  // What a zombie refers to goes after its frame has.
  shared_.loop.defer([keep = std::move(keep)] {});
}

void Runner::begin(const std::shared_ptr<Seat>& seat, std::shared_ptr<Delivery> delivery) {
  Topic& topic = *shared_.topics[delivery->topic];
  if (seat->spare_is_free()) {
    seat->run = std::move(seat->spare);
  } else {
    seat->run = std::make_shared<Run>(shared_.loop);
  }
  seat->run->begin(std::move(delivery));
  seat->warned = false;
  seat->place = runs_.size();
  runs_.push_back(seat);
  none_runs_.reset();
  if (topic.running++ == 0) --shared_.resting;
  shared_.active.store(runs_.size(), std::memory_order_relaxed);
}

Task<> Runner::run_one(std::shared_ptr<Seat> seat, std::shared_ptr<Delivery> delivery) {
  Topic& topic = *shared_.topics[delivery->topic];
  begin(seat, delivery);
  const std::shared_ptr<Run> run = seat->run;
  TimePoint now = shared_.loop.now();
  bool fit = true;
  if (!topic.consumer->lease_lasts(now)) {
    fit = co_await topic.consumer->confirm_lease(delivery);
    now = shared_.loop.now();
  }
  if (run->over) co_return;  // given up while it waited, and released
  if (!fit || delivery->state == Delivery::State::gone || shared_.stopping) {
    // Lost, or stopping: it never started.
    if (delivery->state == Delivery::State::queued) release(delivery);
    ended(seat);
    co_return;
  }
  if (!prepare(seat, now)) {
    ended(seat);
    co_return;
  }
  std::exception_ptr error;
  if (topic.handler.blocking) {
    const bool called = co_await call_on_thread(run);
    if (run->over) co_return;
    if (!called) {
      if (delivery->state == Delivery::State::queued) release(delivery);
      ended(seat);
      co_return;
    }
    error = std::move(run->error);
  } else {
    try {
      co_await call(run, &topic.handler);
    } catch (...) {
      error = std::current_exception();
    }
    co_await shared_.loop.back();  // what the handler awaited may have taken it to any thread
    if (run->over) co_return;      // it was given up meanwhile: its outcome is decided
  }
  conclude(run, error ? outcome_of(error) : Outcome());
  ended(seat);
}

// False: it was settled, there is nothing to run.
bool Runner::prepare(const std::shared_ptr<Seat>& seat, TimePoint now) {
  const std::shared_ptr<Run>& run = seat->run;
  const std::shared_ptr<Delivery>& delivery = run->delivery;
  Topic& topic = *shared_.topics[delivery->topic];
  // Two estimates of one clock: nothing starts before it was produced.
  delivery->started_ms = shared_.server_at(now);
  if (delivery->view)
    delivery->started_ms = std::max(delivery->started_ms, delivery->view->created_at);
  if (settle_unfit(delivery, delivery->started_ms)) return false;
  // On a blocking thread it begins when that is free.
  if (!topic.handler.blocking) delivery->state = Delivery::State::running;
  delivery->started = now;
  run->attempt = delivery->view->attempts + 1;
  run->max_attempts = topic.policy.max_retries + 1;
  const TimePoint due = now + Duration(topic.policy.timeout);
  run->deadline.store(due.time_since_epoch().count(), std::memory_order_relaxed);
  describe(run->message, topic.name, *delivery, topic.policy);
  arm_deadline(seat);
  return true;
}

Task<> Runner::call(std::shared_ptr<Run> run, const detail::ErasedHandler* handler) {
  auto context = context_of(run);
  run->message.payload = api::decode_payload(run->delivery->view->payload);
  return handler->coroutine(std::move(context));
}

// --- deadlines: one timer a seat, looked at again when it fires early ---

void Runner::arm_deadline(const std::shared_ptr<Seat>& seat) {
  TimePoint due = seat->run->due();
  if (seat->warned) due += grace(shared_.topics[seat->run->delivery->topic]->policy.timeout);
  if (seat->timer) {
    if (seat->timer_due <= due) return;
    shared_.loop.cancel(seat->timer);
  }
  seat->timer_due = due;
  seat->timer = shared_.loop.call_at(due, [this, weak = std::weak_ptr<Seat>(seat)] {
    if (const auto still = weak.lock()) on_deadline(still);
  });
}

void Runner::on_deadline(const std::shared_ptr<Seat>& seat) {
  seat->timer = {};
  const std::shared_ptr<Run> run = seat->run;
  if (!run || run->over) return;
  Topic& topic = *shared_.topics[run->delivery->topic];
  const bool begun = has_begun(*run);
  // An earlier run's timer may fire while this one still waits for its lease: it has no deadline yet.
  if (!begun && !run->job) return;
  // One whose message was lost meanwhile is given up like any other.
  if (shared_.loop.now() < run->due()) {
    arm_deadline(seat);
    return;
  }
  if (!begun) {
    // No thread came free in all the time that the run itself may take: others may have one.
    if (withdraw(*run)) {
      starve(topic, run->delivery);
    } else {
      arm_deadline(seat);  // it begins at this moment
    }
    return;
  }
  if (!seat->warned) {
    seat->warned = true;
    arm_deadline(seat);
    run->delivery->stop
        .request_stop();  // last: its callbacks may resume the handler, which then ends
    return;
  }
  const auto timeout = topic.policy.timeout;
  log::warn(topic.outcome_gate, "a handler had not ended at its deadline", "topic", topic.name,
            "id", run->message.id, "attempt", run->attempt, "timeout", timeout);
  give_up(seat, outcome_of(Outcome::Kind::failed, "the handler had not ended after " +
                                                      std::to_string(timeout.count()) + " ms"));
}

void Runner::give_up(const std::shared_ptr<Seat>& seat, Outcome outcome) {
  const std::shared_ptr<Run> run = seat->run;
  has_begun(*run);
  seat->zombie = true;
  if (seat->timer) shared_.loop.cancel(seat->timer);
  seat->timer = {};
  shared_.zombies.fetch_add(1, std::memory_order_relaxed);
  seat->on_thread = static_cast<bool>(run->job);
  if (seat->on_thread) ++hung_;
  --seats_;
  if (run->delivery->state == Delivery::State::queued) {
    release(run->delivery);  // it waited for its lease to be confirmed
  } else {
    conclude(run, outcome);
  }
  ended(seat);
  if (!finishing_) add_seat();
  if (seats_ == 0) seats_left_.set();
}

void Runner::lost(const std::shared_ptr<Delivery>& delivery) {
  // A run that goes on keeps its seat until it ends or its deadline comes; its stop token fires.
  for (const auto& seat : runs_)
    if (seat->run->delivery == delivery) withdraw(*seat->run);
  log::debug("the run of a lost message does not count", "topic",
             shared_.topics[delivery->topic]->name, "id",
             delivery->view ? delivery->view->id : std::string_view("?"));
}

}  // namespace mx_rmq::worker
