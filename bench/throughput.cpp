#include "throughput.hpp"

#include <algorithm>
#include <array>
#include <string_view>

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
