#include "worker/retry_policy.hpp"

#include <algorithm>

namespace mx_rmq::worker {
namespace {

Verdict dead(const char* reason) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::dead;
  verdict.reason = reason;
  return verdict;
}

}  // namespace

Verdict decide(const Policy& policy, const Outcome& outcome, const Past& past, std::int64_t now) {
  Verdict verdict;
  switch (outcome.kind) {
    case Outcome::Kind::done:
      return verdict;
    case Outcome::Kind::rejected:
      return dead("rejected");
    case Outcome::Kind::undecodable:
      return dead("decode");
    case Outcome::Kind::interrupted:
      if (past.interruptions >= policy.max_interruptions) return dead("interrupted");
      verdict.kind = Verdict::Kind::release;
      return verdict;
    case Outcome::Kind::failed:
    case Outcome::Kind::retry_after:
      break;
  }
  if (past.failures >= policy.max_retries) return dead("retries");
  verdict.kind = Verdict::Kind::retry;
  if (outcome.kind == Outcome::Kind::retry_after) {
    verdict.delay = outcome.delay;
  } else if (!policy.retry_delays.empty()) {
    const auto last = policy.retry_delays.size() - 1;
    verdict.delay = policy.retry_delays[std::min(static_cast<std::size_t>(past.failures), last)];
  }
  if (now + verdict.delay.count() >= past.expire_at) {
    verdict.kind = Verdict::Kind::dead;
    verdict.reason = "expired";
  }
  return verdict;
}

}  // namespace mx_rmq::worker
