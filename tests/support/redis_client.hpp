// A small blocking Redis client for tests, on sockets of its own: it shares nothing with the
// library under test but hiredis's formatter and reader.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

struct redisReader;

namespace mx_rmq::test {

// A reply. `text` holds a status, an error or a string; `elements` an array.
struct Value {
  enum class Kind { nil, status, error, integer, string, array };

  Kind kind = Kind::nil;
  std::string text;
  std::int64_t integer = 0;
  std::vector<Value> elements;

  bool is_nil() const noexcept { return kind == Kind::nil; }
  bool is_error() const noexcept { return kind == Kind::error; }
  // Checked access: throws std::logic_error that shows the reply if it is of another kind.
  const std::string& str() const;            // status or string
  std::int64_t num() const;                  // integer, or a string that is one
  const std::vector<Value>& list() const;    // array; nil gives an empty one
  std::vector<std::string> strings() const;  // an array of strings
  const Value& operator[](std::size_t index) const;
  // For messages.
  std::string dump() const;
};

// One connection, used by one thread at a time. Every failure is a std::runtime_error.
class RedisClient {
 public:
  static RedisClient unix_socket(const std::string& path);
  static RedisClient tcp(int port);  // 127.0.0.1

  RedisClient(RedisClient&& other) noexcept;
  RedisClient& operator=(RedisClient&& other) noexcept;
  ~RedisClient();

  // Sends and waits for the reply, at most `timeout`. An error reply throws.
  Value command(const std::vector<std::string>& arguments,
                std::chrono::milliseconds timeout = std::chrono::seconds(10));
  // The same, but an error reply is returned.
  Value try_command(const std::vector<std::string>& arguments,
                    std::chrono::milliseconds timeout = std::chrono::seconds(10));
  // The two halves, for pipelines and blocking commands.
  void send(const std::vector<std::string>& arguments);
  void send_raw(const std::string& bytes);
  Value receive(std::chrono::milliseconds timeout = std::chrono::seconds(10));
  // False once the server has closed the connection, or has said something nobody asked for.
  bool alive() const;

 private:
  explicit RedisClient(int descriptor);

  int descriptor_ = -1;
  redisReader* reader_ = nullptr;
};

}  // namespace mx_rmq::test
