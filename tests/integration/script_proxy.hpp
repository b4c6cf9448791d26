// Stands between a client and a redis-server on a unix socket, reads the client's commands, and can make a
// script's call or its reply disappear.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "mx_rmq_scripts.hpp"

namespace mx_rmq::test {

// What becomes of one call of a script.
enum class Fate {
  pass,
  lose_call,   // the server never sees it; the connection ends
  lose_reply,  // the server executes it; the connection ends without its reply
  hold_reply,  // the server executes it; its reply, and those after it, come after let_go()
};

struct SeenCall {
  std::string script;
  std::vector<std::string> argv;  // without the keys
};

class ScriptProxy {
 public:
  // Called on the proxy's thread for each EVALSHA, in order.
  using Judge = std::function<Fate(const SeenCall&)>;

  ScriptProxy(std::string server_socket, std::string own_socket)
      : server_(std::move(server_socket)), path_(std::move(own_socket)) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(path_);
    if (listener_ < 0 || ::bind(listener_, sockaddr_of(address), sizeof address) != 0 ||
        ::listen(listener_, 16) != 0 || ::pipe(wake_) != 0) {
      throw std::runtime_error("proxy: no socket");
    }
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptProxy() {
    (void)!::write(wake_[1], "x", 1);
    thread_.join();
    for (Link& link : links_) drop(link);
    ::close(listener_);
    ::close(wake_[0]);
    ::close(wake_[1]);
    ::unlink(path_.c_str());
  }
  ScriptProxy(const ScriptProxy&) = delete;
  ScriptProxy& operator=(const ScriptProxy&) = delete;

  std::string url() const { return "unix://" + path_; }
  void judge(Judge judge) {
    const std::lock_guard lock(mutex_);
    judge_ = std::move(judge);
  }
  // The replies that are held go on their way.
  void let_go() { (void)!::write(wake_[1], "g", 1); }
  // Every EVALSHA seen so far.
  std::vector<SeenCall> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

 private:
  struct Link {
    int client = -1;
    int server = -1;
    std::string from_client;
    bool swallow = false;  // the next bytes of the server end it
    bool hold = false;     // what the server says waits
  };

  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::runtime_error("proxy: path too long");
    path.copy(address.sun_path, path.size());
    return address;
  }
  static const sockaddr* sockaddr_of(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
  }
  static void drop(Link& link) {
    if (link.client >= 0) ::close(link.client);
    if (link.server >= 0) ::close(link.server);
    link.client = link.server = -1;
  }
  static bool send_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  void accept_one() {
    Link link;
    link.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (link.client < 0) return;
    link.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(server_);
    if (::connect(link.server, sockaddr_of(address), sizeof address) != 0) drop(link);
    if (link.client >= 0) links_.push_back(std::move(link));
  }

  // The first whole command of `bytes`: its length and arguments; 0 if there is none yet.
  static std::size_t command_in(std::string_view bytes, std::vector<std::string>& args) {
    std::size_t at = 0;
    const auto number = [&](std::size_t& value) {
      const std::size_t end = bytes.find("\r\n", at);
      if (end == std::string_view::npos) return false;
      value = std::stoul(std::string(bytes.substr(at + 1, end - at - 1)));
      at = end + 2;
      return true;
    };
    std::size_t count = 0;
    if (!number(count)) return 0;
    args.clear();
    for (; count > 0; --count) {
      std::size_t size = 0;
      if (at >= bytes.size() || !number(size) || bytes.size() < at + size + 2) return 0;
      args.emplace_back(bytes.substr(at, size));
      at += size + 2;
    }
    return at;
  }

  Fate fate_of(const std::vector<std::string>& args) {
    if (args.size() < 3 || args[0] != "EVALSHA") return Fate::pass;
    SeenCall call;
    for (const lua::Script* script : lua::all()) {
      if (script->sha1 == args[1]) call.script = script->name;
    }
    call.argv.assign(args.begin() + 3 + std::stol(args[2]), args.end());
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
    return judge_ ? judge_(call) : Fate::pass;
  }

  bool from_client(Link& link) {
    char buffer[65536];
    const ssize_t n = ::recv(link.client, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    link.from_client.append(buffer, static_cast<std::size_t>(n));
    std::vector<std::string> args;
    while (const std::size_t size = command_in(link.from_client, args)) {
      const Fate fate = fate_of(args);
      if (fate == Fate::lose_call) return false;
      if (!send_all(link.server, std::string_view(link.from_client).substr(0, size))) return false;
      link.from_client.erase(0, size);
      if (fate == Fate::lose_reply) {
        link.swallow = true;
        return true;
      }
      link.hold = link.hold || fate == Fate::hold_reply;
    }
    return true;
  }
  static bool from_server(Link& link) {
    char buffer[65536];
    const ssize_t n = ::recv(link.server, buffer, sizeof buffer, 0);
    if (n <= 0 || link.swallow) return false;
    return send_all(link.client, std::string_view(buffer, static_cast<std::size_t>(n)));
  }

  void serve() {
    for (;;) {
      std::vector<pollfd> polled{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const Link& link : links_) {
        polled.push_back({link.swallow ? -1 : link.client, POLLIN, 0});
        polled.push_back({link.hold ? -1 : link.server, POLLIN, 0});
      }
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      if (polled[0].revents != 0) {
        char order = 'x';
        (void)!::read(wake_[0], &order, 1);
        if (order != 'g') return;
        for (Link& link : links_) link.hold = false;
        continue;
      }
      for (std::size_t i = 0; i < links_.size(); ++i) {
        Link& link = links_[i];
        bool good = true;
        if (polled[2 * i + 3].revents != 0) good = from_server(link);
        if (good && polled[2 * i + 2].revents != 0) good = from_client(link);
        if (!good) drop(link);
      }
      std::erase_if(links_, [](const Link& link) { return link.client < 0; });
      if (polled[1].revents != 0) accept_one();
    }
  }

  const std::string server_;
  const std::string path_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::vector<Link> links_;
  std::mutex mutex_;
  Judge judge_;
  std::vector<SeenCall> calls_;
  std::thread thread_;
};

}  // namespace mx_rmq::test
