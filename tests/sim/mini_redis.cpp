#include "mini_redis.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "lua_host.hpp"

namespace mx_rmq::sim {

// --- replies and arguments ---

Value nil() { return {}; }

Value status(std::string text) {
  Value out;
  out.kind = Value::Kind::status;
  out.text = std::move(text);
  return out;
}

Value error(std::string text) {
  Value out;
  out.kind = Value::Kind::error;
  out.text = std::move(text);
  return out;
}

Value integer(std::int64_t number) {
  Value out;
  out.kind = Value::Kind::integer;
  out.integer = number;
  return out;
}

Value bulk(std::string text) {
  Value out;
  out.kind = Value::Kind::string;
  out.text = std::move(text);
  return out;
}

Value array(std::vector<Value> elements) {
  Value out;
  out.kind = Value::Kind::array;
  out.elements = std::move(elements);
  return out;
}

std::int64_t read_integer(const std::string& text, const char* complaint) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool padded = text.size() > 1 && (text[0] == '0' || text.starts_with("-0"));
  if (problem != std::errc() || end != text.data() + text.size() || padded) {
    throw CommandError(complaint != nullptr ? complaint
                                            : "ERR value is not an integer or out of range");
  }
  return value;
}

double read_score(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || std::isspace(static_cast<unsigned char>(text[0])) ||
      end != text.c_str() + text.size() || std::isnan(value)) {
    throw CommandError("ERR value is not a valid float");
  }
  return value;
}

std::string write_score(double score) {
  if (std::isinf(score)) return score > 0 ? "inf" : "-inf";
  char out[64];
  const int size = std::snprintf(out, sizeof out, "%.17g", score);
  return {out, static_cast<std::size_t>(size)};
}

std::string upper(std::string text) {
  for (char& each : text) {
    if (each >= 'a' && each <= 'z') each = static_cast<char>(each - 'a' + 'A');
  }
  return text;
}

void wrong_type() {
  throw CommandError("WRONGTYPE Operation against a key holding the wrong kind of value");
}

// --- data ---

MiniRedis::MiniRedis(LuaHost& lua, Time time, Channels channels)
    : lua_(lua), time_(std::move(time)), channels_(std::move(channels)) {}

Entry* MiniRedis::find_any(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return nullptr;
  if (found->second.expires_ms != 0 && found->second.expires_ms <= now_us_ / 1000) {
    keys_.erase(found);
    return nullptr;
  }
  return &found->second;
}

void MiniRedis::drop_if_empty(const std::string& key) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  const bool empty = std::visit(
      [](const auto& data) {
        if constexpr (std::is_same_v<std::decay_t<decltype(data)>, std::string>) {
          return false;
        } else {
          return data.empty();
        }
      },
      found->second.data);
  if (empty) keys_.erase(found);
}

// --- carrying out ---

namespace {

const CommandTable& commands() {
  static const CommandTable table = [] {
    CommandTable out;
    add_channel_commands(out);
    add_key_commands(out);
    add_list_commands(out);
    add_hash_commands(out);
    add_sorted_commands(out);
    return out;
  }();
  return table;
}

std::string lower(std::string text) {
  for (char& each : text) {
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each - 'A' + 'a');
  }
  return text;
}

bool fits(const CommandSpec& spec, std::size_t arguments) {
  return spec.arity >= 0 ? arguments == static_cast<std::size_t>(spec.arity)
                         : arguments >= static_cast<std::size_t>(-spec.arity);
}

std::string wrong_number(const std::string& name) {
  return "ERR wrong number of arguments for '" + lower(name) + "' command";
}

std::string unknown(const Arguments& command) {
  std::string out = "ERR unknown command '" + command[0] + "', with args beginning with: ";
  // Up to a NUL, as C prints them.
  for (std::size_t i = 1; i < command.size(); ++i)
    out.append("'").append(command[i].c_str()) += "' ";
  return out;
}

}  // namespace

Value MiniRedis::dispatch(const Arguments& command, bool from_script) {
  const auto found = commands().find(upper(command[0]));
  if (found == commands().end()) {
    throw CommandError(from_script ? "ERR Unknown Redis command called from script"
                                   : unknown(command));
  }
  if (!fits(found->second, command.size())) {
    throw CommandError(from_script ? "ERR Wrong number of args calling Redis command from script"
                                   : wrong_number(command[0]));
  }
  return found->second.run(*this, command);
}

Value MiniRedis::call(const Arguments& command) {
  try {
    return dispatch(command, true);
  } catch (const CommandError& e) {
    return error(e.what());
  }
}

Value MiniRedis::run(const Arguments& command) {
  now_us_ = time_();
  try {
    const std::string name = upper(command.at(0));
    if (name == "EVALSHA" || name == "EVAL") {
      if (command.size() < 3) throw CommandError(wrong_number(name));
      return run_script(command, name == "EVAL" ? lua_.load(command[1]) : command[1]);
    }
    if (name == "SCRIPT") return script_command(command);
    return dispatch(command, false);
  } catch (const CommandError& e) {
    return error(e.what());
  }
}

Value MiniRedis::run_script(const Arguments& command, const std::string& sha) {
  const std::int64_t keys = read_integer(command[2]);
  if (keys > static_cast<std::int64_t>(command.size()) - 3) {
    throw CommandError("ERR Number of keys can't be greater than number of args");
  }
  if (keys < 0) throw CommandError("ERR Number of keys can't be negative");
  const std::string name = lower(sha);
  if (upper(command[0]) == "EVAL") {
    scripts_.insert(name);
  } else if (!scripts_.contains(name)) {
    throw CommandError("NOSCRIPT No matching script. Please use EVAL.");
  }
  return lua_.run(*this, name, command, 3, static_cast<std::size_t>(keys));
}

Value MiniRedis::script_command(const Arguments& command) {
  if (command.size() < 2) throw CommandError(wrong_number("script"));
  const std::string what = upper(command[1]);
  if (what == "LOAD") {
    if (command.size() != 3) throw CommandError(wrong_number("script|load"));
    const std::string& sha = lua_.load(command[2]);
    scripts_.insert(sha);
    return bulk(sha);
  }
  if (what == "FLUSH") {
    forget_scripts();
    return status("OK");
  }
  if (what == "EXISTS") {
    std::vector<Value> out;
    for (std::size_t i = 2; i < command.size(); ++i) out.push_back(integer(knows(command[i])));
    return array(std::move(out));
  }
  throw CommandError("ERR unknown subcommand '" + command[1] + "'. Try SCRIPT HELP.");
}

}  // namespace mx_rmq::sim
