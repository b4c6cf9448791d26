#include <algorithm>
#include <utility>

#include "broker/data/history.hpp"
#include "worker/runner.hpp"
#include "worker/runner_seat.hpp"

// What becomes of a message when its run has ended, and of all of them when the queue stops.
namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;

namespace {

std::string in_ms(std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; }

// Enters the run that has just ended, and says in the last error what the reason alone does not.
void enter(broker::History& history, const Verdict& verdict, const Outcome& outcome,
           std::int64_t began_at, std::int64_t now) {
  if (outcome.kind != Outcome::Kind::interrupted) {
    std::string error = outcome.error;
    if (std::string_view(verdict.reason) == "expired")
      error = "no retry: in " + in_ms(verdict.delay) +
              " the message will have expired; the attempt ended with: " + error;
    broker::add_failure(history, std::move(error), began_at, now);
    return;
  }
  broker::add_interruption(history, began_at);
  if (verdict.kind == Verdict::Kind::dead)
    history.last_error = "interrupted by a stop of its queue " +
                         std::to_string(history.interruptions) +
                         " times, the last time with: " + outcome.error;
}

}  // namespace

bool Runner::settle_unfit(const std::shared_ptr<Delivery>& delivery, std::int64_t now) {
  Topic& topic = *shared_.topics[delivery->topic];
  if (!delivery->view) {
    Settlement settlement;
    settlement.delivery = delivery;
    settlement.kind = Settlement::Kind::dead;
    settlement.member = broker::undecodable_member(topic.consumer->name(), delivery->tag);
    broker::History history;
    history.last_error = "not an envelope of this version";
    settlement.text = broker::dead_line(
        "decode", broker::encode_history(history, shared_.config.max_error_bytes));
    log::warn(topic.outcome_gate, "an envelope cannot be read; it goes to the dead letters",
              "topic", topic.name, "id", settlement.member);
    if (!shared_.config.enable_dead_letter) {
      settlement.kind = Settlement::Kind::ack;
      settlement.ack = broker::AckKind::discarded;
    }
    topic.consumer->settle(std::move(settlement));
    return true;
  }
  if (delivery->view->expire_at > now) return false;
  expire(delivery);
  return true;
}

void Runner::expire(const std::shared_ptr<Delivery>& delivery) {
  const broker::EnvelopeView& view = *delivery->view;
  dead(delivery, "expired", broker::parse_history(view.history).value_or(broker::History()),
       view.attempts);
}

void Runner::dead(const std::shared_ptr<Delivery>& delivery, const char* reason,
                  broker::History history, int failures) {
  Topic& topic = *shared_.topics[delivery->topic];
  const bool expired = std::string_view(reason) == "expired";
  const bool kept =
      shared_.config.enable_dead_letter && (!expired || shared_.config.dead_letter_expired);
  Settlement settlement;
  settlement.delivery = delivery;
  if (kept) {
    history.failures = failures;
    history.max_retries = topic.policy.max_retries;
    history.retry_delays = topic.policy.retry_delays;
    settlement.kind = Settlement::Kind::dead;
    settlement.text =
        broker::dead_line(reason, broker::encode_history(history, shared_.config.max_error_bytes));
  } else {
    settlement.ack = expired ? broker::AckKind::expired_discarded : broker::AckKind::discarded;
  }
  log::warn(topic.outcome_gate, kept ? "dead letter" : "dropped, as configured", "topic",
            topic.name, "id", delivery->view->id, "reason", reason, "attempts", failures);
  topic.consumer->settle(std::move(settlement));
}

