#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "broker/data/envelope.hpp"
#include "broker/data/tag.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::worker {

struct Source;

/// Tells a run to stop. Most runs never ask, so there is no state to share before somebody does.
/// Any thread.
class StopSwitch {
 public:
  [[nodiscard]] std::stop_token token() {
    const std::scoped_lock lock(mutex_);
    if (!source_.stop_possible()) {
      source_ = std::stop_source();
      if (stopped_) source_.request_stop();
    }
    return source_.get_token();
  }
  void request_stop() {
    std::stop_source source{std::nostopstate};
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
      source = source_;
    }
    source.request_stop();  // runs callbacks, which may ask for a token
  }

 private:
  std::mutex mutex_;
  std::stop_source source_{std::nostopstate};
  bool stopped_ = false;
};

/// A message that a consumer of this process holds. Loop thread only, but for what a blocking run
/// reads: the envelope, which never changes, and the stop switch.
struct Delivery {
  enum class State : std::uint8_t {
    queued,    // claimed, not started
    running,   // its handler runs
    settling,  // its outcome is on the way to Redis
    gone,      // settled, or somebody else's
  };

  Delivery(Source* from, std::uint64_t incarnation_of, broker::Tag tag_of, std::string envelope)
      : source(from),
        incarnation(incarnation_of),
        tag(tag_of),
        bytes(std::move(envelope)),
        view(broker::parse_envelope(bytes)) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  Source* const source;             // where it came from
  const std::uint64_t incarnation;  // of the consumer's name that took it
  const broker::Tag tag;
  const std::string bytes;                         // the envelope as it is stored
  const std::optional<broker::EnvelopeView> view;  // into `bytes`; nothing: it is no envelope
  State state = State::queued;
  bool suspect = false;
  std::int64_t settings = 0;  // the version of them by which it was claimed
  StopSwitch stop;
  std::int64_t started_ms = 0;  // server's clock, when the run began
  runtime::TimePoint started{};
};

}  // namespace mx_rmq::worker
