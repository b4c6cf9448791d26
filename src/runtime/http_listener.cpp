#include "runtime/http_listener.hpp"

#include <netinet/in.h>
#include <uv.h>

#include <array>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "runtime/scope.hpp"

namespace mx_rmq::runtime {
namespace {

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

HttpResponse plain_response(int status) {
  return HttpResponse(status, "text/plain; charset=utf-8",
                      std::string(reason_phrase(status)) + '\n');
}

std::string bytes_of(const HttpResponse& response, bool head_only) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + ' ' +
                    reason_phrase(response.status) + "\r\nContent-Type: " + response.type +
                    "\r\nContent-Length: " + std::to_string(response.body.size()) +
                    "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff"
                    "\r\nConnection: close\r\n";
  if (response.status == 405) out += "Allow: GET, HEAD\r\n";
  out += "\r\n";
  if (!head_only) out += response.body;
  return out;
}

[[noreturn]] void cannot_listen(int error, const std::string& address, std::uint16_t port) {
  throw std::system_error(-error, std::generic_category(),
                          "cannot listen on " + address + " port " + std::to_string(port));
}

}  // namespace

// The listening handle and what its connections share; keeps itself alive until it is closed.
struct HttpListener::State {
  State(EventLoop& on, Answer how, Limits within)
      : loop(on), answer(std::move(how)), limits(within), scope(on) {}

  EventLoop& loop;
  const Answer answer;
  const Limits limits;
  Scope scope;
  std::set<Connection*> open;
  uv_tcp_t tcp{};
  bool listening = false;
  std::uint16_t port = 0;
  std::shared_ptr<State> self;

  void listen(const std::string& address, std::uint16_t wanted);
  void close_handle() noexcept;
  static void on_connection(uv_stream_t* server, int status) noexcept;
};

// One connection; keeps itself alive until its handle is closed.
struct HttpListener::Connection : std::enable_shared_from_this<Connection> {
  explicit Connection(std::shared_ptr<State> of) : state(std::move(of)) {}

  const std::shared_ptr<State> state;
  uv_tcp_t tcp{};
  uv_write_t write{};
  std::array<char, 4'096> space{};
  HttpReader reader;
  std::string out;
  TimerId timer;
  bool closing = false;
  std::shared_ptr<Connection> self;

  static Connection& of(void* data) noexcept { return *static_cast<Connection*>(data); }

  void begin(uv_stream_t* server);
  void read(std::string_view bytes);
  void close() noexcept;
  void send(const HttpResponse& response, bool head_only);
  static Task<> serve(std::shared_ptr<Connection> self);
  static void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) noexcept;
};

void HttpListener::State::listen(const std::string& address, std::uint16_t wanted) {
  sockaddr_storage where{};
  const bool four =
      uv_ip4_addr(address.c_str(), wanted, reinterpret_cast<sockaddr_in*>(&where)) == 0;
  if (!four && uv_ip6_addr(address.c_str(), wanted, reinterpret_cast<sockaddr_in6*>(&where)) != 0)
    throw std::invalid_argument("address: \"" + address +
                                "\" is no IP address in numbers, as 127.0.0.1 or ::1");
  if (const int error = uv_tcp_init(loop.uv(), &tcp)) cannot_listen(error, address, wanted);
  listening = true;
  loop.opened_on_uv();
  tcp.data = this;
  int error = uv_tcp_bind(&tcp, reinterpret_cast<const sockaddr*>(&where), 0);
  if (error == 0) error = uv_listen(reinterpret_cast<uv_stream_t*>(&tcp), 128, on_connection);
  int size = sizeof where;
  if (error == 0) error = uv_tcp_getsockname(&tcp, reinterpret_cast<sockaddr*>(&where), &size);
  if (error != 0) cannot_listen(error, address, wanted);
  // At the same place in both kinds of address.
  port = ntohs(reinterpret_cast<const sockaddr_in*>(&where)->sin_port);
}

void HttpListener::State::close_handle() noexcept {
  if (!std::exchange(listening, false)) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&tcp), [](uv_handle_t* handle) noexcept {
    const std::shared_ptr<State> last = std::move(static_cast<State*>(handle->data)->self);
    last->loop.ended_on_uv();
  });
}

void HttpListener::State::on_connection(uv_stream_t* server, int status) noexcept {
  State& state = *static_cast<State*>(server->data);
  if (status != 0 || !state.listening) return;
  try {
    std::make_shared<Connection>(state.self)->begin(server);
  } catch (...) {
    state.loop.report(std::current_exception());
  }
}

