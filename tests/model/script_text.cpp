#include "script_text.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "mx_rmq_scripts.hpp"
#include "support/paths.hpp"

namespace mx_rmq::test {
namespace {

constexpr const char* prefix =
    "local redis = (function(real) "
    "local fail = tonumber(table.remove(ARGV)) "
    "local us = tonumber(table.remove(ARGV)) "
    "local n, call = 0, real.call "
    "return setmetatable({pcall = function(...) "
    "n = n + 1 "
    "if n == fail then return {err = 'ERR injected at call ' .. n} end "
    "return real.pcall(...) end, "
    "call = function(name, ...) "
    "if name == 'TIME' then "
    "return {string.format('%.0f', math.floor(us / 1000000)), string.format('%.0f', us % 1000000)} "
    "end "
    "n = n + 1 "
    "if n == fail then error({err = 'ERR injected at call ' .. n .. ' ' .. name}) end "
    "return call(name, ...) end}, {__index = real}) end)(redis) ";

}  // namespace

const std::map<std::string, std::string>& script_sources() {
  static const std::map<std::string, std::string> sources = [] {
    std::map<std::string, std::string> out;
    for (const lua::Script* each : lua::all()) out.emplace(each->name, each->source);
    return out;
  }();
  return sources;
}

std::string script_file(const std::string& name) {
  std::ifstream in(test::source_path("lua/" + name + ".lua"), std::ios::binary);
  if (!in) throw std::runtime_error("no file lua/" + name + ".lua");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string script_header(const std::string& name) {
  std::istringstream in(script_file(name));
  std::string out;
  for (std::string line; std::getline(in, line) && line.starts_with("--");) {
    if (!line.starts_with("-- @include")) out += line + "\n";
  }
  return out;
}

std::string instrumented(const std::string& source) { return prefix + source; }

LoadedScripts::LoadedScripts(RedisClient& client, Kind kind,
                             const std::optional<Mutation>& mutation) {
  bool changed = !mutation;
  for (const auto& [name, source] : script_sources()) {
    std::string text = source;
    if (mutation && (mutation->script.empty() || mutation->script == name)) {
      const auto at = text.find(mutation->find);
      if (at != std::string::npos) {
        text.replace(at, mutation->find.size(), mutation->replace);
        changed = true;
      }
    }
    if (kind == Kind::instrumented) text = instrumented(text);
    shas_[name] = client.command({"SCRIPT", "LOAD", text}).str();
  }
  if (!changed) throw std::runtime_error("mutation '" + mutation->name + "' changes nothing");
}

}  // namespace mx_rmq::test
