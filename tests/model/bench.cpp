#include "bench.hpp"

#include <algorithm>

namespace mx_rmq::test {
namespace {

constexpr const char* dump_script =
    "local out = {} "
    "for _, k in ipairs(redis.call('KEYS', '*')) do "
    "local t, v = redis.call('TYPE', k).ok, nil "
    "if t == 'list' then v = redis.call('LRANGE', k, 0, -1) "
    "elseif t == 'hash' then v = redis.call('HGETALL', k) "
    "elseif t == 'zset' then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') "
    "else v = {redis.call('GET', k)} end "
    "out[#out + 1] = k out[#out + 1] = t out[#out + 1] = #v "
    "for i = 1, #v do out[#out + 1] = v[i] end end return out";

// The fields that are not always told come in the order of a hash, which is not promised.
void sort_settings(Value& reply) {
  if (reply.kind != Value::Kind::array) return;
  auto last = reply.elements.begin();
  for (auto at = last; at != reply.elements.end(); ++at) {
    if (at->text == "ids_active") last = at;
  }
  if (last == reply.elements.begin() || reply.elements.end() - last < 4) return;
  std::map<std::string, Value> others;
  for (auto at = last + 2; at != reply.elements.end(); at += 2) others[at->text] = at[1];
  auto at = last + 2;
  for (const auto& [field, value] : others) {
    *at++ = text(field);
    *at++ = value;
  }
}

}  // namespace

ScriptServer::ScriptServer(RedisOptions options, Channels channels)
    : server_(std::move(options)),
      sharded_(channels == Channels::sharded),
      client_(server_.connect()),
      listener_(server_.connect()) {
  load();
}

void ScriptServer::load(const std::optional<Mutation>& mutation) {
  dump_sha_ = client_.command({"SCRIPT", "LOAD", dump_script}).str();
  scripts_.emplace(client_, LoadedScripts::Kind::instrumented, mutation);
}

void ScriptServer::reconnect() {
  client_ = server_.connect();
  listener_ = server_.connect();
  channels_.clear();
  load();
}

Value ScriptServer::run(const ScriptOp& op, int fail_at) {
  const std::string& name = op.call.script;
  if (name == "listen" || name == "unlisten") {
    listen(name == "listen", key(op.call.topic, "to:" + op.call.who));
    return number(1);
  }
  const bool script = is_script(name);
  Value reply =
      client_.try_command(command_of(op.call, script ? scripts_->sha(op.call.script) : "",
                                     op.now_us, fail_at, sharded_ ? "SPUBLISH" : "PUBLISH"));
  if (op.call.script == "stats" && reply.kind == Value::Kind::array) {
    // The order of a hash is not promised.
    std::map<std::string, Value> fields;
    const auto n = static_cast<std::size_t>(reply[14].num());
    for (std::size_t i = 0; i < n; ++i) fields[reply[15 + 2 * i].str()] = reply[16 + 2 * i];
    std::size_t at = 15;
    for (const auto& [name, value] : fields) {
      reply.elements[at++] = text(name);
      reply.elements[at++] = value;
    }
  }
  if (name == "settings" || name == "configure") sort_settings(reply);
  return reply;
}

void ScriptServer::listen(bool on, const std::string& channel) {
  const std::string kind = std::string(sharded_ ? "s" : "") + (on ? "subscribe" : "unsubscribe");
  listener_.send({kind, channel});
  hear_until(kind);
  if (on) channels_.insert(channel);
  if (!on) channels_.erase(channel);
}

void ScriptServer::hear_until(const std::string& kind) {
  for (;;) {
    const Value push = listener_.receive();
    if (push.kind != Value::Kind::array) return;  // PONG, where nothing is subscribed
    if (push[0].str() == kind) return;
    if (push[0].str() != "message" && push[0].str() != "smessage") continue;
    const std::string& channel = push[1].str();
    const auto tag = channel.find('{') + 1;
    const auto end = channel.find("}:to:");
    heard_[channel.substr(tag, end - tag)].push_back(channel.substr(end + 5) + " " + push[2].str());
  }
}

const std::map<std::string, std::vector<std::string>>& ScriptServer::heard() {
  listener_.send({"PING"});
  hear_until("pong");
  return heard_;
}

void ScriptServer::flush() {
  client_.command({"FLUSHALL"});
  while (!channels_.empty()) listen(false, std::string(*channels_.begin()));
  heard_.clear();
}

State ScriptServer::state() {
  const Value reply = client_.command({"EVALSHA", dump_sha_, "0"});
  State out;
  for (std::size_t at = 0; at < reply.elements.size();) {
    std::vector<std::string>& row = out[reply[at].str()];
    row = {reply[at + 1].str()};
    const auto n = static_cast<std::size_t>(reply[at + 2].num());
    at += 3;
    if (row[0] == "hash") {
      std::map<std::string, std::string> fields;
      for (std::size_t i = 0; i < n; i += 2) fields[reply[at + i].str()] = reply[at + i + 1].str();
      for (const auto& [field, value] : fields) row.insert(row.end(), {field, value});
    } else {
      for (std::size_t i = 0; i < n; ++i) row.push_back(reply[at + i].str());
    }
    at += n;
  }
  return out;
}

std::string difference(const State& server, const State& model) {
  std::string out;
  const auto row = [](const State& state, const std::string& name) {
    std::string line;
    const auto found = state.find(name);
    if (found == state.end()) return std::string(" -");
    for (const std::string& each : found->second) line += " " + show(each);
    return line;
  };
  std::set<std::string> names;
  for (const auto& [name, value] : server) names.insert(name);
  for (const auto& [name, value] : model) names.insert(name);
  for (const std::string& name : names) {
    const std::string got = row(server, name);
    const std::string wanted = row(model, name);
    if (got != wanted) out += name + "\n  server:" + got + "\n  model: " + wanted + "\n";
  }
  return out;
}

std::string mark_of(const std::string& bytes) {
  const auto end = bytes.rfind('#');
  if (end == std::string::npos || end == 0) return "";
  const auto begin = bytes.rfind('#', end - 1);
  return begin == std::string::npos ? "" : bytes.substr(begin + 1, end - begin - 1);
}

std::map<std::string, std::vector<std::string>> places(const State& state) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& [name, row] : state) {
    const auto tag = name.find("}:");
    const std::string rest = tag == std::string::npos ? name : name.substr(tag + 2);
    const bool list = rest.starts_with("ready:");
    const bool hash =
        rest == "delayed:data" || rest == "dlq:data" || rest.starts_with("processing:");
    if (!list && !hash) continue;
    for (std::size_t i = list ? 1 : 2; i < row.size(); i += list ? 1 : 2) {
      if (const std::string mark = mark_of(row[i]); !mark.empty()) out[mark].push_back(name);
    }
  }
  return out;
}

}  // namespace mx_rmq::test
