#include "plain.hpp"

#include <hiredis/hiredis.h>

#include <cstdlib>
#include <stdexcept>

#include "mx_rmq_scripts.hpp"
#include "redis/connection/options.hpp"

namespace bench {

void FreeReply::operator()(redisReply* reply) const noexcept { freeReplyObject(reply); }

std::int64_t as_number(const Reply& reply) {
  switch (reply->type) {
    case REDIS_REPLY_INTEGER:
      return reply->integer;
    case REDIS_REPLY_STRING:
      return std::atoll(reply->str);
    case REDIS_REPLY_NIL:
      return 0;
    default:
      throw std::runtime_error("redis: a number was expected");
  }
}

Plain::Plain(const std::string& url) {
  const mx_rmq::redis::Endpoint where = mx_rmq::redis::parse_url(url);
  context_ = where.unix_path.empty() ? redisConnect(where.host.c_str(), where.port)
                                     : redisConnectUnix(where.unix_path.c_str());
  if (context_ == nullptr) throw std::runtime_error("hiredis: out of memory");
  try {
    if (context_->err != 0) throw std::runtime_error(where.address() + ": " + context_->errstr);
    const std::string password(where.password.reveal());
    if (!password.empty() && !where.user.empty()) command({"AUTH", where.user, password});
    if (!password.empty() && where.user.empty()) command({"AUTH", password});
    if (where.db != 0) command({"SELECT", std::to_string(where.db)});
  } catch (...) {
    redisFree(context_);
    throw;
  }
}

Plain::~Plain() { redisFree(context_); }

void Plain::append(const std::vector<std::string_view>& arguments) {
  starts_.clear();
  sizes_.clear();
  for (const std::string_view argument : arguments) {
    starts_.push_back(argument.data());
    sizes_.push_back(argument.size());
  }
  const int count = static_cast<int>(starts_.size());
  if (redisAppendCommandArgv(context_, count, starts_.data(), sizes_.data()) != REDIS_OK)
    throw std::runtime_error(std::string("hiredis: ") + context_->errstr);
}

Reply Plain::receive() {
  void* raw = nullptr;
  if (redisGetReply(context_, &raw) != REDIS_OK || raw == nullptr)
    throw std::runtime_error(std::string("hiredis: ") + context_->errstr);
  Reply reply(static_cast<redisReply*>(raw));
  if (reply->type == REDIS_REPLY_ERROR)
    throw std::runtime_error("redis: " + std::string(reply->str, reply->len));
  return reply;
}

Reply Plain::command(std::initializer_list<std::string_view> arguments) {
  append(arguments);
  return receive();
}

void Plain::load(const mx_rmq::lua::Script& script) { command({"SCRIPT", "LOAD", script.source}); }

std::string Plain::info(std::string_view section) {
  const Reply reply = command({"INFO", section});
  return std::string(reply->str, reply->len);
}

std::string Plain::list_clients() {
  const Reply reply = command({"CLIENT", "LIST"});
  return std::string(reply->str, reply->len);
}

std::int64_t Plain::number(std::initializer_list<std::string_view> arguments) {
  return as_number(command(arguments));
}

void Plain::flush_all() { command({"FLUSHALL"}); }

}  // namespace bench
