#include "support/proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

namespace mx_rmq::test {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("proxy: path too long");
  path.copy(address.sun_path, path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// The first whole command of `bytes`: its length, and its arguments; 0 if there is none yet.
std::size_t first_command(std::string_view bytes, std::vector<std::string>& arguments) {
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
  arguments.clear();
  for (; count > 0; --count) {
    std::size_t size = 0;
    if (!number(size) || bytes.size() < at + size + 2) return 0;
    arguments.emplace_back(bytes.substr(at, size));
    at += size + 2;
  }
  return at;
}

}  // namespace

class Proxy::Impl {
 public:
  Impl(std::string server, std::string own) : path_(std::move(own)), server_(std::move(server)) {
    const sockaddr_un address = address_of(path_);
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener_ < 0 || ::bind(listener_, generic(address), sizeof address) != 0 ||
        ::listen(listener_, 64) != 0 || ::pipe(wake_) != 0)
      throw std::runtime_error("proxy: cannot listen on " + path_);
    thread_ = std::thread([this] { serve(); });
  }
  ~Impl() {
    tell('x');
    thread_.join();
    for (Link& link : links_) drop(link);
    ::close(listener_);
    ::close(wake_[0]);
    ::close(wake_[1]);
    ::unlink(path_.c_str());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const std::string& path() const { return path_; }
  void judge(Judge judge) {
    const std::lock_guard lock(mutex_);
    judge_ = std::move(judge);
  }
  void lead_to(std::string server) {
    const std::lock_guard lock(mutex_);
    server_ = std::move(server);
  }
  void tell(char what) {
    if (::write(wake_[1], &what, 1) != 1) throw std::runtime_error("proxy: cannot be told");
  }
  std::size_t connections() const { return open_; }

 private:
  struct Link {
    int client = -1;
    int server = -1;
    std::string bytes;     // of the client, not forwarded yet
    bool swallow = false;  // the next bytes of the server end it
  };

  static void drop(Link& link) {
    if (link.client >= 0) ::close(link.client);
    if (link.server >= 0) ::close(link.server);
    link.client = link.server = -1;
  }

  void accept_one() {
    Link link;
    link.client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (link.client < 0) return;
    link.server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(server());
    if (::connect(link.server, generic(address), sizeof address) != 0) drop(link);
    if (link.client >= 0) links_.push_back(std::move(link));
  }

  std::string server() {
    const std::lock_guard lock(mutex_);
    return server_;
  }

  CommandFate fate_of(const std::vector<std::string>& arguments) {
    const std::lock_guard lock(mutex_);
    return judge_ ? judge_(arguments) : CommandFate::pass;
  }

  bool from_client(Link& link) {
    char buffer[65536];
    const ssize_t got = ::recv(link.client, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    link.bytes.append(buffer, static_cast<std::size_t>(got));
    std::vector<std::string> arguments;
    while (const std::size_t size = first_command(link.bytes, arguments)) {
      const CommandFate fate = fate_of(arguments);
      if (fate == CommandFate::lose_command) return false;
      if (!send_all(link.server, std::string_view(link.bytes).substr(0, size))) return false;
      link.bytes.erase(0, size);
      if (fate == CommandFate::lose_reply) {
        link.swallow = true;
        return true;
      }
    }
    return true;
  }

  static bool from_server(Link& link) {
    char buffer[65536];
    const ssize_t got = ::recv(link.server, buffer, sizeof buffer, 0);
    if (got <= 0 || link.swallow) return false;
    return send_all(link.client, std::string_view(buffer, static_cast<std::size_t>(got)));
  }

  void serve() {
    for (;;) {
      std::vector<pollfd> polled{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const Link& link : links_) {
        polled.push_back({link.swallow ? -1 : link.client, POLLIN, 0});
        polled.push_back({link.server, POLLIN, 0});
      }
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      if (polled[0].revents != 0) {
        char what = 'x';
        if (::read(wake_[0], &what, 1) != 1 || what == 'x') return;
        for (Link& link : links_) drop(link);
      }
      for (std::size_t i = 0; i < links_.size(); ++i) {
        Link& link = links_[i];
        if (link.client < 0) continue;
        bool good = true;
        if (polled[2 * i + 3].revents != 0) good = from_server(link);
        if (good && polled[2 * i + 2].revents != 0) good = from_client(link);
        if (!good) drop(link);
      }
      std::erase_if(links_, [](const Link& link) { return link.client < 0; });
      if (polled[1].revents != 0) accept_one();
      open_ = links_.size();
    }
  }

  const std::string path_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::vector<Link> links_;  // of the thread
  std::atomic<std::size_t> open_{0};
  std::mutex mutex_;
  std::string server_;
  Judge judge_;
  std::thread thread_;
};

Proxy::Proxy(std::string server_socket, std::string own_socket)
    : impl_(std::make_unique<Impl>(std::move(server_socket), std::move(own_socket))) {}
Proxy::~Proxy() = default;
std::string Proxy::url() const { return "unix://" + impl_->path(); }
void Proxy::judge(Judge judge) { impl_->judge(std::move(judge)); }
void Proxy::lead_to(std::string server_socket) { impl_->lead_to(std::move(server_socket)); }
void Proxy::cut_all() { impl_->tell('c'); }
std::size_t Proxy::connections() const { return impl_->connections(); }

}  // namespace mx_rmq::test
