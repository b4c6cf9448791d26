#include "lockstep.hpp"

#include <algorithm>

#include "world.hpp"

namespace mx_rmq::test {
namespace {

// Empty if `got` is what the model wants.
std::string compare(const ScriptOp& op, const Value& got, const Value& wanted) {
  if (same(got, wanted)) return {};
  return show(op) + "\n  server: " + show(got) + "\n  model:  " + show(wanted);
}

// Empty if the same were told the same, in the same order.
std::string misheard(ScriptServer& server, const Model& model) {
  const auto& heard = server.heard();
  std::string out;
  for (const auto& [name, t] : model.topics()) {
    const auto found = heard.find(name);
    const std::vector<std::string> got =
        found == heard.end() ? std::vector<std::string>() : found->second;
    if (got == t.heard) continue;
    out += "what was published in {" + name + "}\n  server:";
    for (const std::string& each : got) out += " " + show(each);
    out += "\n  model: ";
    for (const std::string& each : t.heard) out += " " + show(each);
    out += "\n";
  }
  return out;
}

// Each accepted message is in exactly one place, or ended: by the server's state and the model's
// list of what ended.
std::string misplaced(const State& state, const Model& model, const World& world) {
  std::map<std::string, std::vector<std::string>> where = places(state);
  for (const auto& [name, t] : model.topics()) {
    for (const std::string& each : t.ended) where[mark_of(each)].push_back("ended");
  }
  std::string out;
  for (const std::string& mark : world.accepted()) {
    const auto found = where.find(mark);
    if (found == where.end()) {
      out += "message " + mark + " is lost\n";
    } else if (found->second.size() != 1) {
      out += "message " + mark + " is in";
      for (const std::string& place : found->second) out += " " + place;
      out += "\n";
    }
  }
  return out;
}

void count(Tally* tally, const ScriptOp& op, const Value& value) {
  if (tally == nullptr) return;
  ++tally->ops;
  ++tally->scripts[op.call.script];
  std::string kind;
  if (value.kind == Value::Kind::integer) {
    kind = value.integer < 0 ? "lost" : value.integer == 0 ? "0" : "n";
  } else if (value.kind == Value::Kind::array) {
    static const std::set<std::string> known{"ok",     "lost",    "again", "gone",       "alive",
                                             "none",   "changed", "large", "unreadable", "used",
                                             "lapsed", "stale",   "other", "refused",    "wrong"};
    for (std::size_t i = 0; i < std::min<std::size_t>(2, value.elements.size()); ++i) {
      if (known.contains(value.elements[i].text)) kind = value.elements[i].text;
    }
  }
  ++tally->replies[op.call.script + " " + kind];
}

// Whether the call found a paused topic in which something waits.
bool held_up(Model& model, const ScriptOp& op) {
  if (op.call.script != "claim" && op.call.script != "suspect") return false;
  const TopicModel& t = model.topic(op.call.topic);
  const auto pause = t.settings.find("paused_until");
  if (pause == t.settings.end() || std::stoll(pause->second) <= op.now_us / 1000) return false;
  return !t.ready[op.call.script == "claim" ? 1 : 3].empty();
}

}  // namespace

std::optional<Divergence> run_lockstep(ScriptServer& server, std::uint64_t seed, std::size_t ops,
                                       std::size_t interval, Tally* tally) {
  server.flush();
  Model model;
  World world(seed, model);
  Divergence out;
  out.seed = seed;
  for (std::size_t i = 0; i < ops; ++i) {
    const ScriptOp op = world.next();
    out.trace.push_back(op);
    const Value got = server.run(op);
    const Value wanted = model.run(op);
    count(tally, op, got);
    if (tally != nullptr && held_up(model, op)) ++tally->replies[op.call.script + " paused"];
    out.at = i;
    out.what = compare(op, got, wanted);
    if (out.what.empty()) world.reply(wanted);
    if (out.what.empty() && (i + 1 == ops || (i + 1) % interval == 0)) {
      const State state = server.state();
      out.what = difference(state, model.state());
      if (out.what.empty()) out.what = misheard(server, model);
      if (out.what.empty()) out.what = misplaced(state, model, world);
    }
    if (tally != nullptr && i + 1 == ops) {
      for (const auto& [name, t] : model.topics()) {
        for (const auto& [field, n] : t.stats) {
          if (field != "alarm") tally->events[field] += n;
        }
        tally->events["woken"] += static_cast<std::int64_t>(t.heard.size());
      }
    }
    // The server's own account: nothing in two places, the books agree.
    if (out.what.empty() && op.call.script == "audit" && got[0].str() == "ok") {
      for (std::size_t k = 1; k < got.elements.size(); k += 2) {
        const std::string& name = got[k].str();
        const bool zero = name == "books" || name == "dead_books" || name == "unowned" ||
                          name.starts_with("stray") || (name == "twice" && world.unique_ids());
        if (zero && got[k + 1].num() != 0) out.what = "audit: " + name + " is " + show(got[k + 1]);
      }
    }
    if (!out.what.empty()) return out;
  }
  return {};
}

std::optional<Divergence> replay(ScriptServer& server, const std::vector<ScriptOp>& trace) {
  server.flush();
  Model model;
  Divergence out;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    const Value got = server.run(trace[i]);
    const Value wanted = model.run(trace[i]);
    out.at = i;
    out.what = compare(trace[i], got, wanted);
    if (out.what.empty()) out.what = difference(server.state(), model.state());
    if (out.what.empty()) out.what = misheard(server, model);
    if (!out.what.empty()) {
      out.trace.assign(trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      return out;
    }
  }
  return {};
}

std::vector<ScriptOp> shrink(ScriptServer& server, std::vector<ScriptOp> trace,
                             std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  if (const auto first = replay(server, trace)) trace = first->trace;
  for (std::size_t chunk = std::max<std::size_t>(1, trace.size() / 2); chunk >= 1; chunk /= 2) {
    for (std::size_t at = 0; at < trace.size() && std::chrono::steady_clock::now() < until;) {
      std::vector<ScriptOp> fewer(trace.begin(), trace.begin() + static_cast<std::ptrdiff_t>(at));
      const std::size_t next = std::min(trace.size(), at + chunk);
      fewer.insert(fewer.end(), trace.begin() + static_cast<std::ptrdiff_t>(next), trace.end());
      if (const auto still = replay(server, fewer)) {
        trace = still->trace;
      } else {
        at += chunk;
      }
    }
  }
  return trace;
}

std::string report(ScriptServer& server, const Divergence& divergence) {
  std::string out = "seed " + std::to_string(divergence.seed) + ", operation " +
                    std::to_string(divergence.at) + ":\n" + divergence.what;
  const std::vector<ScriptOp> least = shrink(server, divergence.trace, std::chrono::seconds(20));
  const auto differs = replay(server, least);
  out += differs ? "\nthe least trace that still differs:\n"
                 : "\nthe replies and states of the trace agree; what is wrong lies in both. The "
                   "trace ends:\n";
  const std::size_t from = differs || least.size() < 12 ? 0 : least.size() - 12;
  for (std::size_t i = from; i < least.size(); ++i) out += "  " + show(least[i]) + "\n";
  return out + (differs ? differs->what : "");
}

}  // namespace mx_rmq::test
