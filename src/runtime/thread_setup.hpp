#pragma once

#include <string>

#include <signal.h>

namespace mx_rmq::runtime {

/// Names the calling thread for debuggers and top: `name` cut to what fits, then `suffix`.
void name_this_thread(const std::string& name, const char* suffix) noexcept;

/// The signal mask that the calling thread has for its program: without what block_sigpipe()
/// blocked.
sigset_t current_signal_mask() noexcept;
void set_signal_mask(const sigset_t& mask) noexcept;

/// Blocks SIGPIPE on the calling thread, which writes to connections that may be closed. Children
/// that it makes by fork() do not inherit that.
void block_sigpipe() noexcept;
/// In the child of a fork(), on its only thread.
void unblock_sigpipe_after_fork() noexcept;

/// Ends the process by `signal`, whatever was to happen at it.
[[noreturn]] void end_process_by(int signal) noexcept;

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
