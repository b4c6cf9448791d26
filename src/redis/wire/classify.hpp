#pragma once

#include <cstdint>
#include <string_view>

namespace mx_rmq::redis {

/// Whether the command behind an error reply took effect.
enum class Executed : std::uint8_t { no, maybe_half };

/// What to do about an error reply.
enum class Remedy : std::uint8_t {
  load_script,  ///< NOSCRIPT: load it and send again
  follow,       ///< MOVED, ASK: another node has the key
  wait,         ///< passes by itself: back off and send again until the deadline
  reconnect,    ///< the node's role changed: connect anew, then send again
  refuse,       ///< the server's no; the caller decides (OOM, or a code that a script chose)
  fatal,        ///< wrong credentials, rights, or a bug: sending again cannot help
  reconcile     ///< raised inside a script: look at what it did
};

/// What an error reply means.
struct ErrorMeaning {
  Executed executed;
  Remedy remedy;
  std::string_view code;  ///< first word, or the inner code of an error that a script passed on
  friend bool operator==(const ErrorMeaning&, const ErrorMeaning&) = default;
};

/// The one table of error replies. `text` is the reply without its '-'; `code` points into it.
///
/// It relies on a rule that the scripts keep: nothing is written before the script's first write
/// has been let through. So OOM, READONLY, MISCONF and NOREPLICAS raised inside a script mean that
/// nothing was done: Redis raises each of them only at a first write.
[[nodiscard]] ErrorMeaning classify(std::string_view text) noexcept;

/// Whether what is refused so may work a moment later.
[[nodiscard]] constexpr bool passing(Remedy remedy) noexcept {
  return remedy == Remedy::wait || remedy == Remedy::reconnect || remedy == Remedy::load_script;
}

}  // namespace mx_rmq::redis
