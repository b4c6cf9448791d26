// Are the simulation's rules sharp enough? Each planted bug must be found, by a rule, within a
// minute, and all of them within two.
//
//   test_sim_bugs --bug NAME     that bug only, with as many seeds as it takes
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <set>
#include <sstream>
#include <string>

#include "bugs.hpp"
#include "mx_rmq/log.hpp"
#include "points.hpp"
#include "seeds.hpp"

namespace mx_rmq::sim {
namespace {

constexpr std::size_t fewest_bugs = 12;
constexpr double seconds_for_all = 120;
// Each is searched for from seed 1 on; what is found does not depend on the machine.
constexpr std::uint64_t most_seeds = 3000;
// A bug that keeps a process busy for so many seconds is not found.
constexpr rlim_t longest_hunt = 60;

// Of this process's children.
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Found {
  std::uint64_t seed = 0;
  std::string rule;
  std::string what;  // also why nothing was found
};

Found parsed(const std::string& text) {
  Found out;
  std::istringstream in(text);
  in >> out.seed >> out.rule;
  std::getline(in >> std::ws, out.what);
  return out;
}

// Runs seeds in a process of its own, since a bug may end it.
Found hunt(const std::string& name, std::uint64_t most) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit{longest_hunt, longest_hunt};
    ::setrlimit(RLIMIT_CPU, &limit);
    planted::awaken(name);
    Tally tally;
    const auto failure = run_seeds(1, most, {}, tally);
    std::string text = "0 none in " + std::to_string(tally.seeds) + " seeds";
    if (failure) {
      text = std::to_string(failure->seed) + " " + failure->violation.rule + " " +
             failure->violation.what;
    }
    const ssize_t written = ::write(ends[1], text.data(), text.size());
    ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return {0, "none", "died of signal " + std::to_string(WTERMSIG(status))};
  return parsed(text);
}

void print(const planted::Bug& bug, const Found& found, double seconds) {
  std::printf("%-40s %-12s %5llu %6.1f s  %s\n", bug.name.c_str(), found.rule.c_str(),
              static_cast<unsigned long long>(found.seed), seconds,
              found.what.substr(0, 100).c_str());
  std::fflush(stdout);
}

TEST(PlantedBugs, HaveHookPointsAndEveryHookPointHasItsBug) {
  EXPECT_GE(planted::bugs().size(), fewest_bugs);
  std::set<std::string> named;
  for (const planted::Bug& bug : planted::bugs()) {
    EXPECT_TRUE(named.insert(bug.name).second) << bug.name << " is in the table twice";
    EXPECT_TRUE(planted::points().contains(bug.name))
        << "no source in src/ has MX_RMQ_PLANTED(\"" << bug.name << "\")";
  }
  for (const auto& [name, awake] : planted::points()) {
    EXPECT_TRUE(named.contains(name))
        << "MX_RMQ_PLANTED(\"" << name << "\") in src/ is no bug of tests/sim/planted/bugs.cpp";
  }
}

TEST(PlantedBugs, AreAllFoundSoon) {
  const double before = cpu_seconds();
  std::printf("%-40s %-12s %5s\n", "bug", "rule", "seeds");
  std::size_t count = 0;
  for (const planted::Bug& bug : planted::bugs()) {
    const double began = cpu_seconds();
    const Found found = hunt(bug.name, most_seeds);
    print(bug, found, cpu_seconds() - began);
    EXPECT_GT(found.seed, 0U) << bug.name << " was not found: " << bug.what << "; " << found.what;
    if (found.seed == 0) continue;
    ++count;
    // With the same seed the copy keeps every rule while the bug is asleep.
    Tally tally;
    const auto failure = run_seeds(found.seed, 1, {}, tally);
    EXPECT_FALSE(failure.has_value()) << bug.name << " is asleep: " << failure->text();
  }
  const double took = cpu_seconds() - before;
  std::printf("%zu of %zu found in %.1f s\n", count, planted::bugs().size(), took);
  // Of the processor, so that a busy machine makes no difference.
  EXPECT_LT(took, seconds_for_all);
}

int run_one(const char* name) {
  for (const planted::Bug& bug : planted::bugs()) {
    if (bug.name != name) continue;
    const Found found = hunt(bug.name, UINT64_MAX);
    print(bug, found, cpu_seconds());
    return found.seed == 0 ? 1 : 0;
  }
  std::fprintf(stderr, "no such bug: %s\n", name);
  return 2;
}

}  // namespace
}  // namespace mx_rmq::sim

int main(int argc, char** argv) {
  mx_rmq::silence_log();
  ::testing::InitGoogleTest(&argc, argv);
  if (argc == 3 && std::strcmp(argv[1], "--bug") == 0) return mx_rmq::sim::run_one(argv[2]);
  return RUN_ALL_TESTS();
}
