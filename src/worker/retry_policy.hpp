#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/retry_policy.hpp"

namespace mx_rmq::worker {

/// How the runs of one handler are treated; HandlerOptions over MQConfig.
struct Policy {
  std::chrono::milliseconds timeout{180'000};
  int max_retries = 3;
  std::vector<std::chrono::milliseconds> retry_delays;
  RetryPolicy retry_policy;
  int max_interruptions = 100;
};

/// What a message tells of its retry_delays: nothing if others are kept to.
[[nodiscard]] const std::vector<std::chrono::milliseconds>& listed_delays(const Policy& policy);

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
  static constexpr std::size_t kinds = 6;
  Kind kind = Kind::done;
  std::string error;
  std::exception_ptr cause;            // failed: what it threw, if anything
  std::chrono::milliseconds delay{0};  // retry_after
};

/// How a message leaves its consumer.
enum class Ending : std::uint8_t {
  ack,      // done with, or dropped
  retry,    // handled again after a delay
  dead,     // a dead letter
  release,  // back to the head of its list
};

/// What becomes of the message.
struct Decision {
  Ending ending = Ending::ack;
  const char* reason = "";             // dead: retries | rejected | expired | decode | interrupted
  std::chrono::milliseconds delay{0};  // retry; dead, expired: the retry that there is not
  const char* why = "";  // dead: what in the policy forbids a retry, if not the number
  std::string trouble;   // what the policy's function threw; retry_delays counted
};

/// What has become of a message before the run that ended.
struct Past {
  int failures = 0;              // attempts
  int interruptions = 0;         // runs that a stop cut short
  std::int64_t expire_at = 0;    // from this ms of the server's clock on no handler may get it
  std::int64_t first_began = 0;  // when its first attempt had, perhaps the run that ended
};

/// Pure, but for the policy's function. It is `now` by the server's clock; `chance` in [0, 1)
/// decides within the policy's jitter. A retry that would fall due when the message has expired is
/// a dead letter. An interruption is no attempt: it has a bound of its own.
[[nodiscard]] Decision decide(const Policy& policy, const Outcome& outcome, const Past& past,
                              std::int64_t now, double chance = 0);

}  // namespace mx_rmq::worker
