// A program that a test starts, signals and kills.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace mx_rmq::test {

struct ChildOptions {
  std::vector<std::string> arguments = {};    // without the program's name
  std::vector<std::string> environment = {};  // "NAME=value", beside what this process has
  std::string output_file = {};               // takes stdout and stderr; empty: the test's own
  std::string working_directory = {};         // empty: the test's own
};

// How a child ended.
struct ChildExit {
  bool exited = false;  // by itself, with `code`; else killed by `signal`
  int code = 0;
  int signal = 0;
};

// Owns one child process: the destructor kills it with SIGKILL and reaps it. The kernel kills it
// too when this process dies, however it dies. Start and use it from any thread; calls are not to
// overlap.
class ChildProcess {
 public:
  // Throws std::runtime_error if the program cannot be executed. A name without a slash is looked
  // up in PATH.
  static ChildProcess start(const std::string& program, ChildOptions options = {});

  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  // -1 if there is none or it has been reaped.
  pid_t pid() const noexcept { return pid_; }
  // True until it has ended; reaps it when it has.
  bool running();
  // Sends a signal; false if it has ended.
  bool signal(int number);
  // SIGKILL and reap: when this returns the process is gone.
  void kill();
  // SIGSTOP; returns when every thread of it has stopped. Throws if it does not stop.
  void pause();
  void resume();
  // Waits for its end; nothing if it still runs after `timeout`.
  std::optional<ChildExit> wait(std::chrono::milliseconds timeout);
  // What it has written so far (needs ChildOptions::output_file).
  std::string output() const;

 private:
  bool reap(bool block);

  pid_t pid_ = -1;
  std::optional<ChildExit> exit_;
  std::string output_file_;
};

}  // namespace mx_rmq::test
