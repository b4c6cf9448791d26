#include <algorithm>
#include <csignal>
#include <iostream>
#include <sstream>

#include "faults/arena.hpp"
#include "faults/report.hpp"
#include "faults/stored.hpp"

// What the arena watches while a test runs, and how it ends.
namespace mx_rmq::faults {
namespace {

constexpr std::int64_t most_sampled = 3000;  // messages; an audit of more would hold up the server

}  // namespace

// Every 20 ms asks the server for a sign of life, so that a machine too busy to run it is not taken
// for a fault of the library's; every so often audits it in the middle of everything.
void Arena::watch(const std::stop_token& over) {
  std::unique_ptr<test::RedisClient> client;
  int turn = 0;
  auto sound = monotonic_ns();
  const test::RedisServer* at = nullptr;
  while (!over.stop_requested()) {
    std::this_thread::sleep_for(20ms);
    try {
      // Where there are several servers, one that is silent may be one that is left.
      if (at != &server()) client.reset();
      at = &server();
      if (!client) client = std::make_unique<test::RedisClient>(server().connect());
      client->try_command({"PING"}, alone_ ? 60s : 1s);
      if (++turn % 5 == 0) count_errors(*client);
      if (turn % 25 == 0) sample();
    } catch (const std::runtime_error&) {
      client.reset();  // it is down: the injector's word counts
      sound = monotonic_ns();
      continue;
    }
    const auto now = monotonic_ns();
    if (now - sound > 100'000'000) {
      Record record;
      record.op = Op::stood_still;
      record.value = now - sound;
      ledger_.write(record);
    }
    sound = now;
  }
}

// The server's counts of error replies; a restart begins them anew.
void Arena::count_errors(test::RedisClient& client) {
  std::istringstream info(client.try_command({"INFO", "everything"}).text);
  std::map<std::string, std::int64_t> now;
  std::string line;
  std::string run;
  bool info_has_errors = false;
  while (std::getline(info, line)) {
    std::int64_t count = 0;
    char name[64];
    info_has_errors |= line.starts_with("# Errorstats");
    if (std::sscanf(line.c_str(), "errorstat_%63[^:]:count=%ld", name, &count) == 2)
      now[name] = count;
    if (std::sscanf(line.c_str(), "run_id:%63s", name) == 1) run = name;
  }
  if (run.empty()) return;
  errors_told_ = info_has_errors;
  const std::lock_guard lock(mutex_);
  if (run != server_run_) errors_.clear();
  server_run_ = run;
  for (const auto& [name, count] : now) seen_[name] += count - errors_[name];
  errors_ = std::move(now);
}

void Arena::sample() {
  for (const auto& tag : tags_) {
    test::RedisClient client = server_of(tag).connect();
    std::int64_t held = 0;
    for (const char* list : {"ready:high", "ready:normal", "ready:low"}) {
      const auto length = client.try_command({"LLEN", "mx:{" + tag + "}:" + list});
      if (length.is_error()) return;
      held += length.num();
    }
    if (held > most_sampled) continue;
    const Audited audited = audit_topic(client, tag);
    if (!audited.done) continue;
    see("audits");
    if (!audited.wrong.empty()) complain("during the run: " + audited.wrong);
  }
}

std::int64_t Arena::acknowledged() {
  std::int64_t sum = produced_here_;
  for (const auto& each : producers_)
    sum += each->earlier_produced + each->tail->count(Op::produced);
  return sum;
}

std::int64_t Arena::handled() {
  std::int64_t sum = 0;
  for (const auto& each : workers_) sum += each->tail->count(Op::run_ends, Outcome::ok);
  for (const auto& each : retired_) sum += each->count(Op::run_ends, Outcome::ok);
  return sum;
}

bool Arena::wait_handled(std::int64_t messages, std::chrono::milliseconds timeout) {
  return test::wait_for(
      timeout, [&] { return handled() >= messages; }, 5ms);
}

void Arena::heal() {
  for (auto& each : workers_) each->process.resume();
  for (auto& each : producers_) each->process.resume();
  if (cluster_) {
    cluster_->heal();
  } else {
    server().resume();
  }
  if (proxy_) proxy_->heal();
  Record record;
  record.op = Op::healed;
  ledger_.write(record);
}

bool Arena::all_empty() {
  for (const auto& tag : tags_) {
    auto client = server_of(tag).connect();
    const Audited audited = audit_topic(client, tag);
    if (!audited.done || audited.rest > 0) return false;
  }
  return true;
}

bool Arena::drain(std::chrono::milliseconds timeout) {
  const auto until = test::WaitClock::now() + timeout;
  for (auto& each : producers_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - test::WaitClock::now());
    const auto ended = each->process.wait(std::max(left, 0ms));
    const std::string why = bad_end(ended);
    if (why.empty()) continue;
    complain("a producer " + why + ":\n" + last_of(each->output));
    return false;
  }
  const bool empty = test::wait_until(
      until,
      [this] {
        for (std::size_t i = 0; i < workers_.size(); ++i) revive_worker(i);
        return all_empty();
      },
      20ms);
  if (!empty) complain("not drained in time");
  return empty;
}

