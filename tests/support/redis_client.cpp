#include "support/redis_client.hpp"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("test redis client: " + what);
}
[[noreturn]] void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

Value convert(const redisReply& reply) {
  Value value;
  const auto text = [&reply] { return std::string(reply.str, reply.len); };
  switch (reply.type) {
    case REDIS_REPLY_STATUS:
      value.kind = Value::Kind::status;
      value.text = text();
      break;
    case REDIS_REPLY_ERROR:
      value.kind = Value::Kind::error;
      value.text = text();
      break;
    case REDIS_REPLY_STRING:
      value.kind = Value::Kind::string;
      value.text = text();
      break;
    case REDIS_REPLY_INTEGER:
      value.kind = Value::Kind::integer;
      value.integer = reply.integer;
      break;
    case REDIS_REPLY_ARRAY:
      value.kind = Value::Kind::array;
      for (std::size_t i = 0; i < reply.elements; ++i) {
        value.elements.push_back(convert(*reply.element[i]));
      }
      break;
    default:
      break;
  }
  return value;
}

int connected(int domain, const sockaddr* address, socklen_t size, const std::string& name) {
  const int descriptor = ::socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail_errno("socket");
  if (::connect(descriptor, address, size) != 0) {
    const int error = errno;
    ::close(descriptor);
    errno = error;
    fail_errno("connect to " + name);
  }
  return descriptor;
}

}  // namespace

const std::string& Value::str() const {
  if (kind != Kind::status && kind != Kind::string) {
    throw std::logic_error("not a string: " + dump());
  }
  return text;
}

std::int64_t Value::num() const {
  if (kind == Kind::integer) return integer;
  std::int64_t out = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (kind != Kind::string || error != std::errc() || stop != end) {
    throw std::logic_error("not a number: " + dump());
  }
  return out;
}

const std::vector<Value>& Value::list() const {
  if (kind != Kind::array && kind != Kind::nil) throw std::logic_error("not an array: " + dump());
  return elements;
}

std::vector<std::string> Value::strings() const {
  std::vector<std::string> out;
  for (const Value& each : list()) out.push_back(each.str());
  return out;
}

const Value& Value::operator[](std::size_t index) const {
  if (index >= list().size()) {
    throw std::logic_error("no element " + std::to_string(index) + ": " + dump());
  }
  return elements[index];
}

std::string Value::dump() const {
  switch (kind) {
    case Kind::nil:
      return "(nil)";
    case Kind::status:
      return text;
    case Kind::error:
      return "(error) " + text;
    case Kind::integer:
      return "(integer) " + std::to_string(integer);
    case Kind::string:
      return '"' + text + '"';
    case Kind::array:
      break;
  }
  std::string out = "[";
  for (const Value& each : elements) out += (out.size() > 1 ? ", " : "") + each.dump();
  return out + "]";
}

RedisClient::RedisClient(int descriptor) : descriptor_(descriptor), reader_(redisReaderCreate()) {}

RedisClient RedisClient::unix_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return RedisClient(
      connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, path));
}

RedisClient RedisClient::tcp(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return RedisClient(connected(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address,
                               "port " + std::to_string(port)));
}

RedisClient::RedisClient(RedisClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      reader_(std::exchange(other.reader_, nullptr)) {}

RedisClient& RedisClient::operator=(RedisClient&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(reader_, other.reader_);
  return *this;
}

RedisClient::~RedisClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (reader_ != nullptr) redisReaderFree(reader_);
}

Value RedisClient::command(const std::vector<std::string>& arguments,
                           std::chrono::milliseconds timeout) {
  Value value = try_command(arguments, timeout);
  if (value.is_error()) fail(arguments.at(0) + ": " + value.text);
  return value;
}

Value RedisClient::try_command(const std::vector<std::string>& arguments,
                               std::chrono::milliseconds timeout) {
  send(arguments);
  return receive(timeout);
}

void RedisClient::send(const std::vector<std::string>& arguments) {
  std::vector<const char*> data;
  std::vector<std::size_t> sizes;
  for (const std::string& each : arguments) {
    data.push_back(each.data());
    sizes.push_back(each.size());
  }
  char* formatted = nullptr;
  const auto size =
      redisFormatCommandArgv(&formatted, static_cast<int>(data.size()), data.data(), sizes.data());
  if (size < 0) fail("cannot format a command");
  const std::string bytes(formatted, static_cast<std::size_t>(size));
  redisFreeCommand(formatted);
  send_raw(bytes);
}

void RedisClient::send_raw(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) fail_errno("send");
    if (n > 0) sent += static_cast<std::size_t>(n);
  }
}

bool RedisClient::alive() const {
  char byte = 0;
  const ssize_t n = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EINTR);
}

Value RedisClient::receive(std::chrono::milliseconds timeout) {
  const auto deadline = WaitClock::now() + timeout;
  char buffer[65536];
  for (;;) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader_, &reply) != REDIS_OK) fail("protocol error");
    if (reply != nullptr) {
      Value value = convert(*static_cast<redisReply*>(reply));
      freeReplyObject(reply);
      return value;
    }
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - WaitClock::now()).count();
    pollfd readable{descriptor_, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&readable, 1, static_cast<int>(left)) : 0;
    if (ready == 0) fail("no reply within " + std::to_string(timeout.count()) + " ms");
    if (ready < 0 && errno == EINTR) continue;
    const ssize_t n = ::recv(descriptor_, buffer, sizeof buffer, 0);
    if (n == 0) fail("connection closed");
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno("recv");
    redisReaderFeed(reader_, buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace mx_rmq::test