void Runner::conclude(const std::shared_ptr<Run>& run, const Outcome& outcome) {
  const auto& delivery = run->delivery;
  Topic& topic = *shared_.topics[delivery->topic];
  const TimePoint now = shared_.loop.now();
  has_begun(*run);  // for when it did
  topic.times.add(now - delivery->started);
  if (delivery->state != Delivery::State::running) return;  // lost: not ours to settle
  if (run->job && run->expired) {
    expire(delivery);
    return;
  }
  Outcome counted = outcome;
  const bool failed =
      outcome.kind == Outcome::Kind::failed || outcome.kind == Outcome::Kind::retry_after;
  if (interrupting_ && failed) counted.kind = Outcome::Kind::interrupted;
  const broker::EnvelopeView& view = *delivery->view;
  broker::History history = broker::parse_history(view.history).value_or(broker::History());
  const Past past{view.attempts, history.interruptions, view.expire_at};
  const std::int64_t server_now = std::max(shared_.server_at(now), delivery->started_ms);
  const Verdict verdict = decide(topic.policy, counted, past, server_now);
  if (verdict.kind == Verdict::Kind::ack) {
    shared_.completed.add(now, 1);
    Settlement settlement;
    settlement.delivery = delivery;
    topic.consumer->settle(std::move(settlement));
    return;
  }
  const int failures = view.attempts + (counted.kind == Outcome::Kind::interrupted ? 0 : 1);
  enter(history, verdict, counted, delivery->started_ms, server_now);
  if (verdict.kind == Verdict::Kind::dead) {
    dead(delivery, verdict.reason, std::move(history), failures);
    return;
  }
  log::debug(verdict.kind == Verdict::Kind::retry ? "attempt failed" : "attempt interrupted",
             "topic", topic.name, "id", view.id, "attempt", run->attempt, "retry_in", verdict.delay,
             "error", outcome.error);
  const std::string text = broker::encode_history(history, shared_.config.max_error_bytes);
  broker::EnvelopeView next = view;
  next.attempts = failures;
  next.history = text;
  Settlement settlement;
  settlement.delivery = delivery;
  settlement.text = broker::encode_head(next);
  settlement.delay = verdict.delay;
  settlement.kind =
      verdict.kind == Verdict::Kind::retry ? Settlement::Kind::retry : Settlement::Kind::release;
  topic.consumer->settle(std::move(settlement));
}

void Runner::ended(const std::shared_ptr<Seat>& seat) {
  Topic& topic = *shared_.topics[seat->run->delivery->topic];
  if (--topic.running == 0) ++shared_.resting;
  seat->run->over = true;
  seat->spare = std::move(seat->run);
  runs_[seat->place] = std::move(runs_.back());
  runs_[seat->place]->place = seat->place;
  runs_.pop_back();
  shared_.active.store(runs_.size(), std::memory_order_relaxed);
  if (runs_.empty()) none_runs_.set();
  wake();  // a topic at its bound may go on
  shared_.work();
}

// --- the end ---

void Runner::release_unstarted() { give_back(std::nullopt, {}); }

void Runner::release(std::shared_ptr<Delivery> delivery) {
  Consumer& consumer = *shared_.topics[delivery->topic]->consumer;
  Settlement settlement;
  settlement.delivery = std::move(delivery);
  settlement.kind = Settlement::Kind::release;
  consumer.settle(std::move(settlement));
}

Task<bool> Runner::wait_idle(TimePoint deadline) {
  const bool waits = interrupting_ || !hurried_;
  if (!runs_.empty() && waits) co_await none_runs_.wait_until(deadline);
  co_return runs_.empty();
}

void Runner::hurry() {
  hurried_ = true;
  none_runs_.set();  // who waits goes on
  if (!runs_.empty()) none_runs_.reset();
}

void Runner::interrupt() {
  interrupting_ = true;
  // The callbacks of one may end others.
  std::vector<std::shared_ptr<Delivery>> running;
  for (const auto& seat : runs_) running.push_back(seat->run->delivery);
  for (const auto& delivery : running) delivery->stop.request_stop();
}

void Runner::abandon() {
  finishing_ = true;
  const auto running = runs_;
  for (const auto& seat : running) {
    const std::shared_ptr<Run> run = seat->run;
    if (withdraw(*run)) continue;  // it never began
    log::warn("a handler was still running when the queue stopped; its message is given back",
              "topic", shared_.topics[run->delivery->topic]->name, "id", run->message.id, "attempt",
              run->attempt);
    Outcome interrupted;
    interrupted.kind = Outcome::Kind::interrupted;
    interrupted.error = "the handler had not ended";
    give_up(seat, std::move(interrupted));
  }
}

Task<> Runner::finish() {
  finishing_ = true;
  if (asked_) shared_.loop.blocking_pool()->withdraw(asked_);
  if (ask_again_) shared_.loop.cancel(ask_again_);
  for (const auto& seat : idle_) seat->wake.set();
  idle_.clear();
  if (seats_ > 0) co_await seats_left_.wait();
}

void Runner::check() {
  const TimePoint now = shared_.loop.now();
  for (const auto& seat : runs_) {
    const auto& run = seat->run;
    if (!run || !has_begun(*run) || run->delivery->state != Delivery::State::running) continue;
    const Duration took = now - run->delivery->started;
    const Duration left = run->due() - now;
    if (left < took / 4)
      log::warn("a handler is close to its deadline", "topic",
                shared_.topics[run->delivery->topic]->name, "id", run->message.id, "attempt",
                run->attempt, "running_ms", took, "left_ms", left);
  }
  const auto zombies = shared_.zombies.load(std::memory_order_relaxed);
  if (zombies > 0)
    log::warn("handlers that were given up at their deadline are still running", "count", zombies);
}

}  // namespace mx_rmq::worker
