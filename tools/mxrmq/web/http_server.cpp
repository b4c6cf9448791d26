#include "web/http_server.hpp"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "web/event_source.hpp"

namespace mxrmq::web {

namespace {

constexpr std::size_t connection_memory = 32 * 1024;  // a request's line and headers
constexpr std::size_t event_block = 4096;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace

// A request and its answer. The server's thread and who answers share it, also after the connection
// has ended.
class Exchange {
 public:
  explicit Exchange(MHD_Connection* connection) : connection_(connection) {}

  Request request;
  bool asked = false;

  void answer(Response response) {
    const std::lock_guard lock(mutex_);
    if (response_ || connection_ == nullptr) return;
    response_ = std::move(response);
    resume();
  }
  // Nothing is told any more.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    resume();
  }
  void wake() {
    const std::lock_guard lock(mutex_);
    resume();
  }
  // The connection waits without the server's thread until one of those is called.
  void suspend() {
    const std::lock_guard lock(mutex_);
    if (!stopped_) wait();
  }
  [[nodiscard]] std::optional<Response> response() const {
    const std::lock_guard lock(mutex_);
    return response_;
  }
  void ended() {
    std::shared_ptr<EventSource> events;
    std::uint64_t listener = 0;
    {
      const std::lock_guard lock(mutex_);
      connection_ = nullptr;
      events = std::move(events_);
      listener = listener_;
    }
    if (events) events->leave(listener);
  }

  static void listen(const std::shared_ptr<Exchange>& self, std::shared_ptr<EventSource> events) {
    const std::uint64_t listener = events->listen([weak = std::weak_ptr(self)] {
      if (const auto exchange = weak.lock()) exchange->wake();
    });
    const std::lock_guard lock(self->mutex_);
    self->events_ = std::move(events);
    self->listener_ = listener;
  }
  // For libmicrohttpd: the next bytes of the events; none while there are none.
  ssize_t read(char* to, std::size_t most) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return MHD_CONTENT_READER_END_OF_STREAM;
    if (unsent_.empty()) unsent_ = events_->next(&seen_);
    if (unsent_.empty()) {
      wait();
      return 0;
    }
    const std::size_t count = std::min(most, unsent_.size());
    std::memcpy(to, unsent_.data(), count);
    unsent_.erase(0, count);
    return static_cast<ssize_t>(count);
  }

 private:
  void wait() {
    suspended_ = true;
    MHD_suspend_connection(connection_);
  }
  void resume() {
    if (connection_ != nullptr && std::exchange(suspended_, false))
      MHD_resume_connection(connection_);
  }

  mutable std::mutex mutex_;
  MHD_Connection* connection_;  // null once it has ended
  bool suspended_ = false;
  bool stopped_ = false;
  std::optional<Response> response_;
  std::shared_ptr<EventSource> events_;
  std::uint64_t listener_ = 0;
  std::uint64_t seen_ = 0;
  std::string unsent_;
};

class HttpServer::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)) { listen(); }
  ~Impl() {
    if (daemon_ != nullptr) stop();
    ::close(listening_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void start(Handler handler);
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  using Held = std::shared_ptr<Exchange>;

  void listen();
  void stop() {
    MHD_quiesce_daemon(daemon_);
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const auto& each : exchanges_) each->stop();
    }
    MHD_stop_daemon(daemon_);
  }
  MHD_Result proceed(MHD_Connection* connection, Held& exchange, const char* data,
                     std::size_t* size);
  void ask(const Held& exchange);
  static void read_request(MHD_Connection* connection, Request& request);
  static MHD_Result reply(MHD_Connection* connection, const Held& exchange,
                          const Response& response);

  static MHD_Result on_access(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char*, const char* data, std::size_t* size,
                              void** place);
  static void on_completed(void* self, MHD_Connection*, void** place, MHD_RequestTerminationCode);

  const Options options_;
  Handler handler_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  MHD_Daemon* daemon_ = nullptr;
  std::mutex mutex_;
  bool stopping_ = false;
  std::set<Held> exchanges_;
};

void HttpServer::Impl::listen() {
  sockaddr_storage address{};
  socklen_t length = 0;
  if (auto* const v4 = reinterpret_cast<sockaddr_in*>(&address);
      ::inet_pton(AF_INET, options_.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(options_.port);
    length = sizeof *v4;
  } else if (auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address);
             ::inet_pton(AF_INET6, options_.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(options_.port);
    length = sizeof *v6;
  } else {
    throw std::system_error(EINVAL, std::system_category(), options_.address);
  }
  listening_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(listening_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listening_, plain, length) != 0 || ::listen(listening_, 128) != 0 ||
      ::getsockname(listening_, plain, &length) != 0) {
    const int error = errno;
    ::close(listening_);
    throw std::system_error(error, std::system_category(),
                            options_.address + ":" + std::to_string(options_.port));
  }
  port_ =
      ntohs(address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&address)->sin_port
                                         : reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
}

