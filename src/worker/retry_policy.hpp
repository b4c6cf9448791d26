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
  int max_interruptions = 100;
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
};

/// What has become of a message before the run that ended.
struct Past {
  int failures = 0;            // attempts
  int interruptions = 0;       // runs that a stop cut short
  std::int64_t expire_at = 0;  // from this ms of the server's clock on no handler may get it
};

/// Pure. It is `now` by the server's clock. A retry that would fall due when the message has
/// expired is a dead letter. An interruption is no attempt: it has a bound of its own.
[[nodiscard]] Decision decide(const Policy& policy, const Outcome& outcome, const Past& past,
                              std::int64_t now);

}  // namespace mx_rmq::worker
