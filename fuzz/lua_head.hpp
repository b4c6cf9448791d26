// The scripts' own reader of envelopes, lua/include/envelope.lua, in Lua 5.1 as Redis runs it.
#pragma once

#include <string_view>

namespace mx_rmq::fuzz {

bool lua_accepts(std::string_view envelope);

}  // namespace mx_rmq::fuzz
