#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mx_rmq::redis {

/// One RESP2 reply. Move-only, because a copy of a large array by accident is dear. The accessors
/// throw ProtocolError when the reply is of another kind, naming what was expected and what came.
class Reply {
 public:
  enum class Kind : std::uint8_t { nil, status, error, integer, string, array };

  Reply() = default;
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&&) noexcept = default;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() = default;

  static Reply nil() { return Reply(); }
  static Reply status(std::string text) { return Reply(Kind::status, std::move(text)); }
  static Reply error(std::string text) { return Reply(Kind::error, std::move(text)); }
  static Reply string(std::string text) { return Reply(Kind::string, std::move(text)); }
  static Reply integer(std::int64_t value);
  static Reply array(std::vector<Reply> items = {});

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_nil() const noexcept { return kind_ == Kind::nil; }
  [[nodiscard]] bool is_error() const noexcept { return kind_ == Kind::error; }
  [[nodiscard]] bool is_array() const noexcept { return kind_ == Kind::array; }

  /// The number of an integer reply, or of a string that is exactly a decimal number (Lua scripts
  /// return numbers beyond 2^53 as strings).
  [[nodiscard]] std::int64_t as_integer() const;
  /// The text of a string or status reply.
  [[nodiscard]] const std::string& as_string() const;
  /// The same, moved out.
  [[nodiscard]] std::string take_string();
  /// The elements of an array reply.
  [[nodiscard]] const std::vector<Reply>& as_array() const;
  [[nodiscard]] std::vector<Reply>& as_array();
  /// Element `index` of an array reply; ProtocolError also when there are fewer.
  [[nodiscard]] const Reply& at(std::size_t index) const;
  [[nodiscard]] Reply& at(std::size_t index);
  /// Number of elements of an array reply.
  [[nodiscard]] std::size_t size() const { return as_array().size(); }
  /// The text of an error reply, without the leading '-'.
  [[nodiscard]] const std::string& error_text() const;

  [[nodiscard]] static std::string_view name(Kind kind) noexcept;
  /// Kind and a shortened, escaped text; for tests and error messages.
  [[nodiscard]] std::string describe() const;

  friend bool operator==(const Reply&, const Reply&) = default;

 private:
  friend class ReplyReader;
  Reply(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
  [[noreturn]] void mismatch(std::string_view wanted) const;

  Kind kind_ = Kind::nil;
  std::int64_t integer_ = 0;
  std::string text_;
  std::vector<Reply> items_;
};

}  // namespace mx_rmq::redis
