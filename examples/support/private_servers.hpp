#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

/// What the examples with several servers share. Nothing here belongs to the library.
namespace example {

/// A port of 127.0.0.1 that nobody listens on.
inline int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool found =
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(descriptor);
  if (!found) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

/// A directory that is gone with the object.
class PrivateDirectory {
 public:
  PrivateDirectory() {
    char name[] = "/tmp/mxrmq-example-XXXXXX";
    if (::mkdtemp(name) == nullptr) throw std::runtime_error("cannot make a directory in /tmp");
    path_ = name;
  }
  ~PrivateDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// redis-server processes, each with arguments of its own. They end with the object, and also when
/// the program is killed: a small process beside it sees the end of its pipe. To be made before
/// anything that has threads, since it forks.
class PrivateServers {
 public:
  explicit PrivateServers(const std::vector<std::vector<std::string>>& commands) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
    guardian_ = ::fork();
    if (guardian_ < 0) throw std::system_error(errno, std::generic_category());
    if (guardian_ == 0) {
      ::close(ends[1]);
      guard(ends[0], commands);
    }
    ::close(ends[0]);
    pipe_ = ends[1];
  }
  ~PrivateServers() {
    ::close(pipe_);
    ::waitpid(guardian_, nullptr, 0);
  }
  PrivateServers(const PrivateServers&) = delete;
  PrivateServers& operator=(const PrivateServers&) = delete;

 private:
  [[noreturn]] static void guard(int pipe, const std::vector<std::vector<std::string>>& commands) {
    ::setsid();  // Ctrl-C is for the program
    // The ends of the pipes of others: as long as one is open, they do not see the end.
    for (int descriptor = STDERR_FILENO + 1; descriptor < 1024; ++descriptor) {
      if (descriptor != pipe) ::close(descriptor);
    }
    const pid_t self = ::getpid();
    std::vector<pid_t> servers;
    for (const auto& arguments : commands) {
      const pid_t server = ::fork();
      if (server == 0) run(self, arguments);
      servers.push_back(server);
    }
    char byte;
    while (::read(pipe, &byte, 1) < 0 && errno == EINTR) {
    }
    for (const pid_t server : servers) {
      if (server <= 0) continue;
      ::kill(server, SIGKILL);
      ::waitpid(server, nullptr, 0);
    }
    ::_exit(0);
  }

  [[noreturn]] static void run(pid_t parent, const std::vector<std::string>& arguments) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nothing, STDOUT_FILENO);
    ::dup2(nothing, STDERR_FILENO);
    std::vector<char*> pointers;
    std::string name = "redis-server";
    pointers.push_back(name.data());
    for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
    pointers.push_back(nullptr);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }

  pid_t guardian_ = -1;
  int pipe_ = -1;
};

/// What a server at 127.0.0.1 answers to a command without special characters, as it comes; empty
/// if it does not answer.
inline std::string ask_server(int port, const std::string& command) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const timeval patience{2, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string answer;
  const std::string line = command + "\r\nQUIT\r\n";  // so that it ends the connection
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(descriptor, line.data(), line.size(), MSG_NOSIGNAL) > 0) {
    char bytes[4096];
    for (ssize_t got; (got = ::recv(descriptor, bytes, sizeof bytes, 0)) > 0;) {
      answer.append(bytes, static_cast<std::size_t>(got));
    }
  }
  ::close(descriptor);
  return answer;
}

/// Asks again and again until the answer has all these words.
inline void await_answer(int port, const std::string& command,
                         const std::vector<std::string>& words) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {
    const std::string answer = ask_server(port, command);
    bool all = true;
    for (const std::string& word : words) all = all && answer.find(word) != std::string::npos;
    if (all) return;
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the servers do not come up (is redis-server installed?): \"" +
                               command + "\" is answered with \"" + answer + "\"");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace example
