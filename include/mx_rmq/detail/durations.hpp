#pragma once

#include <chrono>
#include <concepts>
#include <limits>
#include <type_traits>

/// Times as programs write them: `1.5s`, `250us`, and, by mistake, `30`.
namespace mx_rmq::detail {

template <class D>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

/// A duration that does not become a `To` by itself, as it may have a fraction of one: 1.5s, 250us.
template <class D, class To>
concept FinerDuration = is_duration<D> && !std::is_convertible_v<D, To>;

/// A number that nobody has said the unit of.
template <class N>
concept PlainNumber = std::is_arithmetic_v<N>;

/// In whole `To`s and never shorter than what was said: rounded away from zero. What does not fit
/// is the longest or the shortest there is, and not a number the shortest.
template <class To, class Rep, class Period>
constexpr To rounded_up(std::chrono::duration<Rep, Period> duration) {
  if constexpr (std::integral<Rep>) {
    return duration < duration.zero() ? std::chrono::floor<To>(duration)
                                      : std::chrono::ceil<To>(duration);
  } else {
    using Fine = std::chrono::duration<long double, typename To::period>;
    constexpr long double most = 9.0e18L;
    const long double count = std::chrono::duration_cast<Fine>(duration).count();
    if (!(count > -most)) return To::min();
    if (count > most) return To::max();
    auto whole = static_cast<typename To::rep>(count);  // toward zero
    const long double size = count < 0 ? -count : count;
    const long double rest = size - static_cast<long double>(whole < 0 ? -whole : whole);
    // 0.1 s as a double is a little more than 100 ms.
    const long double noise =
        2 * size * static_cast<long double>(std::numeric_limits<Rep>::epsilon());
    if (rest > noise) whole += count < 0 ? -1 : 1;
    return To(whole);
  }
}

/// An argument that takes any duration, rounded up to milliseconds: `1.5s`, `{250us, 3s}`.
class AnyTime {
 public:
  template <class Rep, class Period>
  constexpr AnyTime(std::chrono::duration<Rep, Period> time)
      : time_(rounded_up<std::chrono::milliseconds>(time)) {}
  /// Does not compile: a time needs a unit.
  template <PlainNumber N>
  constexpr AnyTime(N) : time_(0) {
    static_assert(!PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write 30s or 500ms, with "
                  "`using namespace std::chrono_literals`");
  }

  constexpr operator std::chrono::milliseconds() const noexcept { return time_; }

 private:
  std::chrono::milliseconds time_;
};

}  // namespace mx_rmq::detail