void HttpServer::Impl::start(Handler handler) {
  handler_ = std::move(handler);
  // Names in a path are decoded when it has been split: a topic may have a slash in its name.
  const auto as_it_came = [](void*, MHD_Connection*, char* text) { return std::strlen(text); };
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, nullptr, nullptr,
      &on_access, this, MHD_OPTION_LISTEN_SOCKET, listening_, MHD_OPTION_NOTIFY_COMPLETED,
      &on_completed, this, MHD_OPTION_CONNECTION_LIMIT, options_.max_connections,
      MHD_OPTION_CONNECTION_TIMEOUT, options_.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      connection_memory, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
      static_cast<std::size_t (*)(void*, MHD_Connection*, char*)>(as_it_came), nullptr,
      MHD_OPTION_END);
  if (daemon_ != nullptr) return;
  throw std::system_error(ENOMEM, std::system_category(), "the HTTP server cannot start");
}

MHD_Result HttpServer::Impl::on_access(void* self, MHD_Connection* connection, const char* url,
                                       const char* method, const char*, const char* data,
                                       std::size_t* size, void** place) {
  auto& impl = *static_cast<Impl*>(self);
  if (*place != nullptr) return impl.proceed(connection, *static_cast<Held*>(*place), data, size);
  auto exchange = std::make_shared<Exchange>(connection);
  exchange->request.method = method;
  exchange->request.path = url;
  {
    const std::lock_guard lock(impl.mutex_);
    if (impl.stopping_) return MHD_NO;
    impl.exchanges_.insert(exchange);
  }
  *place = new Held(std::move(exchange));
  return MHD_YES;
}

void HttpServer::Impl::on_completed(void* self, MHD_Connection*, void** place,
                                    MHD_RequestTerminationCode) {
  auto& impl = *static_cast<Impl*>(self);
  const std::unique_ptr<Held> held(static_cast<Held*>(std::exchange(*place, nullptr)));
  if (!held) return;
  (*held)->ended();
  const std::lock_guard lock(impl.mutex_);
  impl.exchanges_.erase(*held);
}

MHD_Result HttpServer::Impl::proceed(MHD_Connection* connection, Held& exchange, const char* data,
                                     std::size_t* size) {
  if (*size > 0) {
    std::string& body = exchange->request.body;
    const std::size_t count = std::min(*size, most_body - body.size());
    body.append(data, count);
    exchange->request.body_too_large = exchange->request.body_too_large || count < *size;
    *size = 0;
    return MHD_YES;
  }
  if (!exchange->asked) {
    exchange->asked = true;
    read_request(connection, exchange->request);
    exchange->suspend();
    ask(exchange);
    return MHD_YES;
  }
  const std::optional<Response> response = exchange->response();
  if (response) return reply(connection, exchange, *response);
  return reply(connection, exchange, Response{503, "text/plain", "the server ends\n"});
}

void HttpServer::Impl::ask(const Held& exchange) {
  handler_(std::move(exchange->request),
           [exchange](Response response) { exchange->answer(std::move(response)); });
}

void HttpServer::Impl::read_request(MHD_Connection* connection, Request& request) {
  const auto header = [](void* to, MHD_ValueKind, const char* name, const char* value) {
    auto& headers = *static_cast<std::map<std::string, std::string>*>(to);
    headers.emplace(lower(name), value == nullptr ? "" : value);
    return MHD_YES;
  };
  const auto argument = [](void* to, MHD_ValueKind, const char* name, const char* value) {
    auto& query = *static_cast<std::map<std::string, std::string>*>(to);
    query[name] = value == nullptr ? "" : value;
    return MHD_YES;
  };
  MHD_get_connection_values(connection, MHD_HEADER_KIND, header, &request.headers);
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, argument, &request.query);
}

MHD_Result HttpServer::Impl::reply(MHD_Connection* connection, const Held& exchange,
                                   const Response& response) {
  MHD_Response* out = nullptr;
  if (response.events) {
    Exchange::listen(exchange, response.events);
    out = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, event_block,
        [](void* held, std::uint64_t, char* to, std::size_t most) {
          return (*static_cast<Held*>(held))->read(to, most);
        },
        new Held(exchange), [](void* held) { delete static_cast<Held*>(held); });
  } else {
    out = MHD_create_response_from_buffer(
        response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
  }
  if (out == nullptr) return MHD_NO;
  MHD_add_response_header(out, "Content-Type", response.type.c_str());
  for (const auto& [name, value] : response.headers)
    MHD_add_response_header(out, name.c_str(), value.c_str());
  const MHD_Result queued =
      MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return queued;
}

HttpServer::HttpServer(const Options& options) : impl_(std::make_shared<Impl>(options)) {}

void HttpServer::start(Handler handler) { impl_->start(std::move(handler)); }

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const noexcept { return impl_->port(); }

}  // namespace mxrmq::web
