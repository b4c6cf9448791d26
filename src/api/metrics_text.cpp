#include "api/metrics_text.hpp"

#include <charconv>
#include <chrono>
#include <cmath>

namespace mx_rmq::api {

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = "mx_rmq_";
  name_ += name;
  std::string_view of = name_;
  if (format_ == MetricsFormat::openmetrics && type == "counter")
    of.remove_suffix(std::string_view("_total").size());
  out_.append("# HELP ").append(of).append(" ").append(help).append("\n");
  out_.append("# TYPE ").append(of).append(" ").append(type).append("\n");
}

void MetricsText::line(std::string_view suffix, const std::string& labels,
                       const std::string& value) {
  out_.append(name_).append(suffix);
  if (!labels.empty()) out_.append("{").append(labels).append("}");
  out_.append(" ").append(value).append("\n");
}

void MetricsText::histogram(const std::string& labels, const DurationHistogram& histogram) {
  std::uint64_t up_to = 0;
  for (std::size_t i = 0; i <= DurationHistogram::bounds.size(); ++i) {
    up_to += histogram.in_step(i);
    const bool last = i == DurationHistogram::bounds.size();
    const std::string bound = last ? "+Inf" : number(DurationHistogram::bounds[i]);
    line("_bucket", labels + ',' + label("le", bound), std::to_string(up_to));
  }
  line("_sum", labels, number(std::chrono::duration<double>(histogram.sum()).count()));
  line("_count", labels, std::to_string(up_to));
}

std::string MetricsText::take() {
  if (format_ == MetricsFormat::openmetrics) out_ += "# EOF\n";
  return std::move(out_);
}

std::string MetricsText::label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '"')
      out += "\\\"";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out += '"';
}

std::string MetricsText::number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return error == std::errc{} ? std::string(buffer, end) : "NaN";
}

}  // namespace mx_rmq::api
