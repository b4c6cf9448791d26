#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mx_rmq_scripts.hpp"
#include "redis/wire/protocol_error.hpp"
#include "redis/wire/reply.hpp"

namespace mx_rmq::broker {

/// Reads a script's flat reply from left to right; ProtocolError, naming the script and the place,
/// for whatever is not as its header says. Strings are moved out.
class Fields {
 public:
  Fields(const lua::Script& script, redis::Reply&& reply) : Fields(script.name, std::move(reply)) {}
  /// The reply of `command`, which must outlive this.
  Fields(std::string_view command, redis::Reply&& reply)
      : command_(command), reply_(std::move(reply)) {
    if (!reply_.is_array()) fail("an array");
  }

  [[nodiscard]] std::size_t left() const { return reply_.size() - at_; }
  /// Whether a number comes next.
  [[nodiscard]] bool number_follows() {
    return left() > 0 && reply_.at(at_).kind() == redis::Reply::Kind::integer;
  }
  /// Whether this word comes next; it is passed over.
  bool skip(std::string_view word) {
    if (left() == 0 || reply_.at(at_).kind() != redis::Reply::Kind::string) return false;
    if (reply_.at(at_).as_string() != word) return false;
    ++at_;
    return true;
  }

  std::int64_t number() {
    redis::Reply& field = next("a number");
    try {
      return field.as_integer();
    } catch (const redis::ProtocolError&) {
      fail("a number");
    }
  }
  /// What anybody may have written: nothing if it is no number.
  std::optional<std::int64_t> stored_number() {
    redis::Reply& field = next("a number");
    try {
      return field.as_integer();
    } catch (const redis::ProtocolError&) {
      return std::nullopt;
    }
  }
  /// 0 or more.
  std::int64_t count() {
    const std::int64_t value = number();
    if (value < 0) fail("a number that is not negative");
    return value;
  }
  bool flag() {
    const std::int64_t value = number();
    if (value != 0 && value != 1) fail("0 or 1");
    return value == 1;
  }
  /// A sorted set's score as ms: written by whoever, so it need not be whole.
  std::int64_t score();
  /// Which of `allowed` it is.
  template <class Word = std::size_t>
  Word word(std::initializer_list<std::string_view> allowed) {
    return static_cast<Word>(place_of_word(allowed));
  }
  /// 'ok', or 'lost', behind which nothing may follow: whether it is that.
  bool lost() {
    const bool lost = word({"ok", "lost"}) == 1;
    if (lost) end();
    return lost;
  }
  std::string text() {
    redis::Reply& field = next("a string");
    if (field.kind() != redis::Reply::Kind::string && field.kind() != redis::Reply::Kind::status) {
      fail("a string");
    }
    return field.take_string();
  }
  std::vector<std::string> rest() {
    std::vector<std::string> out;
    out.reserve(left());
    while (left() > 0) out.push_back(text());
    return out;
  }
  /// Nothing more may follow.
  void end() {
    if (left() > 0) fail("nothing more");
  }
  [[noreturn]] void fail(std::string_view wanted) const;

 private:
  std::size_t place_of_word(std::initializer_list<std::string_view> allowed);
  redis::Reply& next(std::string_view wanted) {
    if (left() == 0) fail(wanted);
    return reply_.at(at_++);
  }

  std::string_view command_;
  redis::Reply reply_;
  std::size_t at_ = 0;
};

/// The one integer a script returned.
[[nodiscard]] std::int64_t single_number(const lua::Script& script, const redis::Reply& reply);

}  // namespace mx_rmq::broker
