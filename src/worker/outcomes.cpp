#include "worker/outcomes.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/planted.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::TimePoint;

namespace {

std::string in_ms(std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; }

broker::History history_of(const broker::EnvelopeView& view) {
  return broker::parse_history(view.history).value_or(broker::History());
}

// Enters the run that has just ended, and says in the last error what the reason alone does not.
void enter(broker::History& history, const Decision& decision, const Outcome& outcome,
           std::int64_t began_at, std::int64_t now) {
  if (outcome.kind != Outcome::Kind::interrupted) {
    std::string error = outcome.error;
    std::string why = decision.why;
    if (std::string_view(decision.reason) == "expired")
      why = "in " + in_ms(decision.delay) + " the message will have expired";
    if (!why.empty()) error = "no retry: " + why + "; the attempt ended with: " + error;
    broker::add_failure(history, std::move(error), began_at, now);
    return;
  }
  broker::add_interruption(history, began_at);
  if (decision.ending == Ending::dead)
    history.last_error = "interrupted by a stop of its queue " +
                         std::to_string(history.interruptions) +
                         " times, the last time with: " + outcome.error;
}

// Drawn only where it decides something.
double chance_for(Source& source) {
  if (source.topic.policy.retry_policy.rules().jitter == Jitter::none) return 0;
  constexpr int bits = 53;  // of a double
  return std::ldexp(static_cast<double>(source.broker.route().rng().next() >> (64 - bits)), -bits);
}

}  // namespace

Outcomes::Outcomes(runtime::EventLoop& loop, const MQConfig& config)
    : loop_(loop), config_(config) {
  completed_.start(loop.now());
}

void Outcomes::add([[maybe_unused]] const Topic& topic) {
  assert(topic.id == records_.size() && "topics are added in order");
  records_.emplace_back();
}

bool Outcomes::settle_unfit(const std::shared_ptr<Delivery>& delivery, std::int64_t now) {
  if (!delivery->view) {
    settle_unreadable(delivery);
    return true;
  }
  if (delivery->view->expire_at > now || MX_RMQ_PLANTED("starts_what_has_expired")) return false;
  expire(delivery);
  return true;
}

void Outcomes::settle_unreadable(const std::shared_ptr<Delivery>& delivery) {
  Source& source = *delivery->source;
  Settlement settlement;
  settlement.delivery = delivery;
  settlement.ending = Ending::dead;
  settlement.member = broker::undecodable_member(source.consumer.name(), delivery->tag);
  broker::History history;
  history.last_error = "not an envelope of this version";
  settlement.text =
      broker::dead_line("decode", broker::encode_history(history, config_.max_error_bytes));
  log::warn(gate(source.topic), "an envelope cannot be read; it goes to the dead letters", "topic",
            source.topic.name, "id", settlement.member);
  if (!config_.enable_dead_letter) {
    settlement.ending = Ending::ack;
    settlement.ack = broker::AckKind::discarded;
  }
  source.consumer.settle(std::move(settlement));
}

void Outcomes::release(std::shared_ptr<Delivery> delivery) {
  Consumer& consumer = delivery->source->consumer;
  Settlement settlement;
  settlement.delivery = std::move(delivery);
  settlement.ending = Ending::release;
  consumer.settle(std::move(settlement));
}

// A dead letter "expired", without having begun.
void Outcomes::expire(const std::shared_ptr<Delivery>& delivery) {
  const broker::EnvelopeView& view = *delivery->view;
  make_dead(delivery, "expired", history_of(view), view.attempts);
}

void Outcomes::make_dead(const std::shared_ptr<Delivery>& delivery, const char* reason,
                         broker::History history, int failures) {
  Source& source = *delivery->source;
  const bool expired = std::string_view(reason) == "expired";
  const bool kept = config_.enable_dead_letter && (!expired || config_.dead_letter_expired);
  Settlement settlement;
  settlement.delivery = delivery;
  if (kept) {
    history.failures = failures;
    history.max_retries = source.topic.policy.max_retries;
    history.retry_delays = listed_delays(source.topic.policy);
    settlement.ending = Ending::dead;
    settlement.text =
        broker::dead_line(reason, broker::encode_history(history, config_.max_error_bytes));
  } else {
    settlement.ack = expired ? broker::AckKind::expired_discarded : broker::AckKind::discarded;
  }
  log::warn(gate(source.topic), kept ? "dead letter" : "dropped, as configured", "topic",
            source.topic.name, "id", delivery->view->id, "reason", reason, "attempts", failures);
  source.consumer.settle(std::move(settlement));
}

