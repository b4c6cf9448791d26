#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "mx_rmq/log.hpp"

/// What the library itself calls to log: `log::warn("connection lost", "host", host, "attempt",
/// n)`. Arguments after the sentence are key, value, key, value ...; nothing is formatted unless
/// the level is on. Any thread; never throws; does not allocate when the level is off.
namespace mx_rmq::runtime::log {

/// A value as the line shows it. Refers to the caller's text; lives only during the call.
class Value {
 public:
  Value() noexcept = default;
  Value(bool v) noexcept : kind_(Kind::boolean) { u_.b = v; }  // NOLINT
  template <std::signed_integral T>
  Value(T v) noexcept : kind_(Kind::signed_number) {
    u_.i = v;
  }  // NOLINT
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Value(T v) noexcept : kind_(Kind::unsigned_number) {
    u_.u = v;
  }  // NOLINT
  template <std::floating_point T>
  Value(T v) noexcept : kind_(Kind::real) {
    u_.d = static_cast<double>(v);
  }  // NOLINT
  /// A duration is shown in milliseconds.
  template <class Rep, class Period>
  Value(std::chrono::duration<Rep, Period> v) noexcept : kind_(Kind::milliseconds) {  // NOLINT
    u_.d = std::chrono::duration<double, std::milli>(v).count();
  }
  Value(std::string_view v) noexcept : kind_(Kind::text), text_(v) {}    // NOLINT
  Value(const std::string& v) noexcept : kind_(Kind::text), text_(v) {}  // NOLINT
  Value(const char* v) noexcept                                          // NOLINT
      : kind_(Kind::text), text_(v == nullptr ? std::string_view("(null)") : std::string_view(v)) {}

  /// Appends `key=value` text of this value, quoted and escaped where needed.
  void append_to(std::string& line) const;

 private:
  enum class Kind : std::uint8_t {
    text,
    boolean,
    signed_number,
    unsigned_number,
    real,
    milliseconds
  };
  Kind kind_ = Kind::text;
  union {
    bool b;
    std::int64_t i;
    std::uint64_t u;
    double d;
  } u_{};
  std::string_view text_;
};

struct Field {
  std::string_view key;
  Value value;
};

/// The level below which nothing is written. Use `enabled`.
extern std::atomic<LogLevel> current_level;

inline bool enabled(LogLevel level) noexcept {
  return level >= current_level.load(std::memory_order_relaxed);
}

/// Writes one line whatever the level is. `suppressed` > 0 is appended as a pair.
void write(LogLevel level, std::string_view sentence, std::span<const Field> fields,
           std::uint64_t suppressed = 0) noexcept;

/// Lines lost because the sink threw or memory ran out, since the process began.
[[nodiscard]] std::uint64_t lost_lines() noexcept;

/// Lets one event through per interval and counts the others, for failures that may repeat
/// thousands of times a second. Thread-safe. Keep one per place and per thing (a connection, a
/// topic), as a member or static: `log::Every gate_{10s}; ... log::warn(gate_, "refused", "code",
/// code);`
class Every {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Every(std::chrono::nanoseconds interval) noexcept : interval_(interval) {}
  Every(const Every&) = delete;
  Every& operator=(const Every&) = delete;

  /// True once per interval; false is counted as suppressed.
  bool allow() noexcept { return allow_at(Clock::now()); }
  /// As `allow`, at a time of the caller's choice (tests).
  bool allow_at(Clock::time_point now) noexcept;
  /// How many were suppressed since the last call; back to 0.
  std::uint64_t take_suppressed() noexcept {
    return suppressed_.exchange(0, std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t never = INT64_MIN;

  const std::chrono::nanoseconds interval_;
  std::atomic<std::int64_t> last_{never};
  std::atomic<std::uint64_t> suppressed_{0};
};

namespace detail {

template <std::size_t N>
inline void fill(std::array<Field, N>&, std::size_t) noexcept {}

template <std::size_t N, class V, class... Rest>
inline void fill(std::array<Field, N>& fields, std::size_t at, std::string_view key, const V& value,
                 const Rest&... rest) noexcept {
  fields[at] = Field{key, Value(value)};
  fill(fields, at + 1, rest...);
}

template <class... KeyValues>
inline void emit(LogLevel level, std::uint64_t suppressed, std::string_view sentence,
                 const KeyValues&... key_values) noexcept {
  static_assert(sizeof...(KeyValues) % 2 == 0, "log: after the sentence come key, value pairs");
  constexpr std::size_t count = sizeof...(KeyValues) / 2;
  if constexpr (count == 0) {
    write(level, sentence, {}, suppressed);
  } else {
    std::array<Field, count> fields{};
    fill(fields, 0, key_values...);
    write(level, sentence, fields, suppressed);
  }
}

}  // namespace detail

template <class... KeyValues>
inline void trace(std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::trace)) detail::emit(LogLevel::trace, 0, sentence, key_values...);
}
template <class... KeyValues>
inline void debug(std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::debug)) detail::emit(LogLevel::debug, 0, sentence, key_values...);
}
template <class... KeyValues>
inline void info(std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::info)) detail::emit(LogLevel::info, 0, sentence, key_values...);
}
template <class... KeyValues>
inline void warn(std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::warn)) detail::emit(LogLevel::warn, 0, sentence, key_values...);
}
template <class... KeyValues>
inline void error(std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::error)) detail::emit(LogLevel::error, 0, sentence, key_values...);
}

// The same behind a limiter: at most one line per interval, with `suppressed=N` when some were left
// out.
template <class... KeyValues>
inline void info(Every& gate, std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::info) && gate.allow())
    detail::emit(LogLevel::info, gate.take_suppressed(), sentence, key_values...);
}
template <class... KeyValues>
inline void warn(Every& gate, std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::warn) && gate.allow())
    detail::emit(LogLevel::warn, gate.take_suppressed(), sentence, key_values...);
}
template <class... KeyValues>
inline void error(Every& gate, std::string_view sentence, const KeyValues&... key_values) noexcept {
  if (enabled(LogLevel::error) && gate.allow())
    detail::emit(LogLevel::error, gate.take_suppressed(), sentence, key_values...);
}

}  // namespace mx_rmq::runtime::log