void Arena::read_server(Facts& facts) {
  for (const auto& tag : tags_) {
    auto client = server_of(tag).connect();
    const Audited audited = audit_topic(client, tag);
    if (!audited.done) facts.audits.push_back(tag + ": consumers are left");
    if (!audited.wrong.empty()) facts.audits.push_back("at the end: " + audited.wrong);
    const Contents contents = read_contents(client, tag);
    facts.dead.insert(facts.dead.end(), contents.dead.begin(), contents.dead.end());
    facts.rest.insert(facts.rest.end(), contents.rest.begin(), contents.rest.end());
  }
}

Verdict Arena::finish(Rules rules) {
  Facts facts;
  for (auto& each : workers_) {
    if (each->over) continue;
    // Before that a SIGTERM just ends it.
    test::wait_for(10s, [&] { return each->tail->count(Op::started) > 0; });
    each->process.signal(SIGTERM);
  }
  for (auto& each : workers_) {
    if (each->over) continue;
    const auto ended = each->process.wait(60s);
    if (const auto why = bad_end(ended); !why.empty())
      complain("a worker " + why + ":\n" + last_of(each->output));
  }
  queue_.reset();
  read_server(facts);
  watcher_.request_stop();
  watcher_.join();
  {
    auto client = server().connect();
    count_errors(client);
  }
  facts.records = read_ledgers(directory_);
  if (options_.history) {
    const auto history = read_server_history(directory_);
    facts.seen["server history"] = static_cast<std::int64_t>(history.size());
    facts.records.insert(facts.records.end(), history.begin(), history.end());
  }
  if (proxy_) {
    const auto counts = proxy_->counts();
    facts.seen["proxied commands"] = static_cast<std::int64_t>(counts.commands);
    facts.seen["ended connections"] = static_cast<std::int64_t>(counts.ended);
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [what, times] : seen_) facts.seen[what] += times;
    facts.audits.insert(facts.audits.end(), complaints_.begin(), complaints_.end());
  }
  rules.lease = options_.lease;
  if (!errors_told_) std::erase_if(rules.must_see, is_error_code);
  Verdict verdict = check(facts, rules);
  records_ = std::move(facts.records);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began_);
  report(options_.name, verdict, seed_, server().command({"INFO", "server"}).str(), took);
  return verdict;
}

std::int64_t Arena::stat_at(const std::string& tag, const std::string& name) {
  const auto value = server_of(tag).command({"HGET", "mx:{" + tag + "}:stats", name});
  return value.is_nil() ? 0 : value.num();
}

std::int64_t Arena::stat(const std::string& name, std::size_t topic) {
  std::int64_t sum = 0;
  for (int i = 0; i < options_.partitions; ++i) sum += stat_at(tag(i, topic), name);
  return sum;
}

std::string Arena::output() const {
  std::string text;
  for (const auto* members : {&workers_, &producers_})
    for (const auto& each : *members) text += each->output + ":\n" + last_of(each->output);
  return text;
}

}  // namespace mx_rmq::faults
