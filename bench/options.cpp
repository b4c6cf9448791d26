#include "options.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace bench {

Options parse_options(int argc, char** argv) {
  Options options;
  bool rounds_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto value = [&]() -> std::string {
      if (++i == argc) throw std::invalid_argument(std::string(option) + " needs a value");
      return argv[i];
    };
    if (option == "--help" || option == "-h") {
      options.help = true;
    } else if (option == "--list") {
      options.list = true;
    } else if (option == "--quick") {
      options.quick = true;
    } else if (option == "--only") {
      options.only.push_back(value());
    } else if (option == "--json") {
      options.json = value();
    } else if (option == "--worker") {
      options.worker.emplace();
      options.worker->url = value();
      options.worker->topic = value();
    } else if (option == "--rounds") {
      const std::string text = value();
      const char* const end = text.data() + text.size();
      const auto read = std::from_chars(text.data(), end, options.rounds);
      if (read.ec != std::errc() || read.ptr != end || options.rounds < 1 || options.rounds > 1000)
        throw std::invalid_argument("--rounds needs a number from 1 to 1000, not " + text);
      rounds_given = true;
    } else {
      throw std::invalid_argument("unknown option " + std::string(option) + " (see --help)");
    }
  }
  if (options.quick && !rounds_given) options.rounds = 2;
  return options;
}

std::string usage() {
  return
      R"(usage: mx-rmq-bench [--only SCENARIO]... [--rounds N] [--quick] [--json FILE]
       mx-rmq-bench --list | --help

Measures the library beside the limit: the same scripts and the same bytes through plain pipelined
hiredis in one thread. Both take turns, round by round, on one Redis.

  --only SCENARIO  this scenario; may be given several times
  --list           the scenarios
  --rounds N       measured rounds of each figure (default 5, with --quick 2); medians are shown
  --quick          small sizes: shows that everything runs, and no figure that counts
  --json FILE      all figures, those of each round too, and the machine

It starts a redis-server of its own ($MX_RMQ_REDIS_SERVER, else redis-server), or uses $REDIS_URL.
That must be a scratch one: it has to be empty, and everything in it is deleted between rounds.
)";
}

}  // namespace bench
