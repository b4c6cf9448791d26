#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

/// The library's log: what is written, how much, and where to.
///
/// The library has a logger of its own, named "mx_rmq", which writes to stderr; it never touches
/// the program's loggers. Each line is a sentence followed by `key=value` pairs (topic, message id,
/// attempt, consumer ...). Control bytes and invalid UTF-8 in values are escaped, so a topic, an id
/// or an error text cannot forge a line. Passwords are in no line. At the default level, `info`,
/// nothing is written per message, and a failure that repeats is written at most once in a while
/// with the number of repetitions.
///
/// All functions are thread-safe and may be called at any time, also before and after any queue
/// exists. They act on the whole process.
namespace mx_rmq {

/// How much a line matters. A line is written if its level is at least the level that is set.
enum class LogLevel : std::uint8_t {
  trace,  ///< protocol details: each command and reply kind
  debug,  ///< per message and per state change
  info,   ///< start, stop, topics registered, connections; nothing per message (the default)
  warn,   ///< something failed and is being dealt with: reconnects, lost leases, dead letters
  error,  ///< something failed that needs somebody: refused credentials, a broken invariant
  off     ///< nothing
};

/// Name of a level as it appears in a line: "trace", "debug", "info", "warn", "error", "off".
[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

/// Receives each line that passes the level, without time, level or newline.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Sets how much is written. Default: `LogLevel::info`.
void set_log_level(LogLevel level) noexcept;

/// The level that is set.
[[nodiscard]] LogLevel log_level() noexcept;

/// Gives every line to `sink` instead of stderr; an empty sink goes back to the logger "mx_rmq" on
/// stderr. While the program has a spdlog logger registered under that name, lines go to that one
/// instead, from the first line after it was registered to the last before it is dropped; its own
/// level applies as well.
///
/// The sink is called from whichever thread logs, often the loop thread, one call at a time; it
/// should be quick. The text is valid during the call only. What the sink throws is dropped and
/// counted; what the library would log while the sink runs, on the same thread, is dropped. When
/// set_log_sink returns, no other thread is in the previous sink and none will enter it, so what
/// that one refers to may then be destroyed.
void set_log_sink(LogSink sink);

/// Same as `set_log_level(LogLevel::off)`.
void silence_log() noexcept;

}  // namespace mx_rmq
