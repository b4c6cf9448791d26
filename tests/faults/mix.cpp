#include "faults/mix.hpp"

#include <algorithm>
#include <csignal>
#include <functional>
#include <iostream>
#include <optional>
#include <vector>

#include "faults/arena.hpp"

namespace mx_rmq::faults {
namespace {

constexpr std::size_t worker_count = 3;
constexpr std::size_t producer_count = 2;
constexpr auto mix_lease = 1500ms;
constexpr auto tick_time = 60ms;
constexpr auto epoch_time = 1500ms;
constexpr double fault_share = 0.3;    // of the kinds of faults that are about in an epoch
constexpr int most_epochs_after = 60;  // epochs after everything was produced
constexpr std::int64_t more_messages = 2000;

ArenaOptions arena_options(const MixOptions& mix) {
  ArenaOptions options;
  options.name = mix.name;
  options.seed = mix.seed;
  options.redis.appendfsync = "always";
  options.history = true;
  options.proxied = true;
  options.lease = mix_lease;
  options.worker_arguments = {"sleep_us=0:3000", "throw=0.02", "reject=0.002", "block=0.0001",
                              "block_ms=200"};
  options.worker_environment = {"MQ_TASK_QUEUE_SIZE=128", "MQ_MAX_WORKERS=50",
                                "MQ_BLOCKING_THREADS=8"};
  options.producer_arguments = {"concurrency=" + std::to_string(mix.concurrency),
                                "chosen=0.1",
                                "delayed=0.1",
                                "delay_ms=0:500",
                                "ranked=0.2",
                                "size=0:60"};
  options.producer_environment = {"MQ_PRODUCE_TIMEOUT=1500ms"};
  return options;
}

class Mix {
 public:
  explicit Mix(const MixOptions& options) : options_(options), arena_(arena_options(options)) {}

  Verdict run() {
    for (std::size_t i = 0; i < worker_count; ++i) arena_.add_worker();
    for (std::size_t i = 0; i < producer_count; ++i)
      arena_.add_producer(options_.messages / static_cast<std::int64_t>(producer_count));
    std::vector<std::size_t> due(kinds_.size());
    for (std::size_t i = 0; i < due.size(); ++i) due[i] = i;
    for (std::size_t i = due.size(); i > 1; --i) std::swap(due[i - 1], due[dice().next() % i]);
    int after = 0;
    while (!due.empty() || arena_.acknowledged() < options_.messages) {
      if (arena_.acknowledged() >= options_.messages && ++after > most_epochs_after) break;
      // One that has not been seen yet, and some of the others.
      std::vector<std::size_t> about;
      if (!due.empty()) about.push_back(due.back());
      for (std::size_t i = 0; i < kinds_.size(); ++i)
        if (dice().chance(fault_share) && (due.empty() || i != due.back())) about.push_back(i);
      const bool seen = epoch(about, !due.empty());
      if (due.empty()) continue;
      // Once more after the others, if it could not happen or had no effect.
      const std::size_t now = due.back();
      due.pop_back();
      if (!seen) due.insert(due.begin(), now);
    }
    undo(true);
    arena_.heal();
    arena_.drain(180s);
    Rules rules;
    for (const Kind& each : kinds_) {
      rules.must_see.emplace_back(kind_of(each.fault).name);
      if (each.error != nullptr) rules.must_see.emplace_back(each.error);
    }
    for (const char* each : {"redelivery", "audits", "server history"})
      rules.must_see.emplace_back(each);
    return arena_.finish(rules);
  }

 private:
  struct Kind {
    Fault fault;
    double chance;           // a tick, while it is about
    bool (Mix::*inject)();   // false: it cannot happen now
    const char* error = {};  // that the server must have answered because of it
  };
  struct Undo {
    test::WaitClock::time_point at;
    std::function<void()> action;
  };

  Dice& dice() { return arena_.dice(); }
  std::chrono::milliseconds between(int from, int to) {
    return std::chrono::milliseconds(dice().between(from, to));
  }
  std::size_t any_worker() { return dice().next() % worker_count; }
  void later(std::chrono::milliseconds after, std::function<void()> action) {
    undo_.push_back({test::WaitClock::now() + after, std::move(action)});
  }
  void undo(bool all) {
    const auto now = test::WaitClock::now();
    for (std::size_t i = 0; i < undo_.size();) {
      if (!all && undo_[i].at > now) {
        ++i;
        continue;
      }
      const auto action = std::move(undo_[i].action);
      undo_.erase(undo_.begin() + static_cast<std::ptrdiff_t>(i));
      action();
    }
  }

