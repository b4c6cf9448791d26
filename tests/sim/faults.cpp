// What goes wrong in a simulated world.
#include <functional>
#include <vector>

#include "node.hpp"
#include "simulation.hpp"

namespace mx_rmq::sim {

using namespace std::chrono_literals;

namespace {

// Within this time after everything has been mended topics take all messages again.
constexpr Duration longest_disorder = 25s;
// A connection that is dead, and nobody was told, costs a message that is produced so long before.
constexpr Duration longest_silence = 8s;

}  // namespace

void Simulation::next_fault() {
  scheduler_.after(random_.span(plan_.fault_interval / 4, plan_.fault_interval * 2), [this] {
    if (!chaos_) return;
    fault();
    next_fault();
  });
}

void Simulation::fault() {
  const Duration lease(plan_.config.lease);
  const Duration command(plan_.config.command_timeout);
  const TimePoint now = scheduler_.now();
  std::vector<std::function<void()>> possible;
  const auto add = [&possible](bool enabled, std::function<void()> what) {
    if (enabled) possible.push_back(std::move(what));
  };
  const auto some_link = [this]() -> std::shared_ptr<Link> {
    std::vector<std::shared_ptr<Link>> usable;
    for (auto& link : links_of(nullptr)) {
      if (link->usable()) usable.push_back(std::move(link));
    }
    return usable.empty() ? nullptr : random_.one_of(usable);
  };
  const Faults& faults = plan_.faults;
  add(faults.cuts, [&] {
    const auto link = some_link();
    if (!link) return;
    if (random_.chance(60)) {
      tell("the next script's reply to node " + std::to_string(link->node().index()) +
           " will be lost");
      return server_->swallow_next(*link);
    }
    tell("a connection of node " + std::to_string(link->node().index()) + " breaks");
    books_.saw("cut");
    link->cut(some_delay(), lateness());
  });
  add(faults.silences, [&] {
    const auto link = some_link();
    if (!link) return;
    tell("a connection of node " + std::to_string(link->node().index()) + " falls silent");
    books_.saw("silence");
    link->silence();
  });
  add(faults.holds, [&] {
    const auto link = some_link();
    if (!link) return;
    books_.saw("hold");
    const TimePoint until = now + random_.span(20ms, command * 2);
    if (random_.chance(50)) {
      tell("a connection of node " + std::to_string(link->node().index()) + " stands still");
      return link->hold(until);
    }
    tell("node " + std::to_string(link->node().index()) + " is cut off for a while");
    link->node().cut_off(now + random_.span(20ms, lease * 2));
  });
  add(faults.refusals, [&] {
    books_.saw("refusal");
    tell("connections are refused for a while");
    refuses_until_ = now + random_.span(50ms, 1s);
    if (const auto link = some_link()) link->cut(some_delay(), lateness());
  });
  add(faults.crashes, [&] {
    const std::vector<Node*> all = alive();
    if (all.empty()) return;
    Node* const node = random_.one_of(all);
    Doom doom;
    const std::uint64_t kind = random_.below(3);
    doom.kind = kind == 0 ? Doom::Kind::turn : kind == 1 ? Doom::Kind::write : Doom::Kind::command;
    doom.left = static_cast<int>(random_.between(1, 15));
    tell("node " + std::to_string(node->index()) + " is going to die");
    node->doom(doom);
    replace_soon();
  });
  add(faults.pauses, [&] {
    const std::vector<Node*> all = alive();
    if (all.empty()) return;
    Node* const node = random_.one_of(all);
    tell("node " + std::to_string(node->index()) + " stands still");
    books_.saw("pause");
    const Duration span = random_.span(10ms, lease * 3);
    if (random_.chance(50)) return node->pause_before_reply(span);
    node->pause(now + span);
    // A machine that was suspended: its wall clock has stood still, too.
    if (faults.wall_clocks) node->set_wall(-span);
  });
  add(faults.restarts, [&] {
    if (!server_->accepts()) return;
    tell("the server restarts");
    books_.saw("restart");
    server_->crash();
    scheduler_.after(random_.span(1ms, 1s), [this] { server_->start(); });
  });
  add(faults.failovers, [&] {
    server_->keep_snapshot();
    scheduler_.after(random_.span(1ms, 300ms), [this] {
      if (!chaos_ || !server_->accepts()) return;
      tell("failover: the server's last commands are lost");
      books_.saw("failover");
      server_->crash();
      server_->fall_back(plan_.partitions > 1 && random_.chance(50));
      if (random_.chance(50)) server_->set_clock(random_.span(-500ms, 500ms));
      scheduler_.after(random_.span(1ms, 1s), [this] { server_->start(); });
    });
  });
  add(faults.flushes, [&] {
    tell("SCRIPT FLUSH");
    books_.saw("flush");
    server_->flush_scripts();
    for (std::uint64_t i = random_.below(10); i > 0; --i) {
      scheduler_.after(random_.span(1ms, 300ms), [this] { server_->flush_scripts(); });
    }
  });
  add(faults.clock_steps, [&] {
    const Duration by = random_.span(-lease * 2, lease * 2);
    tell("the server's clock is set by " + std::to_string(by.count() / 1'000'000) + " ms");
    books_.saw("clock step");
    server_->set_clock(by);
  });
  add(faults.wall_clocks, [&] {
    tell("the processes' wall clocks are set");
    books_.saw("wall clocks set");
    for (Node* const node : alive()) node->set_wall(random_.span(-1h, 1h));
  });
  add(faults.server_pauses, [&] {
    tell("the server stands still");
    books_.saw("server pause");
    server_->pause(now + random_.span(10ms, command * 3));
  });
  possible[random_.below(possible.size())]();
}

void Simulation::replace_soon() {
  scheduler_.after(random_.span(0ms, 1s), [this] {
    if (!ending_ && alive().size() < 6) add_node(true);
  });
}

void Simulation::next_stop() {
  scheduler_.after(random_.span(300ms, 3s), [this] {
    if (!chaos_) return;
    std::vector<Node*> consuming;
    for (Node* const node : alive()) {
      if (node->consumes() && node->idle()) consuming.push_back(node);
    }
    // Somebody must go on.
    if (consuming.size() > 1) {
      Node* const node = random_.one_of(consuming);
      // What it has claimed when it stops, and not begun, it is to give back.
      const bool busy = plan_.calm && random_.chance(30);
      for (int i = 0; busy && i < 8; ++i) produce_one_more();
      scheduler_.after(busy ? random_.span(0ms, 8ms) : Duration(0), [this, node] { stop(*node); });
    }
    next_stop();
  });
}

void Simulation::stop(Node& node) {
  if (!chaos_ || !node.consumes() || !node.idle()) return;
  tell("node " + std::to_string(node.index()) + " is stopped");
  node.stop(random_.span(0ms, plan_.calm ? 6s : 2s));
  // What comes just now must not get lost between the one that goes and those that stay.
  if (random_.chance(70)) later(random_.span(0ms, 4ms), [this] { produce_one_more(); });
}

// Nothing goes wrong any more, and there is somebody who does the work.
void Simulation::heal() {
  chaos_ = false;
  refuses_until_ = {};
  server_->start();
  tell("all is well again");
  bool somebody = false;
  for (Node* const node : alive()) {
    node->doom({});
    node->pause_before_reply({});
    somebody = somebody || node->consumes();
  }
  if (!somebody || !plan_.calm) add_node(true);
  // Whoever has paused a topic may have died since.
  for (const std::string& topic : plan_.topics) {
    Node* const node = producer();
    if (node != nullptr && !plan_.calm && books_.may_be_paused(topic)) node->resume_topic(topic);
  }
  if (plan_.partitions == 1 || plan_.calm) return;  // nothing was to be refused there anyway
  later(longest_disorder - longest_silence, [this] { produce_everywhere(); });
  later(longest_disorder, [this] {
    books_.forbid_rejections();
    produce_everywhere();
  });
}

}  // namespace mx_rmq::sim
