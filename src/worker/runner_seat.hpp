#pragma once

#include <cstddef>
#include <memory>

#include "runtime/event.hpp"
#include "worker/runner.hpp"

namespace mx_rmq::worker {

/// A worker coroutine and the run that it has.
struct Runner::Seat {
  explicit Seat(runtime::EventLoop& loop) : wake(loop) {}

  runtime::Event wake;
  std::shared_ptr<Run> run;    // the one that counts
  std::shared_ptr<Run> spare;  // an ended one
  std::size_t place = 0;       // among those that have a run
  runtime::TimerId timer;
  TimePoint timer_due{};
  bool warned = false;  // the stop token fired at the deadline
  bool zombie = false;
  bool on_thread = false;  // a zombie, whose handler keeps a blocking thread

  // Nobody else has the ended run: whoever had it gave it up before this thread heard of its end.
  [[nodiscard]] bool spare_is_free() const { return spare != nullptr && spare.use_count() == 1; }
};

}  // namespace mx_rmq::worker
