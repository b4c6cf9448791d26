// EVALSHA with keys and arguments that are there already; the library builds its own as it goes.
#pragma once

#include <span>
#include <string_view>

#include "redis/wire/command.hpp"

namespace mx_rmq::redis {

inline Command evalsha(const lua::Script& script, std::span<const std::string_view> keys,
                       std::span<const std::string_view> arguments) {
  CommandBuilder builder;
  CommandBuilder::begin_evalsha(builder, script, keys.size());
  for (const std::string_view key : keys) builder.add(key);
  for (const std::string_view argument : arguments) builder.add(argument);
  return builder.build();
}

}  // namespace mx_rmq::redis
