#pragma once

namespace mx_rmq::runtime {

/// How often this process came out of fork() as the child, counted from the first call in any of
/// its ancestors. A thread that was started under another number does not exist here. Any thread.
unsigned fork_generation() noexcept;

/// Throws std::logic_error, saying what to do, if `generation` is of a parent process.
void refuse_after_fork(unsigned generation);

}  // namespace mx_rmq::runtime
