#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mx_rmq/config.hpp"

/// The one table of MQConfig's fields. Validation, the environment, describe() and the table in the
/// documents are all made from it.
namespace mx_rmq::api {

using Milliseconds = std::chrono::milliseconds;

struct IntField {
  int MQConfig::*member;
  std::int64_t least, most;
  bool or_automatic = false;  ///< MQConfig::automatic is allowed too
};
struct CountField {
  std::int64_t MQConfig::*member;
  std::int64_t least, most;
};
struct BytesField {
  std::size_t MQConfig::*member;
  std::int64_t least, most;
};
struct BoolField {
  bool MQConfig::*member;
};
struct DurationField {
  Milliseconds MQConfig::*member;
  Milliseconds least, most;
};
struct DurationsField {
  std::vector<Milliseconds> MQConfig::*member;
  std::size_t most_elements;
  Milliseconds least, most;  // of each
};
struct RetryField {
  RetryPolicy MQConfig::*member;
};
struct TextField {
  std::string MQConfig::*member;
  std::string_view allowed;
  bool (*valid)(std::string_view);
  /// How the value may be shown; null: as it is.
  std::string (*show)(const std::string&) = nullptr;
  /// Says better than `allowed` what is wrong with a value that is not valid, and no secret.
  std::string (*why)(std::string_view) = nullptr;
};

using FieldKind = std::variant<IntField, CountField, BytesField, BoolField, DurationField,
                               DurationsField, RetryField, TextField>;

struct Field {
  std::string_view name;
  FieldKind kind;
  std::string_view doc;  ///< one sentence for the documents
  /// A variable that other programs use for the same; empty: none.
  std::string_view common_variable = {};
};

/// In the order of MQConfig.
[[nodiscard]] std::span<const Field> config_fields();

/// "MQ_" and the name in upper case.
[[nodiscard]] std::string variable_of(const Field& field);
/// "MX_RMQ_" and the name in upper case: no other product's.
[[nodiscard]] std::string long_variable_of(const Field& field);
/// "1 to 1000", "10ms to 1d" ...
[[nodiscard]] std::string allowed_by(const Field& field);
/// The value, never a secret.
[[nodiscard]] std::string show(const Field& field, const MQConfig& config);
/// The same in a form that parse() takes back, secrets included; for tests.
[[nodiscard]] std::string unparse(const Field& field, const MQConfig& config);
/// Sets the field from text; false: malformed.
[[nodiscard]] bool parse(const Field& field, std::string_view text, MQConfig& config);
/// False: the value is out of the field's own range.
[[nodiscard]] bool in_range(const Field& field, const MQConfig& config);
/// What an error says of a value that is not in_range(), behind the name of the field or variable.
/// `form` (may be empty) tells how a value is written.
[[nodiscard]] std::string why_not(const Field& field, const MQConfig& config,
                                  const std::string& form);
/// False: the text may be, or hold, a secret and is in no message.
[[nodiscard]] bool may_be_quoted(const Field& field);

/// The table for the documents: a Markdown table of all fields, ended by a newline.
[[nodiscard]] std::string config_table_markdown();

}  // namespace mx_rmq::api
