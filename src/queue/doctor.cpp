#include "queue/doctor.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "redis/wire/info.hpp"

namespace mx_rmq {

Finding::Finding() = default;

namespace queue {

namespace {

using Level = Finding::Level;
using namespace std::chrono_literals;

// From this part of maxmemory, or of maxclients, on.
constexpr std::int64_t warn_percent = 75;
constexpr std::int64_t critical_percent = 90;
// Delays and times to live count by the server's clock; people compare with their own.
constexpr std::chrono::milliseconds clocks_may_differ = 1s;
// A fork stops the server for so long: every snapshot and every rewrite of the append-only file.
constexpr std::int64_t long_fork_us = 500'000;
constexpr std::int64_t replica_lags_s = 10;

// The facts of one server, and what was found of it so far.
class Examined {
 public:
  explicit Examined(const ServerFacts& facts) : facts_(facts) {}

  [[nodiscard]] std::string_view text(std::string_view name) const {
    return redis::info_field(facts_.info, name).value_or(std::string_view());
  }
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const {
    const std::string_view value = text(name);
    std::int64_t number = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
    if (value.empty() || read.ec != std::errc()) return std::nullopt;
    return number;
  }
  [[nodiscard]] std::string config(const char* name) const {
    const auto found = facts_.config.find(name);
    return found == facts_.config.end() ? std::string() : found->second;
  }
  [[nodiscard]] const ServerFacts& facts() const noexcept { return facts_; }

  void say(Level level, const char* subject, std::string seen, std::string remedy = {}) {
    Finding finding;
    finding.level = level;
    finding.server = facts_.name;
    finding.subject = subject;
    finding.seen = std::move(seen);
    finding.remedy = std::move(remedy);
    findings_.push_back(std::move(finding));
  }
  [[nodiscard]] std::vector<Finding> take() { return std::move(findings_); }

