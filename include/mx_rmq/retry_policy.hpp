#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mx_rmq/detail/durations.hpp"

/// @file
/// When a message whose handler failed is tried again.
namespace mx_rmq {

/// How chance changes the pause before a retry, so that what failed together does not come back
/// together.
enum class Jitter : std::uint8_t {
  none,   ///< not at all
  full,   ///< anything from nothing to the pause
  equal,  ///< anything from half the pause to the pause
};

namespace detail {

inline constexpr double default_retry_factor = 2;

/// What a RetryPolicy says.
struct RetryRules {
  using Function =
      std::function<std::optional<std::chrono::milliseconds>(const std::exception&, int)>;
  using IsOfType = bool (*)(const std::exception_ptr&);
  enum class Pauses : std::uint8_t { listed, fixed, linear, exponential, reckoned };

  Pauses pauses = Pauses::listed;
  std::chrono::milliseconds first{0};
  double factor = default_retry_factor;
  std::shared_ptr<const Function> function;  // reckoned
  Jitter jitter = Jitter::none;
  std::optional<std::chrono::milliseconds> maximum;
  std::optional<std::chrono::milliseconds> retry_for;
  std::vector<IsOfType> never;

  friend bool operator==(const RetryRules&, const RetryRules&) = default;
};

template <class E>
bool is_error_of_type(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const E&) {
    return true;
  } catch (...) {
    return false;
  }
}

template <class F>
concept RetryFunction =
    std::is_invocable_r_v<std::optional<std::chrono::milliseconds>, F&, const std::exception&, int>;

template <class E>
concept CaughtByReference = std::same_as<E, std::remove_cvref_t<E>> && !std::is_pointer_v<E>;

}  // namespace detail

/// The pauses before the retries of a message, and what is not retried:
/// `RetryPolicy::exponential(1s).maximum(5min).jitter(Jitter::full)`.
///
/// It belongs into MQConfig::retry_policy or HandlerOptions::retry_policy. How many retries there
/// are is said by `max_retries`, whatever the policy. A policy does not concern what a handler
/// decides by throwing Reject or RetryAfter.
///
/// Numbers are checked where the policy is used: by MQConfig::validate() and register_handler.
class RetryPolicy {
 public:
  /// The pauses of `retry_delays`.
  RetryPolicy();

  /// The same pause before each retry.
  static RetryPolicy fixed(detail::AnyTime pause);
  /// Pauses of `step`, twice that, three times that, and so on.
  static RetryPolicy linear(detail::AnyTime step);
  /// Pauses of `first`, `first * factor`, `first * factor * factor`, and so on. `factor`: 1 to 100.
  static RetryPolicy exponential(detail::AnyTime first,
                                 double factor = detail::default_retry_factor);
  /// What `function(error, attempt)` says: milliseconds, or nothing for no retry; the message is a
  /// dead letter "rejected" then. `error` is what the handler threw, as a `const std::exception&`
  /// (TimeoutError if it had not ended at its deadline); `attempt` is the number of the attempt
  /// that failed, from 1. It is called on the loop thread and must not block. If it throws, that is
  /// logged, and `retry_delays` count.
  template <class F>
  static RetryPolicy from(F function) {
    if constexpr (detail::RetryFunction<F>) {
      return reckoned([call = std::make_shared<F>(std::move(function))](
                          const std::exception& error,
                          int attempt) -> std::optional<std::chrono::milliseconds> {
        return std::invoke(*call, error, attempt);
      });
    } else {
      static_assert(detail::RetryFunction<F>,
                    "mx_rmq: a function of RetryPolicy::from takes (const std::exception& error, "
                    "int attempt) and returns std::chrono::milliseconds, or an optional of them "
                    "(nothing: no retry)");
      return RetryPolicy();
    }
  }

  /// Whether chance changes the pauses; none by default.
  RetryPolicy& jitter(Jitter jitter);
  /// No pause is longer, 0 to 365 days.
  RetryPolicy& maximum(detail::AnyTime longest);
  /// No retry begins later than this after the first attempt began, 1 ms to 3650 days. A message
  /// whose retry would is a dead letter "retries". Reckoned by the server's clock.
  RetryPolicy& retry_for(detail::AnyTime total);
  /// An error of this type, or of one derived from it, is not retried: the message is a dead letter
  /// "rejected" at once. May be said for several types.
  template <class E>
  RetryPolicy& never() {
    static_assert(detail::CaughtByReference<E>,
                  "mx_rmq: never<E>() takes the plain type of what is thrown: write "
                  "never<std::invalid_argument>()");
    if constexpr (detail::CaughtByReference<E>) rules_.never.push_back(detail::is_error_of_type<E>);
    return *this;
  }

  /// A copy whose pauses are those of `retry_delays`.
  [[nodiscard]] RetryPolicy by_delays() const;

  /// As MQConfig::from_env() reads it: `exponential 1s factor 3 maximum 5m jitter full for 1d`.
  /// Functions and types of errors have no text that can be read back.
  [[nodiscard]] std::string describe() const;

  /// For the library's own use.
  [[nodiscard]] const detail::RetryRules& rules() const noexcept { return rules_; }

  /// Whether both say the same. Functions are the same only if they were copied.
  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;

 private:
  static RetryPolicy reckoned(detail::RetryRules::Function function);

  detail::RetryRules rules_;
};

}  // namespace mx_rmq
