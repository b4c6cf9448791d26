// The command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace bench {

// The bench starts itself as `--worker URL TOPIC`: one of several processes that consume.
struct WorkerOptions {
  std::string url;
  std::string topic;
};

struct Options {
  bool help = false;
  bool list = false;
  bool quick = false;  // small sizes: shows that everything runs, and no figure that counts
  int rounds = 5;
  std::vector<std::string> only;
  std::string json;  // file
  std::optional<WorkerOptions> worker;

  // The full size, or the small one for --quick.
  [[nodiscard]] long size(long full, long small) const { return quick ? small : full; }
};

// Throws std::invalid_argument with what is wrong.
Options parse_options(int argc, char** argv);
std::string usage();

}  // namespace bench
