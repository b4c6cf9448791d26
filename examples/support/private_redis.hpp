#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mx_rmq/config.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

/// What the examples share. Nothing here belongs to the library; a service has a Redis already.
namespace example {

/// The Redis an example runs on: the one that REDIS_URL names, or else a redis-server of its own on
/// a unix socket in a new directory. Server and directory are gone when the object is, and also
/// when the program is killed: a small process beside it sees the end of its pipe and cleans up.
///
/// To be made first thing in main(): it forks, and only a process without threads may do so freely.
class PrivateRedis {
 public:
  PrivateRedis() {
    const char* const given = std::getenv("REDIS_URL");
    if (given != nullptr && *given != '\0') {
      url_ = given;
      return;
    }
    char name[] = "/tmp/mxrmq-example-XXXXXX";
    if (::mkdtemp(name) == nullptr) fail("cannot make a directory in /tmp");
    directory_ = name;
    socket_ = directory_ + "/redis.sock";
    url_ = "unix://" + socket_;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
    guardian_ = ::fork();
    if (guardian_ < 0) fail("fork");
    if (guardian_ == 0) {
      ::close(ends[1]);
      guard(ends[0]);
    }
    ::close(ends[0]);
    pipe_ = ends[1];
    wait_until_it_answers();
  }

  PrivateRedis(const PrivateRedis&) = delete;
  PrivateRedis& operator=(const PrivateRedis&) = delete;
  ~PrivateRedis() { end(); }

  const std::string& url() const { return url_; }
  bool is_private() const { return guardian_ > 0; }

  /// A configuration for this Redis. Its prefix is new each time, so that what an earlier run left
  /// on a Redis that is not private does not matter.
  mx_rmq::MQConfig config() const {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto stamp = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    mx_rmq::MQConfig config = is_private() ? mx_rmq::MQConfig() : mx_rmq::MQConfig::from_env();
    if (is_private()) config.redis_url = url_;
    config.queue_prefix = "example-" + std::to_string(stamp) + "-" + std::to_string(::getpid());
    return config;
  }

 private:
  [[noreturn]] void fail(const std::string& what) {
    const int error = errno;
    end();
    throw std::system_error(error, std::generic_category(), "private Redis: " + what);
  }

  void end() {
    if (pipe_ >= 0) ::close(pipe_);
    pipe_ = -1;
    if (guardian_ > 0) ::waitpid(guardian_, nullptr, 0);
    guardian_ = -1;
  }

  // The process beside: runs the server until the program closes its end of the pipe, or dies.
  [[noreturn]] void guard(int pipe) {
    ::setsid();  // Ctrl-C is for the program
    const pid_t self = ::getpid();
    const pid_t server = ::fork();
    if (server == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != self) ::_exit(127);
      const int log = ::open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(),
               "--save", "", "--appendonly", "no", "--dir", directory_.c_str(), nullptr);
      ::_exit(127);
    }
    char byte;
    while (::read(pipe, &byte, 1) < 0 && errno == EINTR) {
    }
    if (server > 0) {
      ::kill(server, SIGKILL);
      ::waitpid(server, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
    ::_exit(0);
  }

  void wait_until_it_answers() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(), sizeof address.sun_path - 1);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const bool up =
          ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      ::close(descriptor);
      if (up) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    errno = ETIMEDOUT;
    fail("redis-server does not start; is it installed? (or set REDIS_URL)");
  }

  std::string url_;
  std::string directory_;
  std::string socket_;
  pid_t guardian_ = -1;
  int pipe_ = -1;
};

}  // namespace example
