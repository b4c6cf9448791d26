#include "redis/connection/uv_transport.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "runtime/event_loop.hpp"

namespace mx_rmq::redis {

namespace {

// When the kernel takes no more, this much is left with libuv, which says when it is gone. It
// counts as sent, so it is not more than it must be.
constexpr std::size_t left_with_libuv = std::size_t{64} << 10;

void set_option(int fd, int level, int name, int value) {
  // Refused at worst: then the connection is only watched by its commands' deadlines.
  static_cast<void>(::setsockopt(fd, level, name, &value, sizeof value));
}

int whole_seconds(std::chrono::milliseconds span) {
  return static_cast<int>(std::max<std::int64_t>(1, (span.count() + 999) / 1000));
}

}  // namespace

/// The handle and all that libuv may still refer to; keeps itself alive until it is closed.
struct UvTransport::Socket {
  struct Write {
    uv_write_t request{};
    std::vector<SharedBytes> bytes;
    std::shared_ptr<Socket> socket;
  };

  runtime::EventLoop* loop;
  TransportEvents* events;  // nullptr once closed or lost
  std::shared_ptr<ReadBuffer> read_buffer;
  ConnectionOptions options;
  bool local = false;
  bool open = false;     // the handle is initialised
  bool writing = false;  // libuv has some of our bytes
  std::shared_ptr<Socket> self;
  uv_connect_t connecting{};
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv{};
  std::vector<uv_buf_t> buffers;

  static Socket& of(void* data) noexcept { return *static_cast<Socket*>(data); }

  void lost(int status) noexcept {
    if (TransportEvents* const told = std::exchange(events, nullptr)) {
      told->on_lost(status == UV_EOF ? "closed by the server" : uv_strerror(status));
    }
  }
  void close() noexcept {
    events = nullptr;
    if (!open || uv_is_closing(&uv.handle)) return;
    uv_close(&uv.handle, [](uv_handle_t* handle) noexcept {
      // The last of it, unless a write is still to be told of.
      const std::shared_ptr<Socket> last = std::move(of(handle->data).self);
      last->loop->ended_on_uv();
    });
  }

  int begin(const Address& address);
  void tune() noexcept;
  std::size_t write(std::span<const SharedBytes> given, std::size_t skip);
  bool leave_with_libuv(std::span<const SharedBytes> given, std::size_t skip, std::size_t& taken);

  static void on_connect(uv_connect_t* request, int status) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) noexcept;
  static void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept;
  static void on_write(uv_write_t* request, int status) noexcept;
};

int UvTransport::Socket::begin(const Address& address) {
  local = address.local;
  connecting.data = this;
  if (local) {
    if (const int error = uv_pipe_init(loop->uv(), &uv.pipe, 0)) return error;
  } else {
    if (const int error = uv_tcp_init(loop->uv(), &uv.tcp)) return error;
  }
  open = true;
  loop->opened_on_uv();
  uv.handle.data = this;
  if (local) {
    uv_pipe_connect(&connecting, &uv.pipe, address.host.c_str(), on_connect);
    return 0;
  }
  sockaddr_storage where{};
  if (uv_ip4_addr(address.host.c_str(), address.port, reinterpret_cast<sockaddr_in*>(&where)) !=
      0) {
    if (const int error = uv_ip6_addr(address.host.c_str(), address.port,
                                      reinterpret_cast<sockaddr_in6*>(&where))) {
      return error;
    }
  }
  return uv_tcp_connect(&connecting, &uv.tcp, reinterpret_cast<sockaddr*>(&where), on_connect);
}

// Idle connections are watched by the kernel; no command is spent on that.
void UvTransport::Socket::tune() noexcept {
  if (local) return;
  uv_tcp_nodelay(&uv.tcp, 1);
  uv_os_fd_t fd = -1;
  if (uv_fileno(&uv.handle, &fd) != 0) return;
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(options.keepalive_idle));
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(options.keepalive_idle / 3));
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
#ifdef TCP_USER_TIMEOUT
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(options.user_timeout.count()));
#endif
}

