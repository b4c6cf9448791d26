#include "worker/retry_policy.hpp"

#include <algorithm>
#include <stdexcept>

#include "api/retry_policy.hpp"

namespace mx_rmq::worker {
namespace {

using std::chrono::milliseconds;
using Pauses = detail::RetryRules::Pauses;

Decision dead(const char* reason, const char* why = "") {
  Decision decision;
  decision.ending = Ending::dead;
  decision.reason = reason;
  decision.why = why;
  return decision;
}

// What the policy's own function says; nothing: no retry.
std::optional<milliseconds> ask(const detail::RetryRules::Function& function,
                                const Outcome& outcome, int attempt) {
  try {
    if (outcome.cause) std::rethrow_exception(outcome.cause);
  } catch (const std::exception& error) {
    return function(error, attempt);
  } catch (...) {
    // It gets the text that stands for it.
  }
  return function(std::runtime_error(outcome.error), attempt);
}

// A failed run: after which pause it is tried again, or why it is not.
Decision by_policy(const Policy& policy, const Outcome& outcome, int attempt, double chance) {
  const detail::RetryRules& rules = policy.retry_policy.rules();
  for (const auto is_of_type : rules.never)
    if (outcome.cause && is_of_type(outcome.cause))
      return dead("rejected", "an error of this type is never retried");
  Decision decision;
  decision.ending = Ending::retry;
  decision.delay = api::retry_pause(rules, policy.retry_delays, attempt);
  if (rules.pauses == Pauses::reckoned) {
    try {
      const auto said = ask(*rules.function, outcome, attempt);
      if (!said) return dead("rejected", "the retry policy's function says not to retry");
      decision.delay = api::capped(rules, *said);
    } catch (const std::exception& error) {
      decision.trouble = error.what();
    } catch (...) {
      decision.trouble = "something that is no std::exception";
    }
  }
  decision.delay = api::spread(rules.jitter, decision.delay, chance);
  return decision;
}

}  // namespace

const std::vector<milliseconds>& listed_delays(const Policy& policy) {
  static const std::vector<milliseconds> none;
  const bool listed = policy.retry_policy.rules().pauses == Pauses::listed;
  return listed ? policy.retry_delays : none;
}

Decision decide(const Policy& policy, const Outcome& outcome, const Past& past, std::int64_t now,
                double chance) {
  Decision decision;
  switch (outcome.kind) {
    case Outcome::Kind::done:
      return decision;
    case Outcome::Kind::rejected:
      return dead("rejected");
    case Outcome::Kind::undecodable:
      return dead("decode");
    case Outcome::Kind::interrupted:
      if (past.interruptions >= policy.max_interruptions) return dead("interrupted");
      decision.ending = Ending::release;
      return decision;
    case Outcome::Kind::failed:
    case Outcome::Kind::retry_after:
      break;
  }
  if (past.failures >= policy.max_retries) return dead("retries");
  if (outcome.kind == Outcome::Kind::retry_after) {
    decision.ending = Ending::retry;
    decision.delay = outcome.delay;
  } else {
    decision = by_policy(policy, outcome, past.failures + 1, chance);
    if (decision.ending == Ending::dead) return decision;
  }
  const auto& most = policy.retry_policy.rules().retry_for;
  if (most && now + decision.delay.count() - past.first_began > most->count())
    return dead("retries", "the time for retries is over");
  if (now + decision.delay.count() >= past.expire_at) {
    decision.ending = Ending::dead;
    decision.reason = "expired";
  }
  return decision;
}

}  // namespace mx_rmq::worker
