#pragma once

#include <string>

#include <signal.h>

namespace mx_rmq::runtime {

/// Names the calling thread for debuggers and top: `name` cut to what fits, then `suffix`.
void name_this_thread(const std::string& name, const char* suffix) noexcept;

/// The calling thread's signal mask.
sigset_t current_signal_mask() noexcept;
void set_signal_mask(const sigset_t& mask) noexcept;

/// Blocks every signal on the calling thread, except those that tell of its own faults or belong to
/// a profiler, and puts the old mask back at the end. A thread that is started meanwhile inherits
/// the blocked mask from its first instruction on.
class BlockSignals {
 public:
  BlockSignals() noexcept;
  ~BlockSignals();
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

  const sigset_t& previous() const noexcept { return previous_; }

 private:
  sigset_t previous_;
};

}  // namespace mx_rmq::runtime
