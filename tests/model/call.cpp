#include "call.hpp"

#include <map>
#include <set>
#include <stdexcept>

namespace mx_rmq::test {
namespace {

using Names = std::vector<std::string>;

// In the order of each script's header; `processing` stands for that of the call's consumer.
const std::map<std::string, Names>& fixed_keys() {
  static const Names ready{"ready:high", "ready:normal", "ready:low"};
  static const Names dead{"dlq", "dlq:data"};
  const auto join = [](std::initializer_list<Names> parts) {
    Names out;
    for (const Names& each : parts) out.insert(out.end(), each.begin(), each.end());
    return out;
  };
  static const std::map<std::string, Names> table{
      {"claim", join({ready,
                      {"ready:suspect", "delayed", "delayed:data", "processing", "consumers",
                       "idle", "stats", "settings"}})},
      {"suspect", {"ready:suspect", "processing", "consumers", "settings"}},
      {"ask", {"consumers", "answers"}},
      {"answer", {"consumers", "answers"}},
      {"retry", {"processing", "consumers", "stats", "delayed", "delayed:data", "idle"}},
      {"dead", {"processing", "consumers", "stats", "dlq", "dlq:data", "ids"}},
      {"release", join({{"processing", "consumers", "stats"}, ready, {"ready:suspect", "idle"}})},
      {"tend", join({{"processing", "consumers"}, ready, {"ready:suspect", "idle"}})},
      {"reap", join({{"processing", "consumers"},
                     ready,
                     {"ready:suspect", "idle", "stats"},
                     dead,
                     {"ids"}})},
      {"sweep", join({ready,
                      {"ready:suspect", "delayed", "consumers", "idle", "stats"},
                      dead,
                      {"ids", "settings"}})},
      {"pass", {"idle"}},
      {"unlist", join({ready, {"delayed", "idle"}})},
      {"leave", join({{"processing", "consumers", "idle", "stats"}, ready, {"delayed"}})},
      {"cancel", {"delayed", "delayed:data", "ids", "stats"}},
      {"dlq_list", dead},
      {"dlq_get", dead},
      {"requeue", join({dead, ready, {"idle", "stats", "ids"}})},
      {"requeue_all", join({dead, ready, {"idle", "stats", "ids"}})},
      {"dlq_remove", join({dead, {"ids", "stats"}})},
      {"dlq_purge", join({dead, {"ids", "stats"}})},
      {"stats", join({ready, {"ready:suspect", "delayed", "consumers", "dlq", "stats"}})},
      {"forget", join({ready,
                       {"ready:suspect", "delayed", "dlq", "consumers", "idle", "delayed:data",
                        "dlq:data", "ids", "history:1m", "history:10m", "stats"}})},
      {"snapshot", join({ready,
                         {"ready:suspect", "delayed", "dlq", "consumers", "stats", "history:1m",
                          "history:10m"}})},
      {"audit", join({ready,
                      {"ready:suspect", "delayed", "delayed:data", "consumers"},
                      dead,
                      {"ids", "stats"}})},
      {"settings", {"settings"}},
      {"configure", {"settings", "idle"}},
      {"copy_settings", {"settings", "idle"}},
      {"raise_ids", {"settings", "idle"}},
      {"look_held", {"processing", "consumers"}},
      {"promote", join({{"delayed", "delayed:data"}, ready, {"ready:suspect", "idle"}})},
      {"reschedule", {"delayed", "delayed:data", "ids", "idle"}},
      {"purge_delayed", {"delayed", "delayed:data", "ids", "stats"}},
  };
  return table;
}

Names names_of(const Call& call) {
  Names names;
  if (call.script == "produce") {
    names = {"producer:" + call.who, "idle", "stats"};
    for (const std::string& list : call.lists) names.push_back("ready:" + list);
    if (call.argv.at(3) == "1") names.insert(names.end(), {"delayed", "delayed:data"});
    if (call.argv.at(4) == "1") names.push_back("ids");
    names.insert(names.end(), call.named.begin(), call.named.end());
  } else if (call.script == "ack") {
    names = {"processing", "consumers", "stats"};
    if (call.argv.at(3) != "0") names.push_back("ids");
  } else if (call.script == "cancel_page") {
    names = {"ready:" + call.lists.at(0), "ids", "stats", "idle"};
  } else if (call.script == "look_list") {
    names = {"ready:" + call.lists.at(0)};
  } else if (call.script == "purge_list") {
    names = {"ready:" + call.lists.at(0), "ids", "stats", "idle"};
  } else if (call.script == "displace") {
    names = {"ready:" + call.lists.at(0), "idle"};
    if (call.lists.at(1) == "delayed") {
      names.insert(names.end(), {"delayed", "delayed:data", "ids"});
    } else {
      names.push_back("ready:" + call.lists.at(1));
    }
  } else if (call.script == "look_index") {
    names = {call.lists.at(0), call.lists.at(0) + ":data"};
  } else if (call.script == "raise_ids" && !call.lists.empty()) {
    names = {"settings",      "idle",    "ready:high", "ready:normal", "ready:low",
             "ready:suspect", "delayed", "dlq",        "consumers",    "ids"};
  } else {
    names = fixed_keys().at(call.script);
    for (const std::string& each : call.named) names.push_back("processing:" + each);
  }
  return names;
}

}  // namespace

std::string key(const std::string& topic, const std::string& rest) {
  return "mx:{" + topic + "}:" + rest;
}

bool is_script(const std::string& name) {
  return name != "listen" && name != "unlisten" && name != "expire";
}

bool wakes(const std::string& script) {
  static const std::set<std::string> names{
      "produce",       "claim",     "retry",   "release",    "tend",        "reap",   "sweep",
      "pass",          "unlist",    "leave",   "requeue",    "requeue_all", "forget", "configure",
      "copy_settings", "raise_ids", "promote", "reschedule", "displace",    "ask"};
  return names.contains(script);
}

std::string alias_of(const std::string& consumer) {
  return consumer.substr(0, consumer.rfind('.'));
}

std::vector<std::string> keys_of(const Call& call) {
  Names out = names_of(call);
  for (std::string& each : out) {
    if (each == "processing" || each == "answers") each += ":" + call.who;
    each = key(call.topic, each);
  }
  return out;
}

std::vector<std::string> command_of(const Call& call, const std::string& sha, std::int64_t now_us,
                                    int fail_at, const char* publish) {
  if (call.script == "expire") return {"DEL", key(call.topic, "producer:" + call.who)};
  const std::vector<std::string> keys = keys_of(call);
  std::vector<std::string> out{"EVALSHA", sha, std::to_string(keys.size())};
  out.insert(out.end(), keys.begin(), keys.end());
  out.insert(out.end(), call.argv.begin(), call.argv.end());
  if (wakes(call.script)) out.push_back(publish);
  if (now_us >= 0) {
    out.push_back(std::to_string(now_us));
    out.push_back(std::to_string(fail_at));
  }
  return out;
}

std::string show(const std::string& bytes) {
  static constexpr const char* digits = "0123456789abcdef";
  std::string out = "\"";
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    if (each == '\n') {
      out += "\\n";
    } else if (each == '\t') {
      out += "\\t";
    } else if (byte < 32 || byte > 126) {
      out += std::string("\\x") + digits[byte / 16] + digits[byte % 16];
    } else {
      out += each;
    }
  }
  return out + '"';
}

