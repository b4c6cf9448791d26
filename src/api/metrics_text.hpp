#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mx_rmq/duration_histogram.hpp"
#include "mx_rmq/metrics.hpp"

namespace mx_rmq::api {

/// Writes metrics as text, family by family: what it is, then all its samples together. In the
/// format of Prometheus a counter's family has its full name; in OpenMetrics it is without _total,
/// and the text has an end.
class MetricsText {
 public:
  explicit MetricsText(MetricsFormat format) : format_(format) {}

  /// `name` without mx_rmq_, of a counter with _total.
  void family(std::string_view name, std::string_view type, std::string_view help);
  /// `labels` as label() makes them.
  void sample(const std::string& labels, const std::string& value) { line("", labels, value); }
  void sample(const std::string& labels, std::int64_t value) {
    sample(labels, std::to_string(value));
  }
  void histogram(const std::string& labels, const DurationHistogram& histogram);
  /// A family that has one sample.
  void single(std::string_view name, std::string_view type, std::string_view help,
              const std::string& value) {
    family(name, type, help);
    sample("", value);
  }

  /// The whole text. Nothing may be written afterwards.
  [[nodiscard]] std::string take();

  /// `name="value"`, the value escaped: backslash, quote and newline.
  [[nodiscard]] static std::string label(std::string_view name, std::string_view value);
  [[nodiscard]] static std::string number(double value);

 private:
  void line(std::string_view suffix, const std::string& labels, const std::string& value);

  const MetricsFormat format_;
  std::string name_;
  std::string out_;
};

}  // namespace mx_rmq::api
