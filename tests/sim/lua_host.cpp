#include "lua_host.hpp"

#include <cmath>
#include <cstdio>
#include <stdexcept>

#include <lua.hpp>

#include "sha1.hpp"

// A C function of Lua that fails jumps out of C++ without destructors: those below build what they
// return or raise inside a scope that has ended by the time lua_error is called.
namespace mx_rmq::sim {
namespace {

constexpr const char* chunk_name = "@user_script";

// What Redis wraps around every script. The error handler adds the place to what is raised.
constexpr const char* prelude = R"lua(
local dbg = debug
debug = nil
function __redis__err__handler(err)
  local i = dbg.getinfo(2, 'nSl')
  if i and i.what == 'C' then i = dbg.getinfo(3, 'nSl') end
  if type(err) ~= 'table' then err = {err = 'ERR ' .. tostring(err)} end
  if i then
    err.source = i.source
    err.line = i.currentline
  end
  return err
end
)lua";

void push(lua_State* lua, const std::string& text) {
  lua_pushlstring(lua, text.data(), text.size());
}

void push(lua_State* lua, const Value& value) {
  switch (value.kind) {
    case Value::Kind::nil:
      lua_pushboolean(lua, 0);
      break;
    case Value::Kind::integer:
      lua_pushnumber(lua, static_cast<lua_Number>(value.integer));
      break;
    case Value::Kind::string:
      push(lua, value.text);
      break;
    case Value::Kind::status:
    case Value::Kind::error:
      lua_createtable(lua, 0, 1);
      push(lua, value.text);
      lua_setfield(lua, -2, value.kind == Value::Kind::status ? "ok" : "err");
      break;
    case Value::Kind::array:
      luaL_checkstack(lua, 2, "reply too deep");
      lua_createtable(lua, static_cast<int>(value.elements.size()), 0);
      for (std::size_t i = 0; i < value.elements.size(); ++i) {
        push(lua, value.elements[i]);
        lua_rawseti(lua, -2, static_cast<int>(i) + 1);
      }
      break;
  }
}

std::string text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* const bytes = lua_tolstring(lua, index, &size);
  return {bytes, size};
}

// The value on top, popped.
Value pop(lua_State* lua) {
  Value out;
  switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
      out = bulk(text_at(lua, -1));
      break;
    case LUA_TNUMBER:
      out = integer(static_cast<std::int64_t>(lua_tonumber(lua, -1)));
      break;
    case LUA_TBOOLEAN:
      if (lua_toboolean(lua, -1) != 0) out = integer(1);
      break;
    case LUA_TTABLE: {
      for (const char* const name : {"err", "ok"}) {
        lua_getfield(lua, -1, name);
        if (lua_type(lua, -1) == LUA_TSTRING) {
          const std::string text = text_at(lua, -1);
          lua_pop(lua, 2);
          return name[0] == 'e' ? error(text) : status(text);
        }
        lua_pop(lua, 1);
      }
      out = array();
      for (int i = 1;; ++i) {
        lua_rawgeti(lua, -1, i);
        if (lua_isnil(lua, -1)) break;
        out.elements.push_back(pop(lua));
      }
      lua_pop(lua, 1);
      break;
    }
    default:
      break;
  }
  lua_pop(lua, 1);
  return out;
}

// Reads the arguments of redis.call; false if one is neither a string nor a number.
bool read_arguments(lua_State* lua, Arguments& out) {
  const int count = lua_gettop(lua);
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 1; i <= count; ++i) {
    if (lua_type(lua, i) == LUA_TNUMBER) {
      char digits[64];
      std::snprintf(digits, sizeof digits, "%.17g", lua_tonumber(lua, i));
      out.emplace_back(digits);
    } else if (lua_type(lua, i) == LUA_TSTRING) {
      out.push_back(text_at(lua, i));
    } else {
      return false;
    }
  }
  return true;
}

MiniRedis& redis_of(lua_State* lua) {
  lua_getfield(lua, LUA_REGISTRYINDEX, "mini_redis");
  auto* const redis = static_cast<MiniRedis*>(lua_touserdata(lua, -1));
  lua_pop(lua, 1);
  return *redis;
}

// Leaves the reply on the stack; true if it is an error.
bool call_redis(lua_State* lua) {
  Value reply;
  Arguments arguments;
  if (lua_gettop(lua) == 0) {
    reply = error("ERR Please specify at least one argument for this redis lib call");
  } else if (!read_arguments(lua, arguments)) {
    reply = error("ERR Lua redis lib command arguments must be strings or integers");
  } else {
    reply = redis_of(lua).call(arguments);
  }
  push(lua, reply);
  return reply.is_error();
}

int redis_call(lua_State* lua) {
  if (call_redis(lua)) return lua_error(lua);
  return 1;
}

