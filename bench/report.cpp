#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "samples.hpp"

namespace bench {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> figures(const std::vector<Round>& rounds, double (*figure)(const Round&)) {
  std::vector<double> out;
  for (const Round& round : rounds) out.push_back(figure(round));
  return out;
}

struct Figure {
  const char* name;
  double (*of)(const Round&);
};
constexpr auto all_figures = std::to_array<Figure>({
    {"messages_per_second", [](const Round& r) { return r.rate(); }},
    {"redis_cpu_us_per_message", [](const Round& r) { return r.redis_cpu / r.messages; }},
    {"script_us_per_message", [](const Round& r) { return r.script_time / r.messages; }},
    {"client_cpu_us_per_message", [](const Round& r) { return r.client_cpu / r.messages; }},
    {"allocations_per_message", [](const Round& r) { return r.allocations / r.messages; }},
    {"commands_per_message", [](const Round& r) { return r.commands / r.messages; }},
    {"peak_rss_bytes", [](const Round& r) { return r.peak_rss; }},
    {"script_p999_us", [](const Round& r) { return r.script_p999.value_or(0); }},
});

Json spread_json(const std::vector<double>& values) {
  const Spread all = spread(values);
  return Json{{"median", all.median}, {"min", all.min}, {"max", all.max}, {"rounds", values}};
}

double middle(const std::vector<Round>& rounds, const char* name) {
  for (const Figure& figure : all_figures) {
    if (figure.name == std::string_view(name)) return median(figures(rounds, figure.of));
  }
  return 0;
}

}  // namespace

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
  return out;
}

Json summary(const std::vector<Round>& rounds) {
  Json out;
  const bool percentile = std::all_of(rounds.begin(), rounds.end(),
                                      [](const Round& r) { return r.script_p999.has_value(); });
  for (const Figure& figure : all_figures) {
    if (figure.name == std::string_view("script_p999_us") && !percentile) {
      out[figure.name] = nullptr;
    } else {
      out[figure.name] = spread_json(figures(rounds, figure.of));
    }
  }
  return out;
}

Row throughput(const std::string& variant, const std::vector<Round>& library,
               const std::vector<Round>& limit) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(library.size(), limit.size()); ++i)
    ratios.push_back(library[i].rate() / limit[i].rate());
  const Spread rates = spread(figures(library, [](const Round& r) { return r.rate(); }));
  const auto pair = [&](const char* name, int decimals) {
    return fixed(middle(library, name), decimals) + " (" + fixed(middle(limit, name), decimals) +
           ")";
  };
  double p999 = 0;
  for (const Round& round : library) p999 = std::max(p999, round.script_p999.value_or(0));

  Row row;
  row.label("variant", variant);
  row.number("messages/s", "rate", rates.median, 0);
  row.text("min-max", grouped(rates.min) + "-" + grouped(rates.max));
  row.number("limit/s", "limit_rate", middle(limit, "messages_per_second"), 0);
  row.number("ratio", "ratio", median(ratios), 2);
  row.text("Redis us (limit)", pair("redis_cpu_us_per_message", 2));
  row.text("client us (limit)", pair("client_cpu_us_per_message", 2));
  row.number("allocs", "allocations", middle(library, "allocations_per_message"), 1);
  row.text("commands (limit)", pair("commands_per_message", 3));
  row.number("p99.9 script ms", "script_p999_ms", p999 / 1000, 2);
  row.number("RSS MB", "rss_mb", middle(library, "peak_rss_bytes") / 1e6, 0);
  row.data("library", summary(library));
  row.data("limit", summary(limit));
  row.data("ratios", ratios);
  return row;
}

}  // namespace bench
