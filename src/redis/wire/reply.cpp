#include "redis/wire/reply.hpp"

#include <charconv>
#include <utility>

#include "redis/wire/protocol_error.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::redis {

Reply Reply::integer(std::int64_t value) {
  Reply reply;
  reply.kind_ = Kind::integer;
  reply.integer_ = value;
  return reply;
}

Reply Reply::array(std::vector<Reply> items) {
  Reply reply;
  reply.kind_ = Kind::array;
  reply.items_ = std::move(items);
  return reply;
}

std::int64_t Reply::as_integer() const {
  if (kind_ == Kind::integer) return integer_;
  if (kind_ == Kind::string) {
    std::int64_t value = 0;
    const char* const end = text_.data() + text_.size();
    const auto parsed = std::from_chars(text_.data(), end, value);
    if (parsed.ec == std::errc() && parsed.ptr == end) return value;
  }
  mismatch("an integer");
}

const std::string& Reply::as_string() const {
  if (kind_ != Kind::string && kind_ != Kind::status) mismatch("a string");
  return text_;
}

std::string Reply::take_string() {
  if (kind_ != Kind::string && kind_ != Kind::status) mismatch("a string");
  return std::move(text_);
}

const std::vector<Reply>& Reply::as_array() const {
  if (kind_ != Kind::array) mismatch("an array");
  return items_;
}

std::vector<Reply>& Reply::as_array() {
  if (kind_ != Kind::array) mismatch("an array");
  return items_;
}

const Reply& Reply::at(std::size_t index) const {
  const std::vector<Reply>& items = as_array();
  if (index >= items.size()) mismatch("an array with element " + std::to_string(index));
  return items[index];
}

Reply& Reply::at(std::size_t index) { return const_cast<Reply&>(std::as_const(*this).at(index)); }

const std::string& Reply::error_text() const {
  if (kind_ != Kind::error) mismatch("an error");
  return text_;
}

std::string_view Reply::name(Kind kind) noexcept {
  switch (kind) {
    case Kind::nil:
      return "nil";
    case Kind::status:
      return "status";
    case Kind::error:
      return "error";
    case Kind::integer:
      return "integer";
    case Kind::string:
      return "string";
    case Kind::array:
      return "array";
  }
  return "?";
}

std::string Reply::describe() const {
  std::string text(name(kind_));
  switch (kind_) {
    case Kind::nil:
      break;
    case Kind::integer:
      text += " " + std::to_string(integer_);
      break;
    case Kind::array:
      text += " of " + std::to_string(items_.size());
      break;
    default:
      text += " " + runtime::text::quoted(text_);
  }
  return text;
}

void Reply::mismatch(std::string_view wanted) const {
  throw ProtocolError("unexpected reply from Redis: " + std::string(wanted) +
                      " was expected, but it is " + describe());
}

}  // namespace mx_rmq::redis
