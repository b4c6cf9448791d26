#pragma once

#include <functional>

#include "redis/connection/options.hpp"
#include "redis/connection/seams.hpp"
#include "runtime/event_loop.hpp"
#include "worker/quarantine.hpp"

namespace mx_rmq::queue {

/// What simulators replace. (The clock is the Runtime's own seam.)
struct Seams {
  std::function<redis::Seams(runtime::EventLoop&, const redis::ConnectionOptions&)> redis =
      redis::Seams::real;
  /// What stands for the process, in which a suspect runs alone.
  worker::Quarantine* quarantine = &worker::Quarantine::of_process();
};

}  // namespace mx_rmq::queue
