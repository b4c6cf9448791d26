#include "runtime/http_request.hpp"

#include <algorithm>
#include <cctype>

namespace mx_rmq::runtime {
namespace {

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// Nothing below a blank, which a tab is not here, and no DEL.
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](char x, char y) { return std::tolower(static_cast<unsigned char>(x)) == y; });
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

HttpReader::State HttpReader::refuse(int status) {
  if (status_ == 0) status_ = status;
  return state_ = State::bad;
}

HttpReader::State HttpReader::add(std::string_view bytes) {
  if (state_ != State::more) return state_;
  const std::size_t known = head_.size() < 3 ? 0 : head_.size() - 3;
  head_.append(bytes.substr(0, most_bytes + 1 - std::min(head_.size(), most_bytes)));
  const std::size_t end = head_.find("\r\n\r\n", known);
  if (end != std::string::npos && end + 4 <= most_bytes) return parse({head_.data(), end});
  return head_.size() > most_bytes ? refuse(431) : State::more;
}

HttpReader::State HttpReader::parse(std::string_view head) {
  bool first = true;
  for (std::size_t at = 0; at <= head.size();) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view line = head.substr(at, end - at);
    if (!(first ? parse_line(line) : parse_header(line))) return refuse(400);
    first = false;
    at = end + 2;
  }
  if (!has_host_ && !is_1_0_) return refuse(400);
  return state_ = State::ready;
}

bool HttpReader::parse_line(std::string_view line) {
  const std::size_t one = line.find(' ');
  const std::size_t two = one == std::string_view::npos ? one : line.find(' ', one + 1);
  if (two == std::string_view::npos) return false;
  const std::string_view target = line.substr(one + 1, two - one - 1);
  const std::string_view version = line.substr(two + 1);
  if (!is_token(line.substr(0, one)) || !target.starts_with('/') || !is_printable(target))
    return false;
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    if (version.starts_with("HTTP/")) refuse(505);
    return false;
  }
  is_1_0_ = version.ends_with('0');
  request_.method = line.substr(0, one);
  request_.target = target;
  return true;
}

bool HttpReader::parse_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_printable(value)) return false;
  const bool body =
      (same_name(name, "content-length") && value != "0") || same_name(name, "transfer-encoding");
  if (body) {
    refuse(413);
    return false;
  }
  if (same_name(name, "host")) {
    if (has_host_) return false;
    has_host_ = true;
    request_.host = value;
  }
  if (same_name(name, "accept")) request_.accept = value;
  return true;
}

}  // namespace mx_rmq::runtime