void HttpListener::Connection::begin(uv_stream_t* server) {
  if (uv_tcp_init(state->loop.uv(), &tcp) != 0) return;
  state->loop.opened_on_uv();
  tcp.data = this;
  self = shared_from_this();
  try {
    state->open.insert(this);
    const bool full = state->open.size() > state->limits.connections;
    auto* const stream = reinterpret_cast<uv_stream_t*>(&tcp);
    const bool ready =
        uv_accept(server, stream) == 0 && !full && uv_read_start(stream, on_alloc, on_read) == 0;
    if (!ready) return close();
    timer = state->loop.call_at(state->loop.now() + state->limits.time, [weak = weak_from_this()] {
      if (const auto still = weak.lock()) still->close();
    });
  } catch (...) {
    close();
    throw;
  }
}

void HttpListener::Connection::close() noexcept {
  if (std::exchange(closing, true)) return;
  if (timer) state->loop.cancel(timer);
  uv_close(reinterpret_cast<uv_handle_t*>(&tcp), [](uv_handle_t* handle) noexcept {
    const std::shared_ptr<Connection> last = std::move(of(handle->data).self);
    last->state->open.erase(last.get());
    last->state->loop.ended_on_uv();
  });
}

void HttpListener::Connection::on_alloc(uv_handle_t* handle, std::size_t,
                                        uv_buf_t* buffer) noexcept {
  auto& space = of(handle->data).space;
  *buffer = uv_buf_init(space.data(), static_cast<unsigned>(space.size()));
}

void HttpListener::Connection::on_read(uv_stream_t* stream, ssize_t size,
                                       const uv_buf_t* buffer) noexcept {
  Connection& connection = of(stream->data);
  if (connection.closing || size == 0) return;
  if (size < 0) return connection.close();
  try {
    connection.read({buffer->base, static_cast<std::size_t>(size)});
  } catch (...) {
    connection.state->loop.report(std::current_exception());
    connection.close();
  }
}

// Nothing is answered inside a callback from C.
void HttpListener::Connection::read(std::string_view bytes) {
  if (reader.add(bytes) == HttpReader::State::more) return;
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&tcp));
  state->scope.spawn(serve(shared_from_this()));
}

Task<> HttpListener::Connection::serve(std::shared_ptr<Connection> self) {
  const std::string method = self->reader.request().method;
  HttpResponse response;
  std::exception_ptr error;
  if (self->reader.status() != 0) {
    response = plain_response(self->reader.status());
  } else if (method != "GET" && method != "HEAD") {
    response = plain_response(405);
  } else {
    try {
      Task<HttpResponse> answering = self->state->answer(self->reader.request());
      response = co_await std::move(answering);
    } catch (...) {
      error = std::current_exception();
    }
    co_await self->state->loop.back();
  }
  if (error) {
    self->state->loop.report(error);
    response = plain_response(500);
  }
  if (!self->closing) self->send(response, method == "HEAD");
}

void HttpListener::Connection::send(const HttpResponse& response, bool head_only) {
  out = bytes_of(response, head_only);
  write.data = this;
  const uv_buf_t buffer = uv_buf_init(out.data(), static_cast<unsigned>(out.size()));
  const int error = uv_write(&write, reinterpret_cast<uv_stream_t*>(&tcp), &buffer, 1,
                             [](uv_write_t* request, int) noexcept { of(request->data).close(); });
  if (error != 0) close();
}

HttpListener::HttpListener(EventLoop& loop, const std::string& address, std::uint16_t port,
                           Answer answer, Limits limits)
    : state_(std::make_shared<State>(loop, std::move(answer), limits)) {
  state_->self = state_;
  try {
    state_->listen(address, port);
  } catch (...) {
    if (state_->listening) {
      state_->close_handle();
    } else {
      state_->self.reset();
    }
    throw;
  }
}

HttpListener::~HttpListener() { close(); }

std::uint16_t HttpListener::port() const noexcept { return state_->port; }

std::size_t HttpListener::connections() const noexcept { return state_->open.size(); }

void HttpListener::close() noexcept {
  state_->close_handle();
  for (Connection* const each : state_->open) each->close();
}

Task<> HttpListener::join() { return state_->scope.join(); }

}  // namespace mx_rmq::runtime
