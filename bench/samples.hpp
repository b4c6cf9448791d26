// Medians and quantiles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

namespace bench {

// The q-th quantile (0 to 1) by nearest rank; 0 if there is no value.
inline double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(q * static_cast<double>(values.size()));
  const auto at = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return values[std::min(at, values.size() - 1)];
}

inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

inline Spread spread(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {median(values), *least, *most};
}

// The median of what the i-th of one is of the i-th of the other.
inline double median_ratio(const std::vector<double>& values, const std::vector<double>& of) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(values.size(), of.size()); ++i)
    ratios.push_back(values[i] / of[i]);
  return median(std::move(ratios));
}

// By how much the largest value is above the smallest: 0 is flat.
inline double unevenness(const std::vector<double>& values) {
  const Spread all = spread(values);
  return all.min > 0 ? all.max / all.min - 1 : 0;
}

}  // namespace bench
