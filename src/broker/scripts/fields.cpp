#include "broker/scripts/fields.hpp"

#include <charconv>
#include <cmath>
#include <system_error>

namespace mx_rmq::broker {

void Fields::fail(std::string_view wanted) const {
  std::string text = "reply of script ";
  text.append(command_).append(": wanted ").append(wanted).append(" at place ");
  text += std::to_string(at_);
  text.append(", got ").append(reply_.describe());
  throw redis::ProtocolError(text);
}

std::int64_t Fields::score() {
  const std::string value = text();
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || std::isnan(number)) {
    fail("a score");
  }
  constexpr double most = 9e15;  // far beyond any time, and exact
  return static_cast<std::int64_t>(std::floor(std::fmin(std::fmax(number, -most), most)));
}

std::size_t Fields::place_of_word(std::initializer_list<std::string_view> allowed) {
  const std::string got = text();
  std::string wanted;
  for (const std::string_view& each : allowed) {
    if (got == each) return static_cast<std::size_t>(&each - allowed.begin());
    wanted.append(wanted.empty() ? "'" : " or '").append(each).append("'");
  }
  fail(wanted);
}

std::int64_t single_number(const lua::Script& script, const redis::Reply& reply) {
  if (reply.kind() != redis::Reply::Kind::integer) {
    std::string text = "reply of script ";
    text.append(script.name).append(": wanted a number, got ").append(reply.describe());
    throw redis::ProtocolError(text);
  }
  return reply.as_integer();
}

}  // namespace mx_rmq::broker
