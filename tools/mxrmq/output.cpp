#include "output.hpp"

#include <algorithm>
#include <iostream>
#include <utility>

#include "terminal.hpp"

namespace mxrmq {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

template <class Json>
std::string plain(const Json& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return value.template get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// What a person reads.
template <class Json>
std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_number_integer()) return grouped(value.template get<std::int64_t>());
  return terminal::harmless(plain(value));
}

// A cell of tab-separated values holds no tab, no line end and no other control character.
template <class Json>
std::string cell(const Json& value) {
  constexpr const char* hex = "0123456789abcdef";
  std::string out;
  for (const char c : plain(value)) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7F)
      out += {'\\', 'x', hex[byte >> 4U], hex[byte & 15U]};
    else
      out += c;
  }
  return out;
}

std::string dumped(const ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

Output::Output(Format format, std::vector<Column> columns)
    : format_(format), columns_(std::move(columns)) {
  if (format_ != Format::tsv) return;
  for (std::size_t i = 0; i < columns_.size(); ++i)
    std::cout << (i > 0 ? "\t" : "") << columns_[i].name;
  std::cout << '\n';
}

ordered_json Output::object(const std::vector<json>& values) const {
  ordered_json out = ordered_json::object();
  for (std::size_t i = 0; i < columns_.size(); ++i) out[columns_[i].name] = values.at(i);
  return out;
}

void Output::row(std::vector<json> values) {
  switch (format_) {
    case Format::jsonl:
      std::cout << dumped(object(values), -1) << '\n';
      break;
    case Format::tsv:
      for (std::size_t i = 0; i < columns_.size(); ++i)
        std::cout << (i > 0 ? "\t" : "") << cell(values.at(i));
      std::cout << '\n';
      break;
    case Format::json:
    case Format::table:
      rows_.push_back(std::move(values));
      break;
  }
}

void Output::finish(const std::string& if_none) {
  if (format_ == Format::table) write_table(if_none);
  if (format_ == Format::json) {
    ordered_json all = ordered_json::array();
    for (const auto& each : rows_) all.push_back(object(each));
    std::cout << dumped(all, 2) << '\n';
  }
  std::cout << std::flush;
}

void Output::write_table(const std::string& if_none) const {
  if (rows_.empty()) {
    std::cout << if_none << '\n';
    return;
  }
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(terminal::columns(column.name));
  for (const auto& values : rows_) {
    auto& row = cells.emplace_back();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      std::string text = shown(values.at(i));
      if (columns_[i].most > 0) text = terminal::shortened(text, columns_[i].most);
      widths[i] = std::max(widths[i], terminal::columns(text));
      row.push_back(std::move(text));
    }
  }
  const auto number = [this](std::size_t i) {
    return std::ranges::any_of(rows_, [i](const auto& row) { return row.at(i).is_number(); });
  };
  const auto write = [&](std::size_t i, const std::string& text, bool head) {
    const std::string pad(widths[i] - terminal::columns(text), ' ');
    const bool last = i + 1 == columns_.size();
    const std::string painted = head ? terminal::bold(text) : text;
    if (number(i)) {
      std::cout << pad << painted;
    } else {
      std::cout << painted << (last ? "" : pad);
    }
    std::cout << (last ? "\n" : "  ");
  };
  for (std::size_t i = 0; i < columns_.size(); ++i) write(i, columns_[i].name, true);
  for (const auto& row : cells)
    for (std::size_t i = 0; i < columns_.size(); ++i) write(i, row[i], false);
}

void write_record(Format format, const ordered_json& record) {
  switch (format) {
    case Format::json:
      std::cout << dumped(record, 2) << '\n';
      break;
    case Format::jsonl:
      std::cout << dumped(record, -1) << '\n';
      break;
    case Format::tsv:
      for (const auto& [name, value] : record.items())
        std::cout << name << '\t' << cell(value) << '\n';
      break;
    case Format::table: {
      std::size_t width = 0;
      for (const auto& [name, value] : record.items())
        width = std::max(width, terminal::columns(name));
      for (const auto& [name, value] : record.items())
        std::cout << terminal::bold(name) << std::string(width - terminal::columns(name) + 2, ' ')
                  << shown(value) << '\n';
      break;
    }
  }
  std::cout << std::flush;
}

}  // namespace mxrmq
