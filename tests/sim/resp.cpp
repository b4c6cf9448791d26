#include "resp.hpp"

#include <charconv>
#include <stdexcept>

namespace mx_rmq::sim {
namespace {

// A line "<mark><number>\r\n" at `at`, which moves behind it; nothing if it is not all there yet.
std::optional<std::size_t> take_number(std::string_view bytes, std::size_t& at, char mark) {
  const std::size_t end = bytes.find("\r\n", at);
  if (end == std::string_view::npos) return std::nullopt;
  std::size_t value = 0;
  const auto [stop, problem] = std::from_chars(bytes.data() + at + 1, bytes.data() + end, value);
  if (bytes[at] != mark || problem != std::errc() || stop != bytes.data() + end) {
    throw std::runtime_error("the client sent no command: " + std::string(bytes.substr(at, 40)));
  }
  at = end + 2;
  return value;
}

}  // namespace

std::optional<Arguments> RequestReader::next() {
  std::size_t at = at_;
  if (at == buffer_.size()) return std::nullopt;
  const auto count = take_number(buffer_, at, '*');
  if (!count) return std::nullopt;
  Arguments out;
  out.reserve(*count);
  for (std::size_t i = 0; i < *count; ++i) {
    if (at >= buffer_.size()) return std::nullopt;
    const auto size = take_number(buffer_, at, '$');
    if (!size || buffer_.size() < at + *size + 2) return std::nullopt;
    out.push_back(buffer_.substr(at, *size));
    at += *size + 2;
  }
  at_ = at;
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  }
  return out;
}

void append_reply(std::string& out, const Value& value) {
  switch (value.kind) {
    case Value::Kind::nil:
      out += "$-1\r\n";
      break;
    case Value::Kind::status:
      out.append("+").append(value.text).append("\r\n");
      break;
    case Value::Kind::error:
      out.append("-").append(value.text).append("\r\n");
      break;
    case Value::Kind::integer:
      out.append(":").append(std::to_string(value.integer)).append("\r\n");
      break;
    case Value::Kind::string:
      out.append("$").append(std::to_string(value.text.size())).append("\r\n");
      out.append(value.text).append("\r\n");
      break;
    case Value::Kind::array:
      out.append("*").append(std::to_string(value.elements.size())).append("\r\n");
      for (const Value& each : value.elements) append_reply(out, each);
      break;
  }
}

}  // namespace mx_rmq::sim
