#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mxrmq {

/// How results are written.
enum class Format { table, json, jsonl, tsv };

/// One column: its name in JSON and TSV, which is the head of the table's column too.
struct Column {
  std::string name;
  std::size_t most = 0;  ///< columns that the table shows of it at most; 0: all
};

/// Rows of one kind, written to stdout: a table that aligns, one JSON array, a JSON object a line,
/// or tab-separated values with a head. Numbers stand at the right, null is empty (in a table "-").
class Output {
 public:
  Output(Format format, std::vector<Column> columns);

  /// One value a column. What is no string is shown as JSON.
  void row(std::vector<nlohmann::json> values);
  /// Writes what has not been written; the table says `if_none` if there was no row.
  void finish(const std::string& if_none);

 private:
  [[nodiscard]] nlohmann::ordered_json object(const std::vector<nlohmann::json>& values) const;
  void write_table(const std::string& if_none) const;

  const Format format_;
  const std::vector<Column> columns_;
  std::vector<std::vector<nlohmann::json>> rows_;  // of tables and of JSON
};

/// One thing with named parts: a table of two columns, a JSON object, or lines `name<tab>value`.
void write_record(Format format, const nlohmann::ordered_json& record);

/// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::int64_t number);

}  // namespace mxrmq
