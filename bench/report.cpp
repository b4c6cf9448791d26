#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace bench {

using Json = nlohmann::ordered_json;

std::string fixed(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string grouped(double value) {
  std::string text = fixed(value, 0);
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  for (std::size_t at = text.size(); at > sign + 3;) text.insert(at -= 3, ",");
  return text;
}

void Row::label(const std::string& column, const std::string& value) {
  text(column, value);
  data(column, value);
}

void Row::text(const std::string& column, const std::string& value) {
  cells_.emplace_back(column, value);
}

void Row::number(const std::string& column, const std::string& name, double value, int decimals) {
  cells_.emplace_back(column, decimals == 0 ? grouped(value) : fixed(value, decimals));
  json_[name] = value;
}

void Row::data(const std::string& name, Json value) { json_[name] = std::move(value); }

Section::Section(std::string name, std::string about)
    : name_(std::move(name)), about_(std::move(about)) {}

void Section::value(const std::string& name, Json value) { values_[name] = std::move(value); }

void Section::target(const std::string& what, double measured, Bound bound, int decimals) {
  Json out;
  out["what"] = what;
  out["wanted"] = std::string(bound.least ? ">= " : "<= ") +
                  (decimals == 0 ? grouped(bound.value) : fixed(bound.value, decimals));
  out["measured"] = measured;
  out["shown"] = decimals == 0 ? grouped(measured) : fixed(measured, decimals);
  out["holds"] = bound.least ? measured >= bound.value : measured <= bound.value;
  targets_.push_back(std::move(out));
}

void print_targets(const Json& targets) {
  if (targets.empty()) return;
  std::size_t width = 0;
  for (const Json& each : targets) width = std::max(width, each["what"].get<std::string>().size());
  std::printf("\ntargets\n");
  for (const Json& each : targets) {
    std::printf("  %-*s  %12s  %12s  %s\n", static_cast<int>(width),
                each["what"].get<std::string>().c_str(), each["shown"].get<std::string>().c_str(),
                each["wanted"].get<std::string>().c_str(),
                each["holds"].get<bool>() ? "yes" : "NO");
  }
}

void Section::print() const {
  std::printf("\n%s: %s\n", name_.c_str(), about_.c_str());
  if (!rows_.empty()) {
    // Rows of a section have the same columns. The first one is text and stands at the left.
    const auto& head = rows_.front().cells();
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < head.size(); ++i) {
      std::size_t width = head[i].first.size();
      for (const Row& row : rows_) width = std::max(width, row.cells().at(i).second.size());
      widths.push_back(width);
    }
    const auto line = [&](auto&& cell) {
      for (std::size_t i = 0; i < head.size(); ++i) {
        const int width = static_cast<int>(widths[i]) * (i == 0 ? -1 : 1);
        std::printf("  %*s", width, cell(i).c_str());
      }
      std::printf("\n");
    };
    line([&](std::size_t i) { return head[i].first; });
    for (const Row& row : rows_) line([&](std::size_t i) { return row.cells()[i].second; });
  }
  for (const std::string& note : notes_) std::printf("  %s\n", note.c_str());
  std::fflush(stdout);
}

Json Section::json() const {
  Json out;
  out["name"] = name_;
  out["about"] = about_;
  out["rows"] = Json::array();
  for (const Row& row : rows_) out["rows"].push_back(row.json());
  for (const auto& [name, value] : values_.items()) out[name] = value;
  out["notes"] = notes_;
  out["targets"] = targets_;
  return out;
}

}  // namespace bench
