#include "machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace bench {
namespace {

// What follows `name` and a colon in the first such line.
std::string line_of(std::istream& in, const std::string& name) {
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    const std::size_t end = line.find_last_not_of(" \r\t");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "unknown";
}

}  // namespace

nlohmann::ordered_json machine_facts(Plain& redis, bool own_redis) {
  nlohmann::ordered_json out;
  std::ifstream cpu("/proc/cpuinfo");
  out["cpu"] = line_of(cpu, "model name");
  out["cores"] = std::thread::hardware_concurrency();
  const long pages = sysconf(_SC_PHYS_PAGES);
  out["memory_bytes"] = static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  utsname system{};
  uname(&system);
  out["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
  std::istringstream server(redis.info("server"));
  out["redis_version"] = line_of(server, "redis_version");
  std::istringstream memory(redis.info("memory"));
  out["redis_allocator"] = line_of(memory, "mem_allocator");
  out["redis"] = own_redis ? "its own, over a unix socket" : "given by REDIS_URL";
#if defined(__clang__)
  out["compiler"] = "clang " __clang_version__;
#else
  out["compiler"] = "g++ " __VERSION__;
#endif
  out["build_type"] = MX_RMQ_BENCH_BUILD_TYPE;
  out["library_version"] = MX_RMQ_BENCH_VERSION;
  return out;
}

}  // namespace bench
