#include "support/fault_proxy.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "mx_rmq_scripts.hpp"
#include "support/proxy_stream.hpp"

namespace mx_rmq::test {
namespace {

constexpr std::size_t most_waiting = 4U << 20;  // bytes a direction, then the source is not read

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("proxy: path too long");
  path.copy(address.sun_path, path.size());
  return address;
}

template <class Address>
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

std::string script_name(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments[0] != "EVALSHA") return {};
  for (const lua::Script* each : lua::all())
    if (each->sha1 == arguments[1]) return std::string(each->name);
  return {};
}

}  // namespace

std::vector<std::string> SeenCommand::argv() const {
  if (script.empty() || arguments.size() < 3) return {};
  const auto keys = std::stoul(arguments[2]);
  if (arguments.size() < 3 + keys) return {};
  return {arguments.begin() + 3 + static_cast<std::ptrdiff_t>(keys), arguments.end()};
}

class FaultProxy::Impl {
 public:
  Impl(std::string server, std::string own, ProxyOptions options)
      : path_(std::move(own)), options_(options), server_(std::move(server)) {
    listen_on();
    if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error("proxy: no pipe");
    thread_ = std::thread([this] { serve(); });
  }
  ~Impl() {
    change([](State& state) { state.over = true; });
    thread_.join();
    for (Link& link : links_) close(link, End::fin);
    ::close(listener_);
    ::close(wake_[0]);
    ::close(wake_[1]);
    if (!options_.tcp) ::unlink(path_.c_str());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  struct State {
    CommandJudge commands;
    ReplyJudge replies;
    Planner planner;
    bool stalled[2] = {false, false};
    std::set<std::uint64_t> stalled_connections;
    std::chrono::milliseconds idle{0};  // then a connection is forgotten
    std::chrono::microseconds least{0};
    std::chrono::microseconds most{0};
    std::size_t slice = 0;
    bool refuse = false;
    bool release = false;
    std::optional<End> end_all;
    bool over = false;
  };

  template <class Change>
  void change(Change apply) {
    {
      const std::lock_guard lock(mutex_);
      apply(state_);
    }
    if (::write(wake_[1], "x", 1) != 1 && errno != EAGAIN)
      throw std::runtime_error("proxy: cannot be told");
  }

  std::string url() const {
    if (!options_.tcp) return "unix://" + path_;
    return (options_.tls_port != 0 ? "rediss://127.0.0.1:" : "redis://127.0.0.1:") +
           std::to_string(port_);
  }
  Counts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  std::vector<SeenCommand> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  void lead_to(std::string server) {
    const std::lock_guard lock(mutex_);
    server_ = std::move(server);
  }

 private:
  struct Link {
    std::uint64_t number = 0;
    int descriptor[2] = {-1, -1};  // of the server, of the client: where each direction ends
    ProxyStream stream[2]{ProxyStream{{}}, ProxyStream{{}}};
    std::deque<SeenCommand> asked;  // without a reply yet
    std::uint64_t commands = 0;
    bool no_reply = false;          // the reply of the last of `asked` is to be lost
    std::optional<End> ending;      // once all is out
    bool half[2] = {false, false};  // that direction was shut
    ProxyClock::time_point heard = ProxyClock::now();
    bool forgotten = false;
    bool gone = false;
  };

  static std::size_t place(Direction direction) { return static_cast<std::size_t>(direction); }

  void listen_on() {
    listener_ =
        ::socket(options_.tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = listener_ >= 0;
    if (options_.tcp) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof address;
      good = good && ::bind(listener_, generic(address), sizeof address) == 0 &&
             ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
      port_ = ntohs(address.sin_port);
    } else {
      const sockaddr_un address = address_of(path_);
      good = good && ::bind(listener_, generic(address), sizeof address) == 0;
    }
    if (!good || ::listen(listener_, 256) != 0)
      throw std::runtime_error("proxy: cannot listen on " + path_);
  }

  static void close(Link& link, End how) {
    if (how == End::reset) {
      const linger now{1, 0};
      for (const int each : link.descriptor)
        ::setsockopt(each, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    for (int& each : link.descriptor) {
      if (each >= 0) ::close(each);
      each = -1;
    }
    link.gone = true;
  }

  void end(Link& link, End how) {
    ++counts_.ended;
    if (how == End::half_to_server || how == End::half_to_client) {
      const std::size_t shut = how == End::half_to_server ? 0 : 1;
      ::shutdown(link.descriptor[shut], SHUT_WR);
      link.half[shut] = true;
    } else {
      close(link, how);
    }
  }

  // What came before goes out first.
  static void end_soon(Link& link) {
    link.ending = End::fin;
    link.stream[0].held = link.stream[1].held = true;
  }

  void accept_all() {
    for (;;) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (client < 0) return;
      Link link;
      link.number = ++counts_.connections;
      link.descriptor[1] = client;
      if (state_.refuse || !connect_to_server(link)) {
        close(link, End::fin);
        continue;
      }
      const int on = 1;
      if (options_.tcp) ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (state_.planner) {
        const auto fault = state_.planner(link.number);
        if (fault) link.stream[place(fault->direction)] = ProxyStream(fault);
      }
      links_.push_back(std::move(link));
    }
  }

  bool connect_to_server(Link& link) const {
    if (options_.tls_port == 0) {
      link.descriptor[0] = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_un address = address_of(server_);
      return ::connect(link.descriptor[0], generic(address), sizeof address) == 0;
    }
    link.descriptor[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(options_.tls_port));
    return ::connect(link.descriptor[0], generic(address), sizeof address) == 0;
  }

  // What lies in the inbox of a direction, record by record.
  void pass_records(Link& link, std::size_t to) {
    ProxyStream& stream = link.stream[to];
    while (!stream.held && !link.gone) {
      const std::size_t size = first_record(stream.inbox);
      if (size == 0) return;
      ++(to == 0 ? counts_.commands : counts_.replies);
      pass(link, to, std::string_view(stream.inbox).substr(0, size), 1);
      stream.inbox.erase(0, size);
    }
  }

  ProxyClock::time_point due() {
    if (state_.most.count() == 0) return ProxyClock::now();
    std::uniform_int_distribution<std::int64_t> pick(state_.least.count(), state_.most.count());
    return ProxyClock::now() + std::chrono::microseconds(pick(random_));
  }

  void pass(Link& link, std::size_t to, std::string_view bytes, std::uint64_t frames) {
    const auto result = link.stream[to].pass(bytes, frames, due());
    counts_.spoiled += result.spoiled;
    if (result.end) link.ending = result.how;
  }

  // What lies in the inbox, command by command.
  void judge_to_server(Link& link) {
    ProxyStream& stream = link.stream[0];
    while (!stream.held && !link.gone) {
      const std::size_t size = first_frame(stream.inbox);
      if (size == 0) return;
      SeenCommand seen;
      seen.connection = link.number;
      seen.number = link.commands;
      seen.arguments = command_of(std::string_view(stream.inbox).substr(0, size));
      seen.script = script_name(seen.arguments);
      const CommandFate fate =
          state_.commands && !link.no_reply ? state_.commands(seen) : CommandFate::pass;
      if (fate == CommandFate::hold) {
        stream.held = true;
        return;
      }
      if (fate == CommandFate::lose) return end_soon(link);
      ++link.commands;
      ++counts_.commands;
      if (options_.keep_calls && !seen.script.empty()) calls_.push_back(seen);
      link.asked.push_back(std::move(seen));
      pass(link, 0, std::string_view(stream.inbox).substr(0, size), 1);
      stream.inbox.erase(0, size);
      if (fate == CommandFate::lose_reply) {
        link.no_reply = true;
        stream.held = true;  // nothing after it is sent
      }
    }
  }

  void judge_to_client(Link& link) {
    ProxyStream& stream = link.stream[1];
    while (!stream.held && !link.gone) {
      const std::size_t size = first_frame(stream.inbox);
      if (size == 0) return;
      ++counts_.replies;
      if (link.no_reply && link.asked.size() == 1) return end_soon(link);
      ReplyFate fate = ReplyFate::pass;
      if (state_.replies && !link.asked.empty())
        fate = state_.replies(link.asked.front(), std::string_view(stream.inbox).substr(0, size));
      if (fate == ReplyFate::hold) {
        stream.held = true;
        --counts_.replies;
        return;
      }
      if (fate == ReplyFate::lose) return end_soon(link);
      if (!link.asked.empty()) link.asked.pop_front();
      const std::string_view frame = std::string_view(stream.inbox).substr(0, size);
      pass(link, 1, frame, 1);
      if (fate == ReplyFate::duplicate) pass(link, 1, frame, 1);
      stream.inbox.erase(0, size);
    }
  }

  // False: that side has ended.
  bool receive(Link& link, std::size_t to) {
    char buffer[65536];
    const ssize_t got = ::recv(link.descriptor[1 - to], buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    const auto now = ProxyClock::now();
    if (!link.forgotten && state_.idle > state_.idle.zero() && now - link.heard > state_.idle) {
      link.forgotten = true;
      ++counts_.spoiled;
    }
    link.heard = now;
    if (!link.forgotten) link.stream[to].inbox.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  bool stalled(const Link& link, std::size_t to) const {
    return state_.stalled[to] || state_.stalled_connections.contains(link.number);
  }

  bool send(Link& link, std::size_t to) {
    ProxyStream& stream = link.stream[to];
    while (!stalled(link, to)) {
      const auto bytes = stream.ready(ProxyClock::now(), state_.slice == 0 ? 65536 : state_.slice);
      if (bytes.empty()) return true;
      if (link.half[to]) {
        stream.sent(bytes.size());
        continue;
      }
      const ssize_t sent =
          ::send(link.descriptor[to], bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
      stream.sent(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void obey() {
    char bytes[64];
    while (::read(wake_[0], bytes, sizeof bytes) > 0) {
    }
    if (const auto how = std::exchange(state_.end_all, std::nullopt))
      for (Link& link : links_)
        if (!link.gone) end(link, *how);
    if (!std::exchange(state_.release, false)) return;
    for (Link& link : links_) {
      link.stream[0].held = link.no_reply || link.ending;
      link.stream[1].held = link.ending.has_value();
    }
  }

  void work(Link& link, short from_server, short from_client) {
    bool good = true;
    if (from_server != 0) good = receive(link, 1);
    if (from_client != 0) good = receive(link, 0) && good;
    if (options_.tls_port != 0) {
      pass_records(link, 0);
      pass_records(link, 1);
    } else {
      judge_to_server(link);
      judge_to_client(link);
    }
    if (link.gone) return;
    good = send(link, 0) && send(link, 1) && good;
    const bool out = link.stream[0].empty() && link.stream[1].empty();
    if (link.ending && out) {
      const End how = *std::exchange(link.ending, std::nullopt);
      end(link, how);
    } else if (!good) {
      send(link, 1);
      close(link, End::fin);
    }
  }

  static short wanted(const Link& link, std::size_t to) {
    return link.stream[to].waiting() < most_waiting ? POLLIN : 0;
  }
  // A stream has something that may go out, but its socket was full.
  bool blocked(const Link& link, std::size_t to) const {
    return !stalled(link, to) && !link.half[to] &&
           !link.stream[to].ready(ProxyClock::now(), 1).empty();
  }
  int timeout() const {
    auto soonest = ProxyClock::time_point::max();
    for (const Link& link : links_)
      for (std::size_t to : {0U, 1U})
        if (const auto due = link.stream[to].next_due(); due && !stalled(link, to))
          soonest = std::min(soonest, *due);
    if (soonest == ProxyClock::time_point::max()) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(soonest - ProxyClock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
  }

  void serve() {
    std::unique_lock lock(mutex_);
    std::vector<pollfd> polled;
    while (!state_.over) {
      polled.assign({{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}});
      bool full = false;
      for (const Link& link : links_) {
        for (std::size_t side : {0U, 1U}) {
          // The side reads for the other direction and is written to by its own.
          short events = wanted(link, 1 - side);
          if (blocked(link, side)) events |= POLLOUT;
          full |= (events & POLLOUT) != 0;
          polled.push_back({link.descriptor[side], events, 0});
        }
      }
      const int wait = full ? 1000 : timeout();
      lock.unlock();
      ::poll(polled.data(), polled.size(), wait);
      lock.lock();
      obey();
      std::size_t i = 2;
      for (Link& link : links_) {
        if (!link.gone) work(link, polled[i].revents & ~POLLOUT, polled[i + 1].revents & ~POLLOUT);
        i += 2;
      }
      links_.remove_if([](const Link& link) { return link.gone; });
      accept_all();
      counts_.open = links_.size();
    }
  }

  const std::string path_;
  const ProxyOptions options_;
  int port_ = 0;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  mutable std::mutex mutex_;  // of all below; judges are called under it
  std::string server_;
  State state_;
  Counts counts_;
  std::vector<SeenCommand> calls_;
  std::list<Link> links_;
  std::mt19937_64 random_{1};
  std::thread thread_;
};

FaultProxy::FaultProxy(std::string server_socket, std::string own_socket, ProxyOptions options)
    : impl_(std::make_unique<Impl>(std::move(server_socket), std::move(own_socket), options)) {}
FaultProxy::~FaultProxy() = default;
std::string FaultProxy::url() const { return impl_->url(); }
FaultProxy::Counts FaultProxy::counts() const { return impl_->counts(); }
std::vector<SeenCommand> FaultProxy::calls() const { return impl_->calls(); }
void FaultProxy::lead_to(std::string server_socket) { impl_->lead_to(std::move(server_socket)); }

void FaultProxy::judge_commands(CommandJudge judge) {
  impl_->change([&](auto& state) { state.commands = std::move(judge); });
}
void FaultProxy::judge_replies(ReplyJudge judge) {
  impl_->change([&](auto& state) { state.replies = std::move(judge); });
}
void FaultProxy::plan(Planner planner) {
  impl_->change([&](auto& state) { state.planner = std::move(planner); });
}
void FaultProxy::release_held() {
  impl_->change([](auto& state) { state.release = true; });
}
void FaultProxy::stall(Direction direction, bool on) {
  impl_->change([&](auto& state) { state.stalled[static_cast<std::size_t>(direction)] = on; });
}
void FaultProxy::stall_connection(std::uint64_t connection, bool on) {
  impl_->change([&](auto& state) {
    if (on) {
      state.stalled_connections.insert(connection);
    } else {
      state.stalled_connections.erase(connection);
    }
  });
}
void FaultProxy::forget_idle(std::chrono::milliseconds idle) {
  impl_->change([&](auto& state) { state.idle = idle; });
}
void FaultProxy::delay(std::chrono::microseconds least, std::chrono::microseconds most) {
  impl_->change([&](auto& state) {
    state.least = least;
    state.most = most;
  });
}
void FaultProxy::slice(std::size_t bytes) {
  impl_->change([&](auto& state) { state.slice = bytes; });
}
void FaultProxy::end_all(End how) {
  impl_->change([&](auto& state) { state.end_all = how; });
}
void FaultProxy::refuse(bool on) {
  impl_->change([&](auto& state) { state.refuse = on; });
}
void FaultProxy::heal() {
  impl_->change([](auto& state) {
    const bool over = state.over;
    auto ending = state.end_all;
    state = {};
    state.over = over;
    state.end_all = ending;
    state.release = true;
  });
}

}  // namespace mx_rmq::test
