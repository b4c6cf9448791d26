// What a service gets that sets nothing: beside the same library tuned for handlers that do
// nothing, and beside what its workers could do at most where handlers take a time.
#include <vector>

#include "passes.hpp"
#include "samples.hpp"

namespace bench {
namespace {

using Passing = Round (*)(Bench& bench, const LibraryShape& shape, long messages);

Round consumed(Bench& bench, const LibraryShape& shape, long messages) {
  return library_consume(bench, shape, messages);
}

Round cycled(Bench& bench, const LibraryShape& shape, long messages) {
  return library_cycle(bench, shape, Callers{1'000}, messages);
}

Row row_of(const std::string& what, const Spread& rates, double beside, double ratio) {
  Row row;
  row.label("variant", what);
  row.number("messages/s", "rate", rates.median, 0);
  row.text("min-max", grouped(rates.min) + "-" + grouped(rates.max));
  row.number("beside/s", "beside_rate", beside, 0);
  row.number("ratio", "ratio", ratio, 3);
  return row;
}

std::vector<double> rates_of(const std::vector<Round>& rounds) {
  std::vector<double> rates;
  for (const Round& round : rounds) rates.push_back(round.rate());
  return rates;
}

void beside_tuned(Bench& bench, Section& section, const std::string& what, bool blocking,
                  Passing pass) {
  LibraryShape usual = LibraryShape::defaults();
  usual.blocking = blocking;
  LibraryShape tuned;
  tuned.blocking = blocking;
  tuned.queue_size = 2'048;
  const long messages = bench.options.size(blocking ? 100'000 : 300'000, 2'000);
  const Compared both = compare(
      bench, messages, [&](long n) { return pass(bench, usual, n); },
      [&](long n) { return pass(bench, tuned, n); });
  const std::vector<double> mine = rates_of(both.library);
  const std::vector<double> theirs = rates_of(both.limit);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < mine.size(); ++i) ratios.push_back(mine[i] / theirs[i]);
  const double ratio = median(ratios);
  Row row = row_of(what + ", beside task_queue_size 2,048 and max_workers 100", spread(mine),
                   median(theirs), ratio);
  row.data("usual", summary(both.library));
  row.data("tuned", summary(both.limit));
  section.add(std::move(row));
  section.target("defaults, " + what + ", of the tuned figure", ratio, at_least(0.60), 2);
}

void beside_possible(Bench& bench, Section& section, bool blocking) {
  LibraryShape shape = LibraryShape::defaults();
  shape.blocking = blocking;
  shape.takes = std::chrono::milliseconds(5);
  const double possible = shape.workers / std::chrono::duration<double>(shape.takes).count();
  std::vector<double> rates;
  for (int round = 0; round < bench.options.rounds; ++round) {
    bench.redis.flush_all();
    rates.push_back(library_consume(bench, shape, bench.options.size(5'000, 200)).rate());
  }
  const std::string what =
      std::string("handlers of 5 ms, ") + (blocking ? "blocking" : "coroutine");
  const double ratio = median(rates) / possible;
  section.add(row_of(what + ", beside workers that never wait", spread(rates), possible, ratio));
  section.target("defaults, " + what + ", of what is possible", ratio, at_least(0.97), 3);
}

}  // namespace

void defaults(Bench& bench, Section& section) {
  for (const bool blocking : {false, true}) {
    const std::string handler = blocking ? "blocking" : "coroutine";
    beside_tuned(bench, section, "consume only, " + handler, blocking, consumed);
    beside_tuned(bench, section, "end to end, " + handler, blocking, cycled);
  }
  for (const bool blocking : {false, true}) beside_possible(bench, section, blocking);
}

}  // namespace bench
