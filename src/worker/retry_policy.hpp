#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mx_rmq::worker {

/// How the runs of one handler are treated; HandlerOptions over MQConfig.
struct Policy {
  std::chrono::milliseconds timeout{180'000};
  int max_retries = 3;
  std::vector<std::chrono::milliseconds> retry_delays;
};

/// How a run ended.
struct Outcome {
  enum class Kind : std::uint8_t {
    done,         // returned
    failed,       // threw, or had not ended at its deadline
    rejected,     // threw Reject
    retry_after,  // threw RetryAfter
    undecodable,  // its payload does not decode
    interrupted,  // the queue stopped first
  };
  Kind kind = Kind::done;
  std::string error;
  std::chrono::milliseconds delay{0};  // retry_after
};

/// What becomes of the message.
struct Verdict {
  enum class Kind : std::uint8_t { ack, retry, dead, release };
  Kind kind = Kind::ack;
  const char* reason = "";             // dead: retries | rejected | expired | decode
  std::chrono::milliseconds delay{0};  // retry
};

/// Pure. `failures` attempts have failed before this one; the message expires at `expire_at`, and
/// it is `now` by the server's clock. A retry that would fall due after expiry is a dead letter.
[[nodiscard]] Verdict decide(const Policy& policy, const Outcome& outcome, int failures,
                             std::int64_t expire_at, std::int64_t now);

}  // namespace mx_rmq::worker
