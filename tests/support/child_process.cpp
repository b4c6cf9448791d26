#include "support/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "support/wait.hpp"

extern char** environ;

namespace mx_rmq::test {
namespace {

// The kernel's parent-death signal comes when the forking *thread* ends. So all forks are done by
// one thread that lives as long as the process; else a server restarted by a short-lived thread of
// a test would die with that thread.
class ForkThread {
 public:
  static ForkThread& instance() {
    static auto* thread = new ForkThread;  // never destroyed: the thread uses it until the very end
    return *thread;
  }

  pid_t run(const std::function<pid_t()>& fork_and_exec) {
    std::lock_guard one_at_a_time(callers_);
    std::unique_lock lock(mutex_);
    job_ = &fork_and_exec;
    changed_.notify_all();
    changed_.wait(lock, [this] { return job_ == nullptr; });
    return result_;
  }

 private:
  ForkThread() {
    std::thread([this] {
      std::unique_lock lock(mutex_);
      for (;;) {
        changed_.wait(lock, [this] { return job_ != nullptr; });
        result_ = (*job_)();
        job_ = nullptr;
        changed_.notify_all();
      }
    }).detach();
  }

  std::mutex callers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<pid_t()>* job_ = nullptr;
  pid_t result_ = -1;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& each : strings) out.push_back(each.data());
  out.push_back(nullptr);
  return out;
}

// Runs in the forked child, so nothing here may allocate or lock. Reports errno through `report`.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment,
                         const ChildOptions& options, pid_t parent, int report) {
  auto fail = [report] {
    const int error = errno;
    [[maybe_unused]] const ssize_t ignored = ::write(report, &error, sizeof error);
    ::_exit(127);
  };
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) fail();
  if (!options.output_file.empty()) {
    const int out = ::open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (out < 0 || ::dup2(out, STDOUT_FILENO) < 0 || ::dup2(out, STDERR_FILENO) < 0) fail();
  }
  if (!options.working_directory.empty() && ::chdir(options.working_directory.c_str()) != 0) fail();
#ifdef CLOSE_RANGE_CLOEXEC
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // sockets of the test are none of its business
#endif
  ::execvpe(program, arguments, environment);
  fail();
  ::_exit(127);
}

}  // namespace

ChildProcess ChildProcess::start(const std::string& program, ChildOptions options) {
  std::vector<std::string> argument_strings{program};
  argument_strings.insert(argument_strings.end(), options.arguments.begin(),
                          options.arguments.end());
  std::vector<std::string> environment_strings = options.environment;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry(*each);
    const std::string_view name = entry.substr(0, entry.find('=') + 1);
    bool replaced = false;
    for (const std::string& mine : options.environment) replaced |= mine.starts_with(name);
    if (!replaced) environment_strings.emplace_back(entry);
  }
  const std::vector<char*> arguments = pointers(argument_strings);
  const std::vector<char*> environment = pointers(environment_strings);

  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ForkThread::instance().run([&] {
    const pid_t forked = ::fork();
    if (forked == 0) {
      become(program.c_str(), arguments.data(), environment.data(), options, parent, report[1]);
    }
    return forked;
  });
  const int fork_error = errno;
  ::close(report[1]);
  if (pid < 0) {
    ::close(report[0]);
    throw std::system_error(fork_error, std::generic_category(), "fork");
  }
  ChildProcess child;
  child.pid_ = pid;
  child.output_file_ = options.output_file;
  int error = 0;
  ssize_t got = 0;
  do {  // ends with the exec, which closes the other end
    got = ::read(report[0], &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  ::close(report[0]);
  if (got > 0) {
    child.reap(true);
    throw std::runtime_error("cannot run " + program + ": " + std::strerror(error));
  }
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      exit_(std::exchange(other.exit_, std::nullopt)),
      output_file_(std::move(other.output_file_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    exit_ = std::exchange(other.exit_, std::nullopt);
    output_file_ = std::move(other.output_file_);
  }
  return *this;
}

ChildProcess::~ChildProcess() { kill(); }

bool ChildProcess::reap(bool block) {
  if (pid_ < 0) return true;
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  ChildExit ended;
  if (got > 0 && WIFEXITED(status)) {
    ended.exited = true;
    ended.code = WEXITSTATUS(status);
  } else if (got > 0) {
    ended.signal = WTERMSIG(status);
  }
  exit_ = ended;
  pid_ = -1;
  return true;
}

bool ChildProcess::running() { return !reap(false); }

bool ChildProcess::signal(int number) { return running() && ::kill(pid_, number) == 0; }

void ChildProcess::kill() {
  if (signal(SIGKILL)) reap(true);
}

void ChildProcess::pause() {
  if (!signal(SIGSTOP)) throw std::runtime_error("cannot pause a process that has ended");
  const std::filesystem::path tasks = "/proc/" + std::to_string(pid_) + "/task";
  const bool stopped = wait_for(std::chrono::seconds(5), [&] {
    std::error_code error;
    for (std::filesystem::directory_iterator each(tasks, error), end; each != end;
         each.increment(error)) {
      std::ifstream stat(each->path() / "stat");
      std::string line;
      std::getline(stat, line);
      const std::size_t name_end = line.rfind(") ");  // the name may hold anything
      if (name_end == std::string::npos || line[name_end + 2] != 'T') return false;
    }
    return !error;
  });
  if (!stopped) throw std::runtime_error("the process does not stop");
}

void ChildProcess::resume() { signal(SIGCONT); }

std::optional<ChildExit> ChildProcess::wait(std::chrono::milliseconds timeout) {
  wait_for(timeout, [this] { return !running(); });
  return exit_;
}

std::string ChildProcess::output() const {
  std::ifstream file(output_file_, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace mx_rmq::test
