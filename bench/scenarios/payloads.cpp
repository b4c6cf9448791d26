// The whole cycle with payloads of several sizes.
#include <algorithm>

#include "passes.hpp"

namespace bench {

void payloads(Bench& bench, Section& section) {
  struct Size {
    const char* name;
    std::size_t bytes;
  };
  constexpr Size sizes[] = {{"20 B", 20},         {"200 B", 200},         {"2 KiB", 2 << 10},
                            {"20 KiB", 20 << 10}, {"200 KiB", 200 << 10}, {"1 MiB", 1 << 20}};
  const double most_bytes = bench.options.quick ? 8e6 : 400e6;
  for (const Size& size : sizes) {
    LibraryShape shape;
    shape.payload_bytes = size.bytes;
    const double bytes = static_cast<double>(size.bytes);
    const long messages =
        std::clamp(static_cast<long>(most_bytes / bytes), 8L, bench.options.size(200'000, 2'000));
    // No more than 64 MB of messages under way in the client.
    const int callers = std::clamp(static_cast<int>(64e6 / bytes), 1, 1'000);
    const Compared both = compare(
        bench, messages, [&](long n) { return library_cycle(bench, shape, Callers{callers}, n); },
        [&](long n) { return limit_cycle(bench, shape, n); });
    Row row = throughput(std::string(size.name) + ", " + grouped(callers) + " callers",
                         both.library, both.limit);
    row.number("MB/s", "megabytes_per_second", row.get("rate") * bytes / 1e6, 0);
    section.add(std::move(row));
  }
}

}  // namespace bench