std::string show(const ScriptOp& op) {
  std::string out = std::to_string(op.now_us) + " " + op.call.script + " {" + op.call.topic + "}" +
                    (op.call.who.empty() ? "" : " " + op.call.who);
  for (const std::string& each : op.call.lists) out += " @" + each;
  for (const std::string& each : op.call.argv) out += " " + show(each);
  return out;
}

std::string show(const Value& value) {
  if (value.kind == Value::Kind::string) return show(value.text);
  if (value.kind != Value::Kind::array) return value.dump();
  std::string out = "[";
  for (const Value& each : value.elements) out += (out.size() > 1 ? ", " : "") + show(each);
  return out + "]";
}

Value number(std::int64_t n) {
  Value out;
  out.kind = Value::Kind::integer;
  out.integer = n;
  return out;
}

Value text(std::string s) {
  Value out;
  out.kind = Value::Kind::string;
  out.text = std::move(s);
  return out;
}

Value array(std::vector<Value> elements) {
  Value out;
  out.kind = Value::Kind::array;
  out.elements = std::move(elements);
  return out;
}

bool same(const Value& a, const Value& b) {
  if (a.kind != b.kind || a.text != b.text || a.integer != b.integer ||
      a.elements.size() != b.elements.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.elements.size(); ++i) {
    if (!same(a.elements[i], b.elements[i])) return false;
  }
  return true;
}

}  // namespace mx_rmq::test
