#include "api/retry_policy.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "api/checks.hpp"
#include "api/config_values.hpp"

namespace mx_rmq {

using detail::RetryRules;
using Pauses = RetryRules::Pauses;

RetryPolicy::RetryPolicy() = default;

RetryPolicy RetryPolicy::fixed(detail::AnyTime pause) {
  RetryPolicy policy;
  policy.rules_.pauses = Pauses::fixed;
  policy.rules_.first = pause;
  return policy;
}

RetryPolicy RetryPolicy::linear(detail::AnyTime step) {
  RetryPolicy policy;
  policy.rules_.pauses = Pauses::linear;
  policy.rules_.first = step;
  return policy;
}

RetryPolicy RetryPolicy::exponential(detail::AnyTime first, double factor) {
  RetryPolicy policy;
  policy.rules_.pauses = Pauses::exponential;
  policy.rules_.first = first;
  policy.rules_.factor = factor;
  return policy;
}

RetryPolicy RetryPolicy::reckoned(RetryRules::Function function) {
  RetryPolicy policy;
  policy.rules_.pauses = Pauses::reckoned;
  policy.rules_.function = std::make_shared<const RetryRules::Function>(std::move(function));
  return policy;
}

RetryPolicy& RetryPolicy::jitter(Jitter jitter) {
  rules_.jitter = jitter;
  return *this;
}

RetryPolicy& RetryPolicy::maximum(detail::AnyTime longest) {
  rules_.maximum = longest;
  return *this;
}

RetryPolicy& RetryPolicy::retry_for(detail::AnyTime total) {
  rules_.retry_for = total;
  return *this;
}

RetryPolicy RetryPolicy::by_delays() const {
  RetryPolicy policy = *this;
  policy.rules_.pauses = Pauses::listed;
  policy.rules_.first = {};
  policy.rules_.factor = detail::default_retry_factor;
  policy.rules_.function.reset();
  return policy;
}

namespace api {
namespace {

using std::chrono::milliseconds;

constexpr double largest_factor = 100;
constexpr milliseconds longest_retrying = std::chrono::hours(24) * 3650;

constexpr std::string_view name_of(Pauses pauses) {
  switch (pauses) {
    case Pauses::listed:
      return "listed";
    case Pauses::fixed:
      return "fixed";
    case Pauses::linear:
      return "linear";
    case Pauses::exponential:
      return "exponential";
    case Pauses::reckoned:
      break;
  }
  return "function";
}

constexpr std::string_view name_of(Jitter jitter) {
  return jitter == Jitter::none ? "none" : jitter == Jitter::full ? "full" : "equal";
}

/// Shortest text that reads back as the same number.
std::string text_of(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return error == std::errc{} ? std::string(text, end) : "?";
}

// The next word of the text, taken off it; empty at its end.
std::string_view take_word(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::optional<double> parse_factor(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<RetryPolicy> parse_pauses(std::string_view kind, std::string_view& rest) {
  if (kind == name_of(Pauses::listed)) return RetryPolicy();
  const bool known = kind == name_of(Pauses::fixed) || kind == name_of(Pauses::linear) ||
                     kind == name_of(Pauses::exponential);
  const auto first = known ? parse_duration(take_word(rest)) : std::nullopt;
  if (!first) return std::nullopt;
  if (kind == name_of(Pauses::fixed)) return RetryPolicy::fixed(*first);
  if (kind == name_of(Pauses::linear)) return RetryPolicy::linear(*first);
  std::string_view after = rest;
  if (take_word(after) != "factor") return RetryPolicy::exponential(*first);
  const auto factor = parse_factor(take_word(after));
  rest = after;
  if (!factor) return std::nullopt;
  return RetryPolicy::exponential(*first, *factor);
}

// False: the option is none, or its value is malformed.
bool parse_option(std::string_view option, std::string_view value, RetryPolicy& policy) {
  if (option == "jitter") {
    for (const Jitter jitter : {Jitter::none, Jitter::full, Jitter::equal}) {
      if (value != name_of(jitter)) continue;
      policy.jitter(jitter);
      return true;
    }
    return false;
  }
  const auto time = parse_duration(value);
  if (!time) return false;
  if (option == "maximum") {
    policy.maximum(*time);
  } else if (option == "for") {
    policy.retry_for(*time);
  } else {
    return false;
  }
  return true;
}

std::optional<std::string> out_of(const char* what, milliseconds value, milliseconds least,
                                  milliseconds most) {
  if (value >= least && value <= most) return std::nullopt;
  return std::string(what) + format_duration(value) + " is not allowed; " + format_duration(least) +
         " to " + format_duration(most) + " are";
}

}  // namespace

milliseconds capped(const RetryRules& rules, milliseconds pause) {
  return std::clamp(pause, milliseconds(0),
                    std::min(rules.maximum.value_or(max_retry_delay), max_retry_delay));
}

milliseconds retry_pause(const RetryRules& rules, const std::vector<milliseconds>& listed,
                         int attempt) {
  const auto failed = static_cast<std::size_t>(std::max(attempt, 1));
  const auto first = static_cast<double>(rules.first.count());
  double pause = 0;
  switch (rules.pauses) {
    case Pauses::fixed:
      pause = first;
      break;
    case Pauses::linear:
      pause = first * static_cast<double>(failed);
      break;
    case Pauses::exponential:
      pause = first * std::pow(rules.factor, static_cast<double>(failed - 1));
      break;
    case Pauses::listed:
    case Pauses::reckoned:
      if (!listed.empty())
        pause = static_cast<double>(listed[std::min(failed, listed.size()) - 1].count());
      break;
  }
  // Longer than any: a sum of doublings may be infinite.
  if (!(pause < static_cast<double>(max_retry_delay.count())))
    return capped(rules, max_retry_delay);
  return capped(rules, milliseconds(std::llround(pause)));
}

milliseconds spread(Jitter jitter, milliseconds pause, double chance) {
  const auto part = [chance](milliseconds of) {
    return milliseconds(std::llround(static_cast<double>(of.count()) * chance));
  };
  switch (jitter) {
    case Jitter::none:
      break;
    case Jitter::full:
      return part(pause);
    case Jitter::equal:
      return pause / 2 + part(pause - pause / 2);
  }
  return pause;
}

std::optional<std::string> why_refused(const RetryPolicy& policy) {
  const RetryRules& rules = policy.rules();
  if (auto why = out_of("a pause of ", rules.first, milliseconds(0), max_retry_delay)) return why;
  if (!(rules.factor >= 1 && rules.factor <= largest_factor))
    return "a factor of " + text_of(rules.factor) + " is not allowed; 1 to 100 are";
  if (rules.jitter > Jitter::equal) return "jitter: it is none of none, full, equal";
  if (rules.maximum)
    if (auto why = out_of("a maximum of ", *rules.maximum, milliseconds(0), max_retry_delay))
      return why;
  if (rules.retry_for)
    if (auto why = out_of("retrying for ", *rules.retry_for, milliseconds(1), longest_retrying))
      return why;
  return std::nullopt;
}

std::optional<RetryPolicy> parse_retry_policy(std::string_view text) {
  const std::string_view kind = take_word(text);
  auto policy = parse_pauses(kind, text);
  if (!policy) return std::nullopt;
  for (;;) {
    const std::string_view option = take_word(text);
    if (option.empty()) return policy;
    if (!parse_option(option, take_word(text), *policy)) return std::nullopt;
  }
}

}  // namespace api

std::string RetryPolicy::describe() const {
  std::string out(api::name_of(rules_.pauses));
  if (rules_.pauses != Pauses::listed && rules_.pauses != Pauses::reckoned)
    out += ' ' + api::format_duration(rules_.first);
  if (rules_.pauses == Pauses::exponential && rules_.factor != detail::default_retry_factor)
    out += " factor " + api::text_of(rules_.factor);
  if (rules_.maximum) out += " maximum " + api::format_duration(*rules_.maximum);
  if (rules_.jitter != Jitter::none) out += " jitter " + std::string(api::name_of(rules_.jitter));
  if (rules_.retry_for) out += " for " + api::format_duration(*rules_.retry_for);
  if (!rules_.never.empty())
    out += " never " + std::to_string(rules_.never.size()) + " types of errors";
  return out;
}

}  // namespace mx_rmq
