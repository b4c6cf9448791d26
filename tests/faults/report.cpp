#include "faults/report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mx_rmq::faults {
namespace {

std::string field(const std::string& info, const std::string& name) {
  const std::size_t at = info.find('\n' + name + ':');
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 2;
  return info.substr(begin, info.find_first_of("\r\n", begin) - begin);
}

std::string version_of(const std::string& info) {
  const std::string valkey = field(info, "valkey_version");
  return valkey.empty() ? "Redis " + field(info, "redis_version") : "Valkey " + valkey;
}

std::int64_t in_ms(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

void report(const std::string& name, const Verdict& verdict, std::uint64_t seed,
            const std::string& server_info, std::chrono::milliseconds took) {
  nlohmann::json row;
  row["fault"] = name;
  row["messages"] = verdict.acknowledged;
  row["lost"] = verdict.lost;
  row["forgotten"] = verdict.forgotten;
  row["twice_explained"] = verdict.explained_total();
  row["twice_unexplained"] = verdict.unexplained;
  row["explained"] = verdict.explained;
  row["seen"] = verdict.seen;
  row["dead"] = verdict.dead;
  row["longest_gap_ms"] = in_ms(verdict.longest_gap);
  row["seed"] = seed;
  row["server"] = version_of(server_info);
  row["seconds"] = static_cast<double>(took.count()) / 1000;
  row["holds"] = verdict.holds();
  std::printf("%-44s %9s %5s %9s %9s %9s %7s %12s  %s\n", "fault", "messages", "lost", "forgotten",
              "explained", "unexpl.", "gap ms", "seed", "server");
  std::printf("%-44s %9ld %5ld %9ld %9ld %9ld %7ld %12lu  %s\n", name.c_str(), verdict.acknowledged,
              verdict.lost, verdict.forgotten, verdict.explained_total(), verdict.unexplained,
              in_ms(verdict.longest_gap), seed, version_of(server_info).c_str());
  std::fflush(stdout);
  const char* const path = std::getenv("MX_RMQ_FAULTS_REPORT");
  if (path == nullptr || *path == '\0') return;
  const std::string line = row.dump() + '\n';
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const bool good =
      file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (file >= 0) ::close(file);
  if (!good) throw std::runtime_error(std::string("cannot write the report ") + path);
}

}  // namespace mx_rmq::faults
