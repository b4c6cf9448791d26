#include "redis/wire/command.hpp"

#include <hiredis/hiredis.h>

#include <array>
#include <climits>
#include <new>
#include <stdexcept>

#include "mx_rmq_scripts.hpp"

namespace mx_rmq::redis {

namespace {

// hiredis reckons the length in an int.
constexpr std::size_t max_command = std::size_t{1} << 30;

}  // namespace

Command::Command(std::span<const std::string_view> arguments) {
  if (arguments.empty()) throw std::invalid_argument("a Redis command without arguments");
  if (arguments.size() > max_command / 32) {
    throw std::invalid_argument("a Redis command of too many arguments");
  }
  std::array<const char*, 32> few;
  std::array<std::size_t, 32> few_sizes;
  std::vector<const char*> many;
  std::vector<std::size_t> many_sizes;
  const char** data = few.data();
  std::size_t* sizes = few_sizes.data();
  if (arguments.size() > few.size()) {
    many.resize(arguments.size());
    many_sizes.resize(arguments.size());
    data = many.data();
    sizes = many_sizes.data();
  }
  std::size_t total = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    // An empty view may have no data at all, and hiredis copies from it.
    data[i] = arguments[i].empty() ? "" : arguments[i].data();
    sizes[i] = arguments[i].size();
    total += arguments[i].size() + 32;
    if (arguments[i].size() > max_command || total > max_command) {
      throw std::invalid_argument("a Redis command over 1 GiB");
    }
  }
  char* formatted = nullptr;
  const int size =
      redisFormatCommandArgv(&formatted, static_cast<int>(arguments.size()), data, sizes);
  if (size < 0) throw std::bad_alloc();
  bytes_.data = std::shared_ptr<const char>(
      formatted, [](const char* p) { redisFreeCommand(const_cast<char*>(p)); });
  bytes_.size = static_cast<std::size_t>(size);
}

std::string_view Command::name() const noexcept {
  std::string_view left = bytes_.view();
  std::size_t size = 0;
  for (const char mark : {'*', '$'}) {
    const std::size_t end = left.find("\r\n");
    if (!left.starts_with(mark) || end == std::string_view::npos) return {};
    std::from_chars(left.data() + 1, left.data() + end, size);
    left.remove_prefix(end + 2);
  }
  return left.substr(0, size);
}

void CommandBuilder::begin_evalsha(CommandBuilder& builder, const lua::Script& script,
                                   std::size_t keys) {
  builder.add("EVALSHA").add(script.sha1).add(keys);
}

Command eval_instead(const lua::Script& script, const Command& evalsha) {
  // "*<n>\r\n$7\r\nEVALSHA\r\n$40\r\n<sha1>\r\n" and what follows: taken apart again, so that
  // callers need not keep the arguments for a case that hardly ever comes.
  std::string_view left = evalsha.bytes().view();
  std::vector<std::string_view> arguments;
  const auto number = [&left](char mark) {
    const std::size_t end = left.find("\r\n");
    std::size_t value = 0;
    if (left.empty() || left.front() != mark || end == std::string_view::npos ||
        std::from_chars(left.data() + 1, left.data() + end, value).ec != std::errc()) {
      throw std::invalid_argument("not a command");
    }
    left.remove_prefix(end + 2);
    return value;
  };
  const std::size_t count = number('*');
  arguments.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = number('$');
    arguments.push_back(left.substr(0, size));
    left.remove_prefix(size + 2);
  }
  if (count < 3 || arguments[0] != "EVALSHA") throw std::invalid_argument("not an EVALSHA");
  arguments[0] = "EVAL";
  arguments[1] = script.source;
  return Command(arguments);
}

}  // namespace mx_rmq::redis
