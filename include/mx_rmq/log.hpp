#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

/// @file
/// The library's log: what is written, how much, and where to.
///
/// The library has a logger of its own, named "mx_rmq", which writes to stderr. It never touches
/// the program's loggers. Each line is a sentence followed by `key=value` pairs (topic, message id,
/// attempt, consumer ...). Control bytes and invalid UTF-8 in values are escaped, so a topic, an id
/// or the text of an error cannot forge a line. Passwords are never written. At the default level,
/// `info`, nothing is written for each message, and a failure that repeats is written only once in
/// a while, with the number of times.
///
/// All functions are thread-safe and may be called at any time, also before and after any queue
/// exists. They act on the whole process.
namespace mx_rmq {

/// How much a line matters. It is written if its level is at least the one that is set.
enum class LogLevel : std::uint8_t {
  trace,  ///< protocol details: each command and reply kind
  debug,  ///< per message and per state change
  info,   ///< start, stop, topics registered, connections; nothing per message (the default)
  warn,   ///< something failed and the library deals with it: reconnects, lost leases, dead letters
  error,  ///< something failed and a person must act: refused credentials, a broken invariant
  off     ///< nothing
};

/// The name of a level: "trace", "debug", "info", "warn", "error", "off".
[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;

/// Receives each line that is to be written, without time, level or newline.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Sets how much is written. Default: `LogLevel::info`.
void set_log_level(LogLevel level) noexcept;

/// The level that is set.
[[nodiscard]] LogLevel log_level() noexcept;

/// Gives every line to `sink` instead of stderr. An empty sink goes back to the logger "mx_rmq" on
/// stderr. While the program has a spdlog logger registered under that name, lines go to that
/// logger instead; its own level then applies as well.
///
/// The sink is called on whichever thread logs, often the loop thread, one call at a time; it
/// should be quick. The text is valid during the call only. An exception of the sink is dropped and
/// counted. What the library would log on the same thread while the sink runs is dropped. When
/// set_log_sink returns, no other thread is in the previous sink and none will enter it, so what
/// that sink refers to may be destroyed.
void set_log_sink(LogSink sink);

/// Same as `set_log_level(LogLevel::off)`.
void silence_log() noexcept;

}  // namespace mx_rmq