void UvTransport::Socket::on_connect(uv_connect_t* request, int status) noexcept {
  Socket& socket = of(request->data);
  if (socket.events == nullptr) return;
  if (status == 0) {
    socket.tune();
    status = uv_read_start(&socket.uv.stream, on_alloc, on_read);
  }
  if (status != 0) return socket.lost(status);
  socket.events->on_connected();
}

void UvTransport::Socket::on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept {
  ReadBuffer& space = *of(handle->data).read_buffer;
  *buffer = uv_buf_init(space.data(), static_cast<unsigned>(space.size()));
}

void UvTransport::Socket::on_read(uv_stream_t* stream, ssize_t size,
                                  const uv_buf_t* buffer) noexcept {
  Socket& socket = of(stream->data);
  if (socket.events == nullptr || size == 0) return;
  if (size < 0) return socket.lost(static_cast<int>(size));
  socket.events->on_bytes({buffer->base, static_cast<std::size_t>(size)});
}

std::size_t UvTransport::Socket::write(std::span<const SharedBytes> given, std::size_t skip) {
  if (events == nullptr || writing || given.empty()) return 0;
  buffers.clear();
  std::size_t total = 0;
  for (const SharedBytes& each : given) {
    const std::size_t begin = buffers.empty() ? skip : 0;
    buffers.push_back(uv_buf_init(const_cast<char*>(each.data.get()) + begin,
                                  static_cast<unsigned>(each.size - begin)));
    total += each.size - begin;
  }
  std::size_t taken = 0;
  const int written =
      uv_try_write(&uv.stream, buffers.data(), static_cast<unsigned>(buffers.size()));
  if (written > 0) taken = static_cast<std::size_t>(written);
  // Any other error is told by the read side, or by the write left with libuv.
  if (taken < total) leave_with_libuv(given, skip, taken);
  return taken;
}

bool UvTransport::Socket::leave_with_libuv(std::span<const SharedBytes> given, std::size_t skip,
                                           std::size_t& taken) {
  auto left = std::make_unique<Write>();
  buffers.clear();
  std::size_t passed = taken + skip;
  std::size_t leaving = 0;
  for (const SharedBytes& each : given) {
    if (passed >= each.size) {
      passed -= each.size;
      continue;
    }
    const std::size_t size = std::min(each.size - passed, left_with_libuv - leaving);
    buffers.push_back(
        uv_buf_init(const_cast<char*>(each.data.get()) + passed, static_cast<unsigned>(size)));
    left->bytes.push_back(each);
    leaving += size;
    passed = 0;
    if (leaving == left_with_libuv) break;
  }
  left->socket = self;
  left->request.data = left.get();
  const int error = uv_write(&left->request, &uv.stream, buffers.data(),
                             static_cast<unsigned>(buffers.size()), on_write);
  if (error != 0) {
    // Not from inside this call.
    loop->defer([keep = self, error] { keep->lost(error); });
    return false;
  }
  static_cast<void>(left.release());  // on_write frees it
  writing = true;
  taken += leaving;
  return true;
}

void UvTransport::Socket::on_write(uv_write_t* request, int status) noexcept {
  const std::unique_ptr<Write> done(static_cast<Write*>(request->data));
  Socket& socket = *done->socket;
  socket.writing = false;
  if (socket.events == nullptr) return;
  if (status != 0) return socket.lost(status);
  socket.events->on_writable();
}

UvTransport::UvTransport(runtime::EventLoop& loop, TransportEvents& events,
                         std::shared_ptr<ReadBuffer> read_buffer, const ConnectionOptions& options)
    : socket_(std::make_shared<Socket>()) {
  socket_->loop = &loop;
  socket_->events = &events;
  socket_->read_buffer = std::move(read_buffer);
  socket_->options = options;
}

UvTransport::~UvTransport() { close(); }

void UvTransport::connect(const Address& address) {
  const int error = socket_->begin(address);
  if (socket_->open) socket_->self = socket_;
  if (error != 0) {
    socket_->loop->defer([socket = socket_, error] { socket->lost(error); });
  }
}

std::size_t UvTransport::write(std::span<const SharedBytes> buffers, std::size_t skip) {
  return socket_->write(buffers, skip);
}

void UvTransport::close() { socket_->close(); }

}  // namespace mx_rmq::redis