int redis_pcall(lua_State* lua) {
  call_redis(lua);
  return 1;
}

int single_field(lua_State* lua, const char* field) {
  if (lua_gettop(lua) != 1 || lua_type(lua, -1) != LUA_TSTRING) {
    push(lua, error("ERR wrong number or type of arguments"));
    return 1;
  }
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, field);
  return 1;
}

int status_reply(lua_State* lua) { return single_field(lua, "ok"); }
int error_reply(lua_State* lua) { return single_field(lua, "err"); }

// The globals' guard.
int unknown_global(lua_State* lua) {
  const char* const name = lua_tostring(lua, 2);
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    name == nullptr ? "?" : name);
}

int no_new_global(lua_State* lua) { return luaL_error(lua, "Attempt to modify a readonly table"); }

void add(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setfield(lua, -2, name);
}

void set_array(lua_State* lua, const char* name, const Arguments& from, std::size_t first,
               std::size_t last) {
  lua_createtable(lua, static_cast<int>(last - first), 0);
  for (std::size_t i = first; i < last; ++i) {
    push(lua, from[i]);
    lua_rawseti(lua, -2, static_cast<int>(i - first) + 1);
  }
  // Past the guard of the globals.
  lua_pushstring(lua, name);
  lua_insert(lua, -2);
  lua_rawset(lua, LUA_GLOBALSINDEX);
}

std::string field_of_top(lua_State* lua, const char* name) {
  lua_getfield(lua, -1, name);
  std::string out;
  if (lua_type(lua, -1) == LUA_TNUMBER || lua_type(lua, -1) == LUA_TSTRING) {
    out = text_at(lua, -1);
  }
  lua_pop(lua, 1);
  return out;
}

}  // namespace

LuaHost::LuaHost() : lua_(luaL_newstate()) {
  if (lua_ == nullptr) throw std::runtime_error("no Lua state");
  for (const luaL_Reg& library :
       {luaL_Reg{"", luaopen_base}, luaL_Reg{LUA_TABLIBNAME, luaopen_table},
        luaL_Reg{LUA_STRLIBNAME, luaopen_string}, luaL_Reg{LUA_MATHLIBNAME, luaopen_math},
        luaL_Reg{LUA_DBLIBNAME, luaopen_debug}}) {
    lua_pushcfunction(lua_, library.func);
    lua_pushstring(lua_, library.name);
    lua_call(lua_, 1, 0);
  }
  lua_newtable(lua_);
  add(lua_, "call", redis_call);
  add(lua_, "pcall", redis_pcall);
  add(lua_, "status_reply", status_reply);
  add(lua_, "error_reply", error_reply);
  lua_setglobal(lua_, "redis");
  if (luaL_dostring(lua_, prelude) != 0) throw std::runtime_error(text_at(lua_, -1));
  lua_newtable(lua_);
  add(lua_, "__index", unknown_global);
  add(lua_, "__newindex", no_new_global);
  lua_setmetatable(lua_, LUA_GLOBALSINDEX);
}

LuaHost::~LuaHost() { lua_close(lua_); }

const std::string& LuaHost::load(const std::string& source) {
  const auto known = sha_of_.find(source);
  if (known != sha_of_.end()) return known->second;
  std::string sha = sha1_hex(source);
  if (luaL_loadbuffer(lua_, source.data(), source.size(), chunk_name) != 0) {
    const std::string text = text_at(lua_, -1);
    lua_pop(lua_, 1);
    throw CommandError("ERR Error compiling script (new function): " + text);
  }
  lua_setfield(lua_, LUA_REGISTRYINDEX, ("script " + sha).c_str());
  compiled_.insert(sha);
  return sha_of_.emplace(source, std::move(sha)).first->second;
}

Value LuaHost::run(MiniRedis& redis, const std::string& sha, const Arguments& command,
                   std::size_t first_key, std::size_t keys) {
  lua_pushlightuserdata(lua_, &redis);
  lua_setfield(lua_, LUA_REGISTRYINDEX, "mini_redis");
  set_array(lua_, "KEYS", command, first_key, first_key + keys);
  set_array(lua_, "ARGV", command, first_key + keys, command.size());
  lua_getglobal(lua_, "__redis__err__handler");
  lua_getfield(lua_, LUA_REGISTRYINDEX, ("script " + sha).c_str());
  if (lua_pcall(lua_, 0, 1, -2) == 0) {
    Value out = pop(lua_);
    lua_pop(lua_, 1);
    return out;
  }
  std::string text = field_of_top(lua_, "err");
  const std::string source = field_of_top(lua_, "source");
  const std::string line = field_of_top(lua_, "line");
  lua_pop(lua_, 2);
  if (!source.empty()) text += " script: " + sha + ", on " + source + ":" + line + ".";
  return error(std::move(text));
}

}  // namespace mx_rmq::sim