  // The first of them comes as soon as it can, if it is `due`. True if it did, and was seen.
  bool epoch(const std::vector<std::size_t>& about, bool due) {
    const auto until = test::WaitClock::now() + epoch_time;
    bool happened = false;
    while (test::WaitClock::now() < until) {
      // A producer that is done must not leave the rest of the faults without load.
      if (due && !producing()) arena_.add_producer(more_messages, {"pause_us=20000"});
      for (const std::size_t i : about) {
        const bool sure = due && i == about.front() && !happened;
        if (!sure && !dice().chance(kinds_[i].chance)) continue;
        const bool done = (this->*kinds_[i].inject)();
        happened |= sure && done;
      }
      undo(false);
      for (std::size_t i = 0; i < worker_count; ++i) arena_.revive_worker(i);
      std::this_thread::sleep_for(tick_time);
    }
    if (!due) return false;
    const char* const error = kinds_[about.front()].error;
    return happened && (error == nullptr || arena_.has_seen(error));
  }
  bool producing() {
    return std::ranges::any_of(arena_.producers(),
                               [](const auto& each) { return each->process.running(); });
  }
  // One that has begun to produce, and has not ended.
  std::optional<std::size_t> any_producer() {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < arena_.producers().size(); ++i) {
      Member& each = *arena_.producers()[i];
      if (each.process.running() && each.tail->count(Op::produced) > 0) all.push_back(i);
    }
    if (all.empty()) return {};
    return all[dice().next() % all.size()];
  }

  // A fault that is on for a while, once at a time.
  bool lasting(Fault fault, std::chrono::milliseconds time, const std::function<void()>& on,
               std::function<void()> off) {
    if (on_[static_cast<std::size_t>(fault)]) return true;
    on_[static_cast<std::size_t>(fault)] = true;
    arena_.begin(fault);
    on();
    later(time, [this, fault, off = std::move(off)] {
      off();
      arena_.end(fault);
      on_[static_cast<std::size_t>(fault)] = false;
    });
    return true;
  }

  bool paused(std::size_t worker) const { return paused_[worker]; }

