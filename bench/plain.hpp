// A blocking connection by hiredis alone: what the limit is measured with, and how the bench asks
// the server about itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct redisContext;
struct redisReply;

namespace mx_rmq::lua {
struct Script;
}

namespace bench {

struct FreeReply {
  void operator()(redisReply* reply) const noexcept;
};
using Reply = std::unique_ptr<redisReply, FreeReply>;
// An integer, a string that is one, or 0 for nothing. Throws for anything else.
std::int64_t as_number(const Reply& reply);

// One connection, one thread. What fails throws std::runtime_error, error replies too.
class Plain {
 public:
  explicit Plain(const std::string& url);
  ~Plain();
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;

  // Sends and waits.
  Reply command(std::initializer_list<std::string_view> arguments);
  // The two halves, for pipelines: receive() writes what was appended first.
  void append(const std::vector<std::string_view>& arguments);
  Reply receive();

  void load(const mx_rmq::lua::Script& script);

  std::string info(std::string_view section);
  std::string list_clients();
  std::int64_t number(std::initializer_list<std::string_view> arguments);
  void flush_all();

 private:
  redisContext* context_ = nullptr;
  std::vector<const char*> starts_;
  std::vector<std::size_t> sizes_;
};

}  // namespace bench
