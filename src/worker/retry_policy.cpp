#include "worker/retry_policy.hpp"

#include <algorithm>

namespace mx_rmq::worker {
namespace {

Decision dead(const char* reason) {
  Decision decision;
  decision.ending = Ending::dead;
  decision.reason = reason;
  return decision;
}

}  // namespace

Decision decide(const Policy& policy, const Outcome& outcome, const Past& past, std::int64_t now) {
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
  decision.ending = Ending::retry;
  if (outcome.kind == Outcome::Kind::retry_after) {
    decision.delay = outcome.delay;
  } else if (!policy.retry_delays.empty()) {
    const auto last = policy.retry_delays.size() - 1;
    decision.delay = policy.retry_delays[std::min(static_cast<std::size_t>(past.failures), last)];
  }
  if (now + decision.delay.count() >= past.expire_at) {
    decision.ending = Ending::dead;
    decision.reason = "expired";
  }
  return decision;
}

}  // namespace mx_rmq::worker
