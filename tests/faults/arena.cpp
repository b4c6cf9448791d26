#include "faults/arena.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "broker/data/partitions.hpp"
#include "faults/report.hpp"
#include "faults/stored.hpp"
#include "support/paths.hpp"

namespace mx_rmq::faults {
namespace {

test::RedisOptions server_options(const ArenaOptions& options) {
  test::RedisOptions redis = options.redis;
  redis.debug_command = true;
  if (options.history) redis.appendonly = true;
  redis.config.push_back("auto-aof-rewrite-percentage 0");
  return redis;
}

std::unique_ptr<test::RedisCluster> make_cluster(const ArenaOptions& options) {
  if (!options.cluster) return nullptr;
  test::ClusterOptions cluster = *options.cluster;
  cluster.node = server_options(options);
  return std::make_unique<test::RedisCluster>(std::move(cluster));
}

Strings tags_of(const ArenaOptions& options) {
  Strings tags;
  for (const std::string& topic : options.topics)
    for (int i = 0; i < options.partitions; ++i) tags.push_back(broker::partition_tag(topic, i));
  return tags;
}

std::string milliseconds(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + "ms";
}

}  // namespace

// "OOM", "NOSCRIPT": what servers from 6.2 on count.
bool is_error_code(const std::string& name) {
  return std::ranges::all_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string bad_end(const std::optional<test::ChildExit>& end) {
  if (!end) return "did not end";
  if (!end->exited) return "was ended by signal " + std::to_string(end->signal);
  return end->code == 0 ? "" : "ended with " + std::to_string(end->code);
}

std::string last_of(const std::string& path) {
  constexpr std::size_t most = 3000;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  std::string all = std::move(text).str();
  return all.size() > most ? all.substr(all.size() - most) : all;
}

std::uint64_t seed_of_run() {
  const char* const given = std::getenv("MX_RMQ_FAULTS_SEED");
  if (given != nullptr && *given != '\0') return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

Arena::Arena(ArenaOptions options)
    : options_(std::move(options)),
      tags_(tags_of(options_)),
      seed_(options_.seed ? *options_.seed : seed_of_run()),
      dice_(seed_),
      set_(options_.sentinels ? std::make_unique<test::SentinelSet>(*options_.sentinels) : nullptr),
      cluster_(make_cluster(options_)),
      alone_(set_ || cluster_ ? nullptr
                              : std::make_unique<test::RedisServer>(server_options(options_))),
      server_(set_       ? &set_->server(0)
              : cluster_ ? &cluster_->node(0)
                         : alone_.get()),
      directory_(server().directory()),
      ledger_(directory_ + "/arena.ledger") {
  std::cout << options_.name << ": seed " << seed_ << std::endl;
  if (options_.proxied)
    proxy_ = std::make_unique<FaultProxy>(server().socket_path(), directory_ + "/proxy.sock");
  watcher_ = std::jthread([this](const std::stop_token& over) { watch(over); });
}

Arena::~Arena() = default;

test::RedisServer& Arena::server_of(const std::string& tag) {
  return cluster_ ? cluster_->node(cluster_->owner(tag)) : server();
}

std::string Arena::tag(int partition, std::size_t topic) const {
  return broker::partition_tag(options_.topics.at(topic), partition);
}

void Arena::follow_master() { server_ = &set_->server(set_->master()); }

std::string Arena::url() const {
  if (set_) return set_->url();
  if (cluster_) return cluster_->url();
  const std::string plain = alone_->url();
  if (!proxy_) return plain;
  const std::size_t at = plain.find('@');
  std::string url = proxy_->url();
  if (at != std::string::npos) url.insert(7, plain.substr(7, at - 6));
  return url;
}

Strings Arena::environment(const Strings& more) const {
  Strings all{"REDIS_URL=" + url(),
              "MQ_LEASE=" + milliseconds(options_.lease),
              "MQ_CONNECTION_POOL_SIZE=3",
              "MQ_CONNECT_TIMEOUT=2s",
              "MQ_EXPIRED_CHECK_INTERVAL=300ms",
              "MQ_PROCESSING_MONITOR_INTERVAL=200ms",
              "MQ_RECONNECT_BACKOFF_MIN=10ms",
              "MQ_RECONNECT_BACKOFF_MAX=200ms",
              "MQ_RETRY_DELAYS=20ms",
              "MQ_MAX_RETRIES=1000",
              "MQ_MAX_RECOVERIES=1000",
              "MQ_SHUTDOWN_TIMEOUT=5s"};
  for (const auto& each : more) {
    const std::string name = each.substr(0, each.find('=') + 1);
    std::erase_if(all, [&](const std::string& old) { return old.starts_with(name); });
    all.push_back(each);
  }
  return all;
}

void Arena::start(Member& member, const std::string& program, Strings arguments) {
  member.over = false;
  const std::string name = directory_ + "/" + std::to_string(++processes_) + "-" + program;
  member.ledger = name + ".ledger";
  member.output = name + ".out";
  member.tail = std::make_unique<LedgerTail>(member.ledger);
  std::string topics;
  for (const auto& each : options_.topics) topics += (topics.empty() ? "" : ",") + each;
  test::ChildOptions child;
  child.arguments = {"ledger=" + member.ledger, "topics=" + topics,
                     "seed=" + std::to_string(seed_)};
  child.arguments.insert(child.arguments.end(), arguments.begin(), arguments.end());
  child.arguments.insert(child.arguments.end(), member.arguments.begin(), member.arguments.end());
  child.environment = environment(member.environment);
  child.output_file = member.output;
  member.process = test::ChildProcess::start(test::fault_program(program), std::move(child));
}

void Arena::start_worker(Member& member) { start(member, "fault_worker", {}); }

void Arena::start_producer(Member& member) {
  start(member, "fault_producer",
        {"base=" + std::to_string(bases_++),
         "messages=" + std::to_string(member.wanted - member.earlier_produced)});
}

std::size_t Arena::add_worker(Strings environment, Strings arguments) {
  auto member = std::make_unique<Member>();
  member->environment = options_.worker_environment;
  member->environment.insert(member->environment.end(), environment.begin(), environment.end());
  member->arguments = options_.worker_arguments;
  member->arguments.insert(member->arguments.end(), arguments.begin(), arguments.end());
  start_worker(*member);
  workers_.push_back(std::move(member));
  return workers_.size() - 1;
}

std::size_t Arena::add_producer(std::int64_t messages, Strings arguments) {
  auto member = std::make_unique<Member>();
  member->wanted = messages;
  member->environment = options_.producer_environment;
  member->arguments = options_.producer_arguments;
  member->arguments.insert(member->arguments.end(), arguments.begin(), arguments.end());
  start_producer(*member);
  producers_.push_back(std::move(member));
  return producers_.size() - 1;
}

RedisMessageQueue& Arena::queue() {
  if (!queue_) {
    MQConfig config;
    config.redis_url = proxy_ ? alone_->url() : url();
    config.max_recoveries = recoveries;
    config.reconnect_backoff_min = 10ms;
    config.reconnect_backoff_max = 200ms;
    queue_ = std::make_unique<RedisMessageQueue>(config);
  }
  return *queue_;
}

std::uint64_t Arena::produce(nlohmann::json payload, ProduceOptions options, std::size_t topic) {
  Record record;
  record.key = next_key_++;
  payload["k"] = record.key;
  record.crc = crc32(payload.dump());
  record.op = Op::produce_begins;
  ledger_.write(record);
  record.op = Op::refused;
  try {
    const std::string id = sync_wait(
        queue().produce(options_.topics.at(topic), std::move(payload), std::move(options)));
    record.op = Op::produced;
    record.id = hash64(id);
  } catch (const OutcomeUnknown&) {
    record.op = Op::unknown;
    ledger_.write(record);
    throw;
  } catch (...) {
    ledger_.write(record);
    throw;
  }
  ledger_.write(record);
  ++produced_here_;
  return record.key;
}

// --- faults ---

void Arena::begin(Fault fault, std::uint64_t pid) {
  Record record;
  record.op = Op::fault_begins;
  record.key = static_cast<std::uint64_t>(fault);
  record.id = pid;
  ledger_.write(record);
}

void Arena::end(Fault fault, std::uint64_t pid) {
  Record record;
  record.op = Op::fault_ends;
  record.key = static_cast<std::uint64_t>(fault);
  record.id = pid;
  ledger_.write(record);
}

void Arena::retire(Member& member) {
  member.earlier_produced += member.tail->count(Op::produced);
  retired_.push_back(std::move(member.tail));
}

void Arena::kill_worker(std::size_t i) {
  Member& member = *workers_.at(i);
  begin(Fault::kill_worker, member.pid());
  member.process.kill();
  retire(member);
  start_worker(member);
}

bool Arena::kill_producer(std::size_t i) {
  Member& member = *producers_.at(i);
  if (!member.process.running()) return false;
  begin(Fault::kill_producer, member.pid());
  const std::uint64_t pid = member.pid();
  member.process.kill();
  end(Fault::kill_producer, pid);
  retire(member);
  start_producer(member);
  return true;
}

void Arena::end_worker(std::size_t i) {
  Member& member = *workers_.at(i);
  const std::uint64_t pid = member.pid();
  // Before that a SIGTERM just ends it.
  if (!test::wait_for(10s, [&] { return member.tail->count(Op::started) > 0; }))
    complain("a worker did not begin:\n" + last_of(member.output));
  begin(Fault::stop_worker, pid);
  member.process.signal(SIGTERM);
  const std::string why = bad_end(member.process.wait(60s));
  end(Fault::stop_worker, pid);
  if (!why.empty()) complain("a worker, told to stop, " + why + ":\n" + last_of(member.output));
  member.over = true;
}

void Arena::stop_worker(std::size_t i) {
  end_worker(i);
  Member& member = *workers_.at(i);
  retire(member);
  start_worker(member);
}

void Arena::pause_worker(std::size_t i) {
  Member& member = *workers_.at(i);
  begin(Fault::pause_worker, member.pid());
  member.process.pause();
}

void Arena::resume_worker(std::size_t i) {
  Member& member = *workers_.at(i);
  member.process.resume();
  end(Fault::pause_worker, member.pid());
}

void Arena::revive_worker(std::size_t i) {
  Member& member = *workers_.at(i);
  if (member.over || member.process.running()) return;
  if (member.tail->count(Fault::poison) == 0)
    complain("a worker " + bad_end(member.process.wait(0ms)) + ":\n" + last_of(member.output));
  retire(member);
  start_worker(member);
}

void Arena::kill_server(Fault fault) {
  begin(fault);
  server().kill9();
  if (drop_unfinished_script(directory_)) see("half a script in the append-only file");
  server().restart();
  end(fault);
}

void Arena::restart_server() {
  begin(Fault::restart_server);
  server().restart();
  end(Fault::restart_server);
}

void Arena::see(const std::string& what, std::int64_t times) {
  const std::lock_guard lock(mutex_);
  seen_[what] += times;
}

bool Arena::has_seen(const std::string& what) {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(what);
  return (found != seen_.end() && found->second > 0) || (is_error_code(what) && !errors_told_);
}

void Arena::complain(const std::string& what) {
  const std::lock_guard lock(mutex_);
  complaints_.push_back(what);
}

}  // namespace mx_rmq::faults
