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
  std::shared_ptr<Run> run;  // the one that counts
  runtime::TimerId timer;
  TimePoint timer_due{};
  bool warned = false;  // the stop token fired at the deadline
  bool zombie = false;
  std::size_t place = 0;  // in Runner::runs_
};

}  // namespace mx_rmq::worker