 private:
  const ServerFacts& facts_;
  std::vector<Finding> findings_;
};

std::string mebibytes(std::int64_t bytes) { return std::to_string(bytes / (1 << 20)) + " MiB"; }

void examine_version(Examined& server) {
  const bool valkey = !server.text("valkey_version").empty();
  const std::string version(server.text(valkey ? "valkey_version" : "redis_version"));
  server.say(Level::good, "version", (valkey ? "Valkey " : "Redis ") + version);
}

void examine_eviction(Examined& server) {
  const std::string policy(server.text("maxmemory_policy"));
  if (policy.empty()) return server.say(Level::note, "eviction", "INFO does not tell the policy");
  const std::int64_t evicted = server.number("evicted_keys").value_or(0);
  if (policy != "noeviction") {
    return server.say(Level::critical, "eviction",
                      "maxmemory-policy is " + policy +
                          ": when memory is full Redis throws away messages, and nobody is told",
                      "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf");
  }
  if (evicted > 0) {
    return server.say(Level::warning, "eviction",
                      "noeviction, but " + std::to_string(evicted) +
                          " keys were thrown away earlier, messages perhaps among them",
                      "look with the audit of each topic; CONFIG RESETSTAT once that is done");
  }
  server.say(Level::good, "eviction", "noeviction");
}

void examine_memory(Examined& server) {
  const std::int64_t used = server.number("used_memory").value_or(0);
  const std::int64_t most = server.number("maxmemory").value_or(0);
  if (most == 0) {
    return server.say(Level::warning, "memory",
                      mebibytes(used) +
                          " used, and no limit: a backlog takes all memory of the "
                          "machine until the kernel ends Redis",
                      "set maxmemory to what the machine can spare, with half of it in reserve "
                      "where snapshots are taken");
  }
  const std::int64_t percent = used * 100 / most;
  const std::string seen =
      std::to_string(percent) + " % of " + mebibytes(most) + " used; at 100 % produce is refused";
  if (percent >= critical_percent)
    return server.say(Level::critical, "memory", seen, "raise maxmemory, or have the backlog fall");
  if (percent >= warn_percent)
    return server.say(Level::warning, "memory", seen, "raise maxmemory, or have the backlog fall");
  server.say(Level::good, "memory", seen);
}

void examine_persistence(Examined& server) {
  for (const char* const each :
       {"rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"}) {
    const std::string_view status = server.text(each);
    if (status.empty() || status == "ok") continue;
    return server.say(Level::critical, "persistence",
                      std::string(each) + " is " + std::string(status) +
                          ": Redis cannot write to its disk, and refuses messages or loses them at "
                          "its next end",
                      "look into its log and at the space on its disk");
  }
  if (server.text("aof_enabled") == "1") {
    const std::string sync = server.config("appendfsync");
    if (sync == "no") {
      return server.say(Level::warning, "persistence",
                        "append-only file, appendfsync no: a power cut loses what the kernel had "
                        "not written, up to half a minute",
                        "appendfsync everysec, or always");
    }
    return server.say(Level::good, "persistence",
                      "append-only file" + (sync.empty() ? "" : ", appendfsync " + sync));
  }
  const std::string save = server.config("save");
  const bool snapshots = server.facts().config.empty() || !save.empty();
  server.say(Level::warning, "persistence",
             snapshots ? "no append-only file: when Redis ends, what was stored since its last "
                         "snapshot is lost"
                       : "neither an append-only file nor snapshots: when Redis ends, all is lost",
             "appendonly yes, appendfsync everysec");
}

void examine_fork(Examined& server) {
  const std::int64_t fork = server.number("latest_fork_usec").value_or(0);
  if (fork < long_fork_us) return;
  server.say(Level::warning, "pauses",
             "the last fork, for a snapshot or a rewrite, held Redis up for " +
                 std::to_string(fork / 1000) + " ms",
             "less memory a server (partitions over a Cluster), no transparent huge pages");
}

// Of "ip=10.0.0.2,port=6379,state=online,offset=1,lag=0".
std::string_view part_of(std::string_view line, std::string_view name) {
  while (!line.empty()) {
    const std::size_t comma = line.find(',');
    const std::string_view part = line.substr(0, comma);
    line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
    if (part.starts_with(name) && part.size() > name.size() && part[name.size()] == '=')
      return part.substr(name.size() + 1);
  }
  return {};
}

void examine_replicas(Examined& server, int wanted) {
  const std::int64_t count = server.number("connected_slaves").value_or(0);
  if (count < wanted) {
    return server.say(Level::critical, "replicas",
                      std::to_string(count) + " connected, and wait_replicas is " +
                          std::to_string(wanted) + ": every produce ends in NotReplicated",
                      "add replicas, or lower wait_replicas");
  }
  if (count == 0) {
    return server.say(Level::note, "replicas",
                      "none: while this server is away nobody can take its place");
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string_view replica = server.text("slave" + std::to_string(i));
    const std::string_view state = part_of(replica, "state");
    const std::string lag(part_of(replica, "lag"));
    const bool lags = !lag.empty() && std::atoll(lag.c_str()) > replica_lags_s;
    if ((state.empty() || state == "online") && !lags) continue;
    return server.say(Level::warning, "replicas",
                      std::string(part_of(replica, "ip")) + ":" +
                          std::string(part_of(replica, "port")) + " is " + std::string(state) +
                          ", heard of " + (lag.empty() ? "?" : lag) +
                          " s ago: a failover to it would lose much",
                      "look into the replica's log");
  }
  server.say(Level::good, "replicas", std::to_string(count) + " online");
}

void examine_clock(Examined& server) {
  if (!server.facts().clock_ahead) return;
  const std::chrono::milliseconds ahead = *server.facts().clock_ahead;
  const std::string by = std::to_string(std::abs(ahead.count())) + " ms ";
  if (ahead < clocks_may_differ && ahead > -clocks_may_differ)
    return server.say(Level::good, "clock", "within a second of the one here");
  server.say(Level::warning, "clock",
             by + (ahead > 0ms ? "ahead of" : "behind") +
                 " the one here: delays given as a time of day are off by as much",
             "run a time service (chrony, systemd-timesyncd) on both machines");
}

void examine_connections(Examined& server) {
  const std::int64_t count = server.number("connected_clients").value_or(0);
  const std::int64_t most = server.number("maxclients").value_or(0);
  const std::int64_t refused = server.number("rejected_connections").value_or(0);
  const std::string idle = server.config("timeout");
  if (!idle.empty() && idle != "0") {
    server.say(Level::note, "timeout",
               "Redis ends connections that were idle for " + idle +
                   " s: consumers without work connect anew each time",
               "timeout 0, with tcp-keepalive 300");
  }
  std::string seen = std::to_string(count) + " connected";
  if (most > 0) seen += " of at most " + std::to_string(most);
  if (refused > 0) seen += "; " + std::to_string(refused) + " were refused for that";
  const bool many = most > 0 && count * 100 / most >= warn_percent;
  if (many || refused > 0)
    return server.say(many ? Level::critical : Level::warning, "connections", seen,
                      "raise maxclients and the limit of open files");
  server.say(Level::good, "connections", seen);
}

Finding of_topic(Level level, const std::string& topic, std::string seen, std::string remedy) {
  Finding finding;
  finding.level = level;
  finding.subject = "topic " + topic;
  finding.seen = std::move(seen);
  finding.remedy = std::move(remedy);
  return finding;
}

}  // namespace

std::vector<Finding> examine(const ServerFacts& facts, const MQConfig& config) {
  Examined server(facts);
  if (!facts.trouble.empty()) {
    server.say(Level::warning, "info", "cannot be looked at: " + facts.trouble,
               "grant +info to the user that looks; services do not need it");
    return server.take();
  }
  examine_version(server);
  examine_eviction(server);
  examine_memory(server);
  examine_persistence(server);
  examine_fork(server);
  examine_replicas(server, config.wait_replicas);
  examine_clock(server);
  examine_connections(server);
  return server.take();
}

std::vector<Finding> examine(const MetricsSnapshot& snapshot) {
  std::vector<Finding> findings;
  for (const auto& [topic, each] : snapshot.topics) {
    if (each.pending > 0 && each.consumers == 0) {
      findings.push_back(of_topic(
          Level::critical, topic,
          std::to_string(each.pending) + " messages wait, and no process consumes the topic",
          "start its workers; if they run, they have another queue_prefix "
          "or another name for the topic"));
    }
    if (each.suspects > 0) {
      findings.push_back(
          of_topic(Level::warning, topic,
                   std::to_string(each.suspects) +
                       " messages wait to be run alone: processes that had them died",
                   "look into the logs of the workers at the time of their end"));
    }
    if (each.dead_letters > 0) {
      findings.push_back(of_topic(Level::warning, topic,
                                  std::to_string(each.dead_letters) + " dead letters",
                                  "mxrmq dead groups " + topic));
    }
  }
  return findings;
}

std::vector<Finding> examine(const HealthReport& report) {
  std::vector<Finding> findings;
  for (const auto& [name, state] : report.checks) {
    if (state == "ok") continue;
    Finding finding;
    finding.level = Level::critical;
    finding.subject = name;
    finding.seen = state;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace queue
}  // namespace mx_rmq