// Of retried and recovered ones nobody knows since when they have been waiting.
void Outcomes::measure(const Delivery& delivery, Outcome::Kind kind, runtime::Duration took) {
  Record& record = of(delivery.source->topic);
  record.times.add(took);
  record.runs[static_cast<std::size_t>(kind)].add(took);
  const broker::EnvelopeView& view = *delivery.view;
  if (view.attempts > 0 || view.recoveries > 0 || !view.history.empty()) return;
  record.waits.add(std::chrono::milliseconds(delivery.started_ms - (view.expire_at - view.ttl)));
}

void Outcomes::conclude(Run& run, const Outcome& outcome) {
  const auto& delivery = run.delivery;
  Source& source = *delivery->source;
  const TimePoint now = loop_.now();
  run.has_begun();  // for when it did
  Outcome counted = outcome;
  const bool failed =
      outcome.kind == Outcome::Kind::failed || outcome.kind == Outcome::Kind::retry_after;
  if (interrupting_ && failed) counted.kind = Outcome::Kind::interrupted;
  measure(*delivery, counted.kind, now - delivery->started);
  if (delivery->state != Delivery::State::running) return;  // lost: not ours to settle
  if (run.job && run.expired) {
    expire(delivery);
    return;
  }
  const broker::EnvelopeView& view = *delivery->view;
  broker::History history = history_of(view);
  const Past past{view.attempts, history.interruptions, view.expire_at,
                  broker::first_began(history, view.attempts).value_or(delivery->started_ms)};
  const std::int64_t server_now = std::max(source.broker.clock().at_ms(now), delivery->started_ms);
  const Decision decision =
      decide(source.topic.policy, counted, past, server_now, chance_for(source));
  if (!decision.trouble.empty())
    log::warn(gate(source.topic), "the retry policy's function threw; retry_delays count instead",
              "topic", source.topic.name, "id", view.id, "error", decision.trouble);
  if (decision.ending == Ending::ack || MX_RMQ_PLANTED("acknowledges_failures")) {
    completed_.add(now, 1);
    Settlement settlement;
    settlement.delivery = delivery;
    source.consumer.settle(std::move(settlement));
    return;
  }
  const bool attempted = counted.kind != Outcome::Kind::interrupted ||
                         MX_RMQ_PLANTED("counts_interruptions_as_attempts");
  const int failures = view.attempts + (attempted ? 1 : 0);
  enter(history, decision, counted, delivery->started_ms, server_now);
  if (decision.ending == Ending::dead) {
    make_dead(delivery, decision.reason, std::move(history), failures);
    return;
  }
  log::debug(decision.ending == Ending::retry ? "attempt failed" : "attempt interrupted", "topic",
             source.topic.name, "id", view.id, "attempt", run.attempt, "retry_in", decision.delay,
             "error", outcome.error);
  go_round_again(run, decision, history, failures);
}

// A retry, or a release of one that was interrupted: with another head.
void Outcomes::go_round_again(const Run& run, const Decision& decision,
                              const broker::History& history, int failures) {
  const std::string text = broker::encode_history(history, config_.max_error_bytes);
  broker::EnvelopeView next = *run.delivery->view;
  if (!MX_RMQ_PLANTED("forgets_the_attempts")) next.attempts = failures;
  next.history = text;
  Settlement settlement;
  settlement.delivery = run.delivery;
  settlement.ending = decision.ending;
  settlement.text = broker::encode_head(next);
  settlement.delay = decision.delay;
  run.delivery->source->consumer.settle(std::move(settlement));
}

}  // namespace mx_rmq::worker
