#include "simulation.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "broker/data/envelope.hpp"
#include "mx_rmq/message.hpp"
#include "node.hpp"
#include "runtime/frames.hpp"

namespace mx_rmq::sim {

using namespace std::chrono_literals;

namespace {

// After everything has been mended: what recovery, retries and the longest handlers may need.
constexpr Duration longest_drain = 180s;
constexpr Duration longest_finish = 60s;
// In a calm world a message starts this soon after it can; sweeps, which heal what is lost, come
// far later.
constexpr Duration latest_start = 5s;
// Nor does it wait for so long beside a process that has nothing to do.
constexpr Duration longest_idle = 2s;
// Nor does it take a consumer so long to do something about a wake-up.
constexpr Duration longest_wake_up = 1s;

}  // namespace

Simulation::Simulation(Plan plan, LuaHost& lua, Trace trace)
    : plan_(std::move(plan)),
      trace_(std::move(trace)),
      random_(mixed(plan_.seed, 2)),
      books_(scheduler_) {
  server_ = std::make_unique<Server>(*this, lua);
  books_.set_window(Duration(plan_.config.produce_timeout) * 2);
  if (plan_.only_killers) books_.condemn_only_killers();
  if (plan_.calm) {
    books_.forbid_lapses();
    books_.forbid_rejections();
  }
  if (plan_.quick) books_.forbid_lateness(latest_start);
}

Simulation::~Simulation() = default;

// --- one run ---

Outcome Simulation::run() {
  const std::int64_t frames = runtime::live_frames();
  populate();
  look_again();
  run_until(TimePoint(plan_.chaos));
  heal();
  const TimePoint limit = scheduler_.now() + longest_drain;
  // Twice in a row: what a call had written that ended just now may still be on its way.
  int drained_checks = 0;
  while (!books_.violation() && drained_checks < 2 && scheduler_.now() < limit) {
    run_until(scheduler_.now() + 100ms);
    drained_checks = drained() ? drained_checks + 1 : 0;
  }
  if (drained_checks < 2) books_.violate("STUCK", "not everything was handled in time");
  finish();
  audit();
  nodes_.clear();
  if (runtime::live_frames() != frames && !books_.violation()) {
    books_.violate("LEAK",
                   std::to_string(runtime::live_frames() - frames) + " coroutine frames are left");
  }

  Outcome out;
  out.violation = books_.violation();
  out.plan = plan_.text();
  out.sightings = books_.sightings();
  for (const auto& [number, record] : books_.records()) {
    ++out.messages;
    out.accepted += record.accepted > 0;
    out.starts += static_cast<std::uint64_t>(record.starts);
  }
  out.commands = server_->commands();
  out.events = scheduler_.events();
  out.virtual_seconds = std::chrono::duration<double>(scheduler_.now().time_since_epoch()).count();
  if (plan_.quick) out.latest = books_.latest();
  return out;
}

void Simulation::run_until(TimePoint limit) {
  while (!books_.violation() && scheduler_.step(limit)) {
  }
}

Node& Simulation::add_node(bool works) {
  const int index = static_cast<int>(nodes_.size());
  nodes_.push_back(std::make_unique<Node>(*this, index, works));
  Node& node = *nodes_.back();
  node.set_wall(random_.span(-1000h, 1000h));
  tell("node " + std::to_string(index) + (works ? " consumes" : " only produces"));
  if (works) node.start();
  return node;
}

std::vector<Node*> Simulation::alive() const {
  std::vector<Node*> out;
  for (const auto& node : nodes_) {
    if (node->alive() && !node->finished()) out.push_back(node.get());
  }
  return out;
}

void Simulation::populate() {
  for (int i = 0; i < plan_.workers; ++i) add_node(true);
  for (int i = 0; i < plan_.producers; ++i) add_node(false);
  plan_messages();
  plan_partitions();
  plan_pauses();
  if (plan_.faults.any()) next_fault();
  if (plan_.stops) next_stop();
}

bool Simulation::drained() {
  if (planned_ > 0 || scheduler_.now() < quiet_from_) return false;
  if (!server_->watcher().drained()) return false;
  for (const auto& [number, record] : books_.records()) {
    if (record.open > 0) return false;
  }
  return std::ranges::all_of(alive(), [](const Node* node) { return node->idle(); });
}

void Simulation::look_again() {
  server_->watcher().check_places();
  if (plan_.partitions > 1) server_->watcher().let_time_pass(plan_.topics, plan_.partitions);
  if (plan_.calm) {
    look_for_idlers();
    const std::string unheeded = server_->unheeded(longest_wake_up);
    if (!unheeded.empty()) books_.violate("UNHEEDED", "nothing came of a wake-up at " + unheeded);
  }
  scheduler_.after(700ms, [this] {
    if (!books_.violation()) look_again();
  });
}

void Simulation::look_for_idlers() {
  const TimePoint now = scheduler_.now();
  std::set<int> busy;
  const Record* waiting = nullptr;
  for (const auto& [number, record] : books_.records()) {
    if (!record.holder.empty()) {
      busy.insert(server_->watcher().owner(record.holder));
    } else if (record.live && !books_.may_be_paused(record.topic) &&
               now - record.ready_at > longest_idle) {
      waiting = &record;
    }
  }
  for (const auto& node : nodes_) {
    if (!node->consumes() || !node->idle() || busy.contains(node->index())) {
      idle_since_.erase(node.get());
      continue;
    }
    const TimePoint since = idle_since_.emplace(node.get(), now).first->second;
    if (waiting == nullptr || now - since < longest_idle) continue;
    books_.violate("IDLE", waiting->id + " waits in vain, and node " +
                               std::to_string(node->index()) + " has nothing to do");
  }
}

void Simulation::finish() {
  ending_ = true;
  for (Node* const node : alive()) node->finish();
  const TimePoint limit = scheduler_.now() + longest_finish;
  while (!alive().empty() && scheduler_.now() < limit) {
    if (!scheduler_.step(limit)) break;
  }
  if (!alive().empty()) books_.violate("HANG", "a process does not come to its end");
}

void Simulation::audit() {
  if (books_.violation()) return;
  server_->watcher().check_places();
  books_.check_outcomes();
  server_->watcher().audit(plan_.topics, plan_.partitions, plan_.calm);
}

// --- the network's luck ---

Duration Simulation::latency() { return random_.span(plan_.latency_min, plan_.latency_max); }
Duration Simulation::some_delay() { return random_.span(0ms, 200ms); }

std::optional<Duration> Simulation::lateness() {
  if (!chaos_ || !plan_.faults.cuts || random_.chance(50)) return std::nullopt;
  return random_.span(1ms, Duration(plan_.config.lease) * 2);
}

bool Simulation::refuses() { return scheduler_.now() < refuses_until_; }

std::optional<std::size_t> Simulation::break_write(const Link&, std::size_t bytes) {
  if (!chaos_ || !plan_.faults.cuts || random_.below(150) != 0) return std::nullopt;
  books_.saw("cut in a write");
  return random_.below(bytes + 1);
}

std::optional<std::size_t> Simulation::break_reply(const Link&, std::size_t bytes) {
  if (!chaos_ || !plan_.faults.cuts || random_.below(150) != 0) return std::nullopt;
  books_.saw("cut in a reply");
  return random_.below(bytes + 1);
}

std::vector<std::shared_ptr<Link>> Simulation::links_of(const Node* node) {
  std::erase_if(links_, [](const auto& each) { return each.expired(); });
  std::vector<std::shared_ptr<Link>> out;
  for (const auto& each : links_) {
    auto link = each.lock();
    if (link && (node == nullptr || &link->node() == node)) out.push_back(std::move(link));
  }
  return out;
}

bool Simulation::strict() const {
  const TimePoint epoch = server_->watcher().epoch();
  if (epoch == TimePoint::min()) return true;
  return scheduler_.now() - epoch > Duration(plan_.config.lease) * 5 / 4;
}

void Simulation::script_ran(Node& node, std::string_view) { node.script_ran(); }

// --- what is shown ---

void Simulation::tell(const std::string& what) {
  if (!trace_) return;
  const double at = std::chrono::duration<double>(scheduler_.now().time_since_epoch()).count();
  char time[32];
  std::snprintf(time, sizeof time, "%11.6f ", at);
  trace_(time + what);
}

void Simulation::trace(int node, const Arguments& command, const Value* reply) {
  if (!trace_) return;
  if (command[0] == "SCRIPT" || command[0] == "TIME" || command[0] == "ROLE") return;
  const std::string_view script = server_->watcher().script_of(command);
  std::string text = "node " + std::to_string(node) + ":";
  const auto add = [&text](const std::string& each) {
    std::string shown = each.substr(0, 60);
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' '; }, '|');
    text += " " + shown;
  };
  if (script.empty()) {
    for (const std::string& each : command) add(each);
  } else {
    text += " " + std::string(script);
    const auto keys = static_cast<std::size_t>(std::stoul(command[2]));
    add(command[3].substr(0, command[3].rfind(':')));
    for (std::size_t i = 3 + keys; i < command.size(); ++i) add(command[i]);
  }
  text += " ->";
  if (reply == nullptr) {
    text += " waits";
  } else if (reply->kind == Value::Kind::array) {
    for (const Value& each : reply->elements) {
      add(each.kind == Value::Kind::integer ? std::to_string(each.integer) : each.text);
    }
  } else {
    add(reply->kind == Value::Kind::integer ? std::to_string(reply->integer) : reply->text);
  }
  tell(text);
}

}  // namespace mx_rmq::sim
