#include "support/child_process.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using namespace std::chrono_literals;

// A zombie is gone: who reaps an orphan, and when, is not our concern.
std::string state_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(stat, line);
  return line.empty() || line.find(") Z") != std::string::npos ? "gone" : "there";
}

// DiesWithItsParent runs this program again with this variable set: then it starts a child, as a
// test would, and waits to be killed.
[[maybe_unused]] const bool run_as_parent = [] {
  const char* const file = std::getenv("MX_ORPHAN_FILE");
  if (file == nullptr) return false;
  ChildOptions options;
  options.arguments = {"-c", "echo $$; exec sleep 100"};
  options.output_file = file;
  ChildProcess child = ChildProcess::start("sh", options);
  child.wait(60s);
  std::_Exit(1);
}();

TEST(ChildProcess, ReportsTheExitCode) {
  ChildProcess child = ChildProcess::start("sh", {.arguments = {"-c", "exit 7"}});
  const auto ended = child.wait(5s);
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->exited);
  EXPECT_EQ(ended->code, 7);
  EXPECT_FALSE(child.running());
}

TEST(ChildProcess, ReportsTheSignalThatKilledIt) {
  ChildProcess child = ChildProcess::start("sleep", {.arguments = {"100"}});
  EXPECT_TRUE(child.running());
  EXPECT_FALSE(child.wait(0ms).has_value());
  EXPECT_TRUE(child.signal(SIGTERM));
  const auto ended = child.wait(5s);
  ASSERT_TRUE(ended.has_value());
  EXPECT_FALSE(ended->exited);
  EXPECT_EQ(ended->signal, SIGTERM);
  EXPECT_FALSE(child.signal(SIGTERM));
}

TEST(ChildProcess, TakesEnvironmentAndOutput) {
  const std::string file = testing::TempDir() + "child_output_" + std::to_string(::getpid());
  ChildOptions options;
  options.arguments = {"-c", "echo \"$MX_WORD\"; echo two >&2; pwd"};
  options.environment = {"MX_WORD=one"};
  options.working_directory = "/";
  options.output_file = file;
  ChildProcess child = ChildProcess::start("sh", options);
  ASSERT_TRUE(child.wait(5s).has_value());
  EXPECT_EQ(child.output(), "one\ntwo\n/\n");
  std::filesystem::remove(file);
}

TEST(ChildProcess, RefusesAProgramThatDoesNotExist) {
  EXPECT_THROW(ChildProcess::start("/no/such/program"), std::runtime_error);
}

TEST(ChildProcess, DestructorKillsAndReaps) {
  pid_t pid = -1;
  {
    ChildProcess child = ChildProcess::start("sleep", {.arguments = {"100"}});
    pid = child.pid();
    EXPECT_EQ(state_of(pid), "there");
  }
  EXPECT_EQ(state_of(pid), "gone");
}

TEST(ChildProcess, OutlivesTheThreadThatStartedIt) {
  ChildProcess child;
  std::thread([&child] { child = ChildProcess::start("sleep", {.arguments = {"100"}}); }).join();
  // If the kernel took the thread's end for its parent's, it would be killed at once.
  EXPECT_FALSE(child.wait(100ms).has_value());
}

TEST(ChildProcess, PauseStopsItUntilResume) {
  const std::string file = testing::TempDir() + "child_pause_" + std::to_string(::getpid());
  ChildOptions options;
  options.arguments = {"-c", "while :; do echo x; sleep 0.002; done"};
  options.output_file = file;
  ChildProcess child = ChildProcess::start("sh", options);
  ASSERT_TRUE(wait_for(5s, [&] { return child.output().size() > 4; }));
  child.pause();
  const std::size_t at_pause = child.output().size();
  std::this_thread::sleep_for(30ms);  // time in which a running one would have written
  EXPECT_EQ(child.output().size(), at_pause);
  child.resume();
  EXPECT_TRUE(wait_for(5s, [&] { return child.output().size() > at_pause; }));
  child.kill();
  std::filesystem::remove(file);
}

TEST(ChildProcess, DiesWithItsParent) {
  const std::string file = testing::TempDir() + "child_orphan_" + std::to_string(::getpid());
  pid_t grandchild = -1;
  {
    // This very program, as a parent that is going to be killed: see run_as_parent.
    ChildOptions options;
    options.environment = {"MX_ORPHAN_FILE=" + file};
    ChildProcess parent = ChildProcess::start("/proc/self/exe", options);
    ASSERT_TRUE(wait_for(10s, [&] {
      std::error_code error;
      return std::filesystem::file_size(file, error) > 0 && !error;
    }));
    std::ifstream(file) >> grandchild;
    EXPECT_EQ(state_of(grandchild), "there");
    parent.kill();
  }
  EXPECT_TRUE(wait_for(5s, [&] { return state_of(grandchild) == "gone"; }));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace mx_rmq::test
