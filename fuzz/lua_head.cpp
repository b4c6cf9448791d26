#include "lua_head.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}

namespace mx_rmq::fuzz {

namespace {

// With the function head() on its stack.
lua_State* reader() {
  std::ifstream in(MX_RMQ_SOURCE_DIR "/lua/include/envelope.lua", std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf() << "\nreturn head";
  lua_State* const lua = luaL_newstate();
  luaL_openlibs(lua);
  if (!in || luaL_loadstring(lua, text.str().c_str()) != 0 || lua_pcall(lua, 0, 1, 0) != 0) {
    throw std::runtime_error("lua/include/envelope.lua cannot be loaded");
  }
  return lua;
}

}  // namespace

bool lua_accepts(std::string_view envelope) {
  static lua_State* const lua = reader();
  lua_pushvalue(lua, 1);
  lua_pushlstring(lua, envelope.data(), envelope.size());
  if (lua_pcall(lua, 1, 1, 0) != 0) throw std::runtime_error("head() failed");
  const bool accepted = lua_istable(lua, -1) != 0;
  lua_pop(lua, 1);
  return accepted;
}

}  // namespace mx_rmq::fuzz