  bool kill_worker() {
    const std::size_t i = any_worker();
    if (paused(i)) return false;
    arena_.kill_worker(i);
    return true;
  }
  bool pause_worker() {
    const std::size_t i = any_worker();
    if (paused(i) || !arena_.workers()[i]->process.running()) return false;
    paused_[i] = true;
    arena_.pause_worker(i);
    later(between(100, 2 * static_cast<int>(mix_lease.count())), [this, i] {
      arena_.resume_worker(i);
      paused_[i] = false;
    });
    return true;
  }
  bool stop_worker() {
    const std::size_t i = any_worker();
    if (paused(i) || !arena_.workers()[i]->process.running()) return false;
    arena_.stop_worker(i);
    return true;
  }
  bool clock_jump() {
    const std::size_t i = any_worker();
    if (paused(i)) return false;
    Strings& environment = arena_.workers()[i]->environment;
    environment.push_back("MX_RMQ_FAULTS_CLOCK=1");
    arena_.kill_worker(i);
    arena_.begin(Fault::clock_jump, arena_.workers()[i]->pid());
    environment.pop_back();
    return true;
  }
  bool kill_producer() {
    const auto i = any_producer();
    return i && arena_.kill_producer(*i);
  }
  bool poison() {
    if (poisons_ > 2) return true;  // enough of them
    nlohmann::json payload;
    payload["do"] = "abort";
    try {
      arena_.produce(std::move(payload));
      ++poisons_;
      return true;
    } catch (const Error& e) {
      std::cout << "poison was not produced: " << e.what() << std::endl;
      return false;
    }
  }
  bool cut() {
    arena_.begin(Fault::cut);
    arena_.proxy().end_all(End::fin);
    arena_.end(Fault::cut);
    return true;
  }
  bool stall() {
    return lasting(
        Fault::stall, between(100, static_cast<int>(mix_lease.count()) * 3 / 2),
        [this] {
          arena_.proxy().stall(Direction::to_server, true);
          arena_.proxy().stall(Direction::to_client, true);
        },
        [this] {
          arena_.proxy().stall(Direction::to_server, false);
          arena_.proxy().stall(Direction::to_client, false);
        });
  }
  bool lose_replies() {
    return lasting(
        Fault::lose_reply, between(200, 1000),
        [this] {
          arena_.proxy().judge_replies(
              [roll = Dice(dice().next())](const SeenCommand&, std::string_view) mutable {
                return roll.chance(0.02) ? ReplyFate::lose : ReplyFate::pass;
              });
        },
        [this] { arena_.proxy().judge_replies({}); });
  }
  bool lose_commands() {
    return lasting(
        Fault::lose_command, between(200, 1000),
        [this] {
          arena_.proxy().judge_commands([roll = Dice(dice().next())](const SeenCommand&) mutable {
            return roll.chance(0.02) ? CommandFate::lose : CommandFate::pass;
          });
        },
        [this] { arena_.proxy().judge_commands({}); });
  }
  bool delay() {
    return lasting(
        Fault::delay, between(200, 1000), [this] { arena_.proxy().delay(0ms, 20ms); },
        [this] { arena_.proxy().delay(0ms, 0ms); });
  }
  bool slice() {
    return lasting(
        Fault::slice, between(200, 1000), [this] { arena_.proxy().slice(7); },
        [this] { arena_.proxy().slice(0); });
  }
  bool kill_server() {
    arena_.kill_server();
    return true;
  }
  bool restart_server() {
    arena_.restart_server();
    return true;
  }
  bool ask(Fault fault, const Strings& command) {
    arena_.begin(fault);
    bool answered = true;
    try {
      arena_.server().try_command(command);
    } catch (const std::runtime_error& e) {
      std::cout << command[0] << ": " << e.what() << std::endl;
      answered = false;
    }
    arena_.end(fault);
    return answered;
  }
  bool flush_scripts() { return ask(Fault::flush_scripts, {"SCRIPT", "FLUSH"}); }
  bool kill_clients() { return ask(Fault::kill_clients, {"CLIENT", "KILL", "TYPE", "normal"}); }
  bool reload() { return ask(Fault::reload, {"DEBUG", "RELOAD"}); }
  bool sleep() {
    return ask(Fault::sleep, {"DEBUG", "SLEEP", "0." + std::to_string(dice().between(1, 8))});
  }
  bool busy() {
    const std::string script =
        "local t = redis.call('TIME') local from = t[1] * 1000 + t[2] / 1000 repeat t = "
        "redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > from + " +
        std::to_string(dice().between(100, 800));
    return ask(Fault::busy, {"EVAL", script, "0"});
  }
  bool full_memory() {
    return lasting(
        Fault::full_memory, between(100, 600),
        [this] {
          arena_.server().try_command({"CONFIG", "SET", "maxmemory", "1"});
        },
        [this] {
          arena_.server().try_command({"CONFIG", "SET", "maxmemory", "0"});
        });
  }

  const MixOptions options_;
  Arena arena_;
  std::vector<Undo> undo_;
  bool on_[32] = {};
  bool paused_[worker_count] = {};
  int poisons_ = 0;
  const std::vector<Kind> kinds_{
      {Fault::kill_worker, 0.1, &Mix::kill_worker},
      {Fault::pause_worker, 0.03, &Mix::pause_worker},
      {Fault::stop_worker, 0.03, &Mix::stop_worker},
      {Fault::clock_jump, 0.02, &Mix::clock_jump},
      {Fault::kill_producer, 0.05, &Mix::kill_producer},
      {Fault::poison, 0.01, &Mix::poison},
      {Fault::cut, 0.1, &Mix::cut},
      {Fault::stall, 0.03, &Mix::stall},
      {Fault::lose_reply, 0.1, &Mix::lose_replies},
      {Fault::lose_command, 0.1, &Mix::lose_commands},
      {Fault::delay, 0.05, &Mix::delay},
      {Fault::slice, 0.05, &Mix::slice},
      {Fault::kill_server, 0.03, &Mix::kill_server},
      {Fault::restart_server, 0.03, &Mix::restart_server},
      {Fault::flush_scripts, 0.3, &Mix::flush_scripts, "NOSCRIPT"},
      {Fault::kill_clients, 0.1, &Mix::kill_clients},
      {Fault::reload, 0.02, &Mix::reload},
      {Fault::sleep, 0.03, &Mix::sleep},
      {Fault::busy, 0.03, &Mix::busy},
      {Fault::full_memory, 0.05, &Mix::full_memory, "OOM"},
  };
};

}  // namespace

Verdict run_mix(MixOptions options) {
  Mix mix(options);
  return mix.run();
}

}  // namespace mx_rmq::faults
