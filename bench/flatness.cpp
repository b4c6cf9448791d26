#include "flatness.hpp"

#include "samples.hpp"

namespace bench {
namespace {

std::vector<double> redis_cpu(const std::vector<Round>& rounds) {
  std::vector<double> out;
  for (const Round& round : rounds) out.push_back(round.redis_cpu / round.messages);
  return out;
}

std::vector<double> time(const std::vector<Round>& rounds) {
  std::vector<double> out;
  for (const Round& round : rounds) out.push_back(round.seconds / round.messages);
  return out;
}

}  // namespace

FlatVariant measure_flat(Bench& bench, long messages, const Pass& reference, const Pass& library,
                         const Pass& limit) {
  FlatVariant out;
  for (const Pass* pass : {&reference, &library, &limit}) (*pass)(messages);  // to warm up
  const int passes = bench.options.rounds * (bench.options.quick ? 1 : 5);
  for (int i = 0; i < passes; ++i) {
    out.reference.push_back(reference(messages));
    out.library.push_back(library(messages));
    out.limit.push_back(limit(messages));
  }
  return out;
}

void Flatness::add(Row& row, const FlatVariant& variant) {
  redis_cpu_.push_back(median_ratio(redis_cpu(variant.library), redis_cpu(variant.reference)));
  time_.push_back(median_ratio(time(variant.library), time(variant.reference)));
  row.number("Redis of ref.", "redis_cpu_of_reference", redis_cpu_.back(), 2);
  row.number("time of ref.", "time_of_reference", time_.back(), 2);
}

void Flatness::judge(Section& section, const std::string& range, double most) const {
  section.target("Redis CPU a message, " + range + ", max/min - 1", unevenness(redis_cpu_),
                 at_most(most), 2);
  section.target("time a message, " + range + ", max/min - 1", unevenness(time_), at_most(most), 2);
}

}  // namespace bench
