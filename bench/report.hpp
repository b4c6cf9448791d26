// What was measured, as a table for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace bench {

// A line of a table.
class Row {
 public:
  // What the row is about, in both.
  void label(const std::string& column, const std::string& value);
  // In the table only.
  void text(const std::string& column, const std::string& value);
  // Shown with that many decimals under `column`; `name` in the JSON.
  void number(const std::string& column, const std::string& name, double value, int decimals);
  // In the JSON only.
  void data(const std::string& name, nlohmann::ordered_json value);

  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& cells() const {
    return cells_;
  }
  [[nodiscard]] const nlohmann::ordered_json& json() const { return json_; }
  [[nodiscard]] double get(const std::string& name) const { return json_.at(name).get<double>(); }

 private:
  std::vector<std::pair<std::string, std::string>> cells_;
  nlohmann::ordered_json json_;
};

// What a figure should be.
struct Bound {
  double value;
  bool least;  // else most
};
inline Bound at_least(double value) { return {value, true}; }
inline Bound at_most(double value) { return {value, false}; }

// One scenario's part. Prints itself when it is done.
class Section {
 public:
  Section(std::string name, std::string about);

  void add(Row row) { rows_.push_back(std::move(row)); }
  // A line below the table; `value` goes to the JSON beside the rows.
  void note(std::string text) { notes_.push_back(std::move(text)); }
  void value(const std::string& name, nlohmann::ordered_json value);

  // What the figures must show; listed at the end of the run.
  void target(const std::string& what, double measured, Bound bound, int decimals);

  void print() const;
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] const nlohmann::ordered_json& targets() const { return targets_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] nlohmann::ordered_json json() const;

 private:
  std::string name_;
  std::string about_;
  std::vector<Row> rows_;
  std::vector<std::string> notes_;
  nlohmann::ordered_json values_;
  nlohmann::ordered_json targets_ = nlohmann::ordered_json::array();
};

// The targets of several sections, a line each.
void print_targets(const nlohmann::ordered_json& targets);

// 12345.6 as "12,346".
std::string grouped(double value);
std::string fixed(double value, int decimals);

}  // namespace bench
