#include "support/sentinel_set.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "support/free_port.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {

namespace {

using namespace std::chrono_literals;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("SentinelSet: " + what);
}

std::string program() {
  const char* const given = std::getenv("MX_RMQ_REDIS_SERVER");
  return given != nullptr && *given != '\0' ? given : "redis-server";
}

// The value of a name in an array of names and values; empty if it has none.
std::string field(const Value& value, const std::string& name) {
  for (std::size_t i = 0; i + 1 < value.elements.size(); i += 2) {
    if (value.elements[i].text == name) return value.elements[i + 1].text;
  }
  return {};
}

std::size_t occurrences(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

std::string info(RedisServer& server, const std::string& name) {
  const std::string text = "\n" + server.command({"INFO", "replication"}).str();
  const std::size_t at = text.find("\n" + name + ":");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 2;
  return text.substr(begin, text.find('\r', begin) - begin);
}

bool is_up(RedisServer& server) {
  try {
    return !server.try_command({"PING"}).is_error();
  } catch (const std::runtime_error&) {
    return false;  // killed, or stopped
  }
}

}  // namespace

// --- a Sentinel ---

SentinelProcess::SentinelProcess(std::string directory, std::string password,
                                 const std::function<std::string(int)>& conf)
    : file_(directory + "/sentinel.conf"),
      password_(std::move(password)),
      socket_(directory + "/sentinel.sock") {
  for (int attempt = 0; attempt < 20; ++attempt) {
    port_ = free_port();
    std::ofstream(file_) << conf(port_) << "unixsocket " << socket_ << "\n";
    launch();
    wait_for(10s, [&] { return answers() || !process_.running(); });
    if (process_.running() && answers()) return;
    process_.kill();
  }
  fail("a Sentinel does not start; its log:\n" + log());
}

void SentinelProcess::launch() {
  ChildOptions options;
  options.arguments = {file_, "--sentinel"};
  options.output_file = file_ + ".log";
  process_ = ChildProcess::start(program(), options);
}

void SentinelProcess::restart() {
  process_.kill();
  launch();
  if (!wait_for(10s, [&] { return answers(); })) fail("a Sentinel does not come back:\n" + log());
}

Value SentinelProcess::ask(const std::vector<std::string>& arguments) const {
  RedisClient client = RedisClient::unix_socket(socket_);
  if (!password_.empty()) client.command({"AUTH", password_});
  return client.try_command(arguments, 2s);
}

bool SentinelProcess::answers() const {
  try {
    return !ask({"PING"}).is_error();
  } catch (const std::runtime_error&) {
    return false;  // not listening yet
  }
}

// --- the set ---

SentinelSet::SentinelSet(SentinelOptions options) : options_(std::move(options)) {
  std::string directory = "/tmp/mxrmq-test-" + std::to_string(::getpid()) + "-sentinels-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) fail("mkdtemp " + directory);
  directory_ = directory;
  RedisOptions plain;
  plain.tcp = true;
  plain.tls = options_.tls;
  plain.password = options_.password;
  plain.users = options_.users;
  plain.config = options_.server_config;
  plain.config.push_back("repl-diskless-sync-delay 0");
  plain.config.push_back("repl-ping-replica-period 1");
  if (!options_.password.empty()) plain.config.push_back("masterauth " + options_.password);
  if (options_.tls) plain.config.push_back("tls-replication yes");
  servers_.push_back(std::make_unique<RedisServer>(plain));
  plain.config.push_back("replicaof 127.0.0.1 " + std::to_string(servers_[0]->port()));
  for (std::size_t i = 0; i < options_.replicas; ++i) {
    servers_.push_back(std::make_unique<RedisServer>(plain));
  }
  for (std::size_t i = 1; i < servers_.size(); ++i) {
    RedisServer& replica = *servers_[i];
    if (!wait_for(20s, [&] { return info(replica, "master_link_status") == "up"; })) {
      fail("a replica does not come up:\n" + replica.log());
    }
  }
  const std::size_t quorum = options_.sentinels / 2 + 1;
  const std::string monitor = "sentinel monitor " + std::string(name) + " 127.0.0.1 " +
                              std::to_string(servers_[0]->port()) + " " + std::to_string(quorum);
  for (std::size_t i = 0; i < options_.sentinels; ++i) {
    const std::string own = directory_ + "/" + std::to_string(i);
    std::filesystem::create_directory(own);
    sentinels_.push_back(
        std::make_unique<SentinelProcess>(own, options_.sentinel_password, [&](int port) {
          const std::string about = "\nsentinel ";
          std::string conf = options_.tls ? "port 0\ntls-replication yes\ntls-" : "";
          conf += "port " + std::to_string(port) + "\nbind 127.0.0.1\ndir " + own + "\n";
          for (const std::string& line : options_.sentinel_config) conf += line + "\n";
          for (const std::string& line : options_.sentinel_users) conf += "user " + line + "\n";
          if (!options_.sentinel_password.empty()) {
            conf += "requirepass " + options_.sentinel_password + "\n";
          }
          conf += monitor + about + "down-after-milliseconds " + name + " " +
                  std::to_string(options_.down_after.count()) + about + "failover-timeout " + name +
                  " " + std::to_string(options_.failover_timeout.count()) + "\n";
          if (!options_.password.empty()) {
            conf += "sentinel auth-pass " + std::string(name) + " " + options_.password + "\n";
          }
          return conf;
        }));
  }
  await_calm();
}

SentinelSet::~SentinelSet() {
  sentinels_.clear();
  servers_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string SentinelSet::url(const std::string& sign_in) const {
  std::string out = options_.tls ? "rediss+sentinel://" : "redis+sentinel://";
  if (!sign_in.empty()) {
    out += sign_in;
  } else if (!options_.password.empty()) {
    out += ":" + options_.password + "@";
  }
  for (std::size_t i = 0; i < sentinels_.size(); ++i) {
    out += (i == 0 ? "" : ",") + std::string("127.0.0.1:") + std::to_string(sentinels_[i]->port());
  }
  return out + "/" + name;
}

Value SentinelSet::first_answer(const std::vector<std::string>& arguments) {
  for (const auto& each : sentinels_) {
    try {
      return each->ask(arguments);
    } catch (const std::runtime_error&) {
      continue;  // dead, or stopped
    }
  }
  fail("no Sentinel answers");
}

std::size_t SentinelSet::master() {
  std::size_t found = servers_.size();
  wait_for(20s, [&] {
    const Value address = first_answer({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name});
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (address.elements.size() != 2) return false;
      if (address.elements[1].text != std::to_string(servers_[i]->port())) continue;
      if (!is_up(*servers_[i]) || info(*servers_[i], "role") != "master") return false;
      found = i;
      return true;
    }
    return false;
  });
  if (found == servers_.size()) fail("there is no master; the logs:\n" + logs());
  return found;
}

std::size_t SentinelSet::await_master_other_than(std::size_t old,
                                                 std::chrono::milliseconds within) {
  std::size_t now = old;
  const bool changed = wait_for(within, [&] {
    const Value address = first_answer({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", name});
    if (address.elements.size() != 2) return false;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (i != old && address.elements[1].text == std::to_string(servers_[i]->port())) now = i;
    }
    return now != old;
  });
  if (!changed) fail("there was no failover; the logs:\n" + logs());
  return now;
}

void SentinelSet::begin_failover() {
  std::string answer;
  const bool begun = wait_for(20s, [&] {
    const Value value = first_answer({"SENTINEL", "FAILOVER", name});
    answer = value.text;
    return !value.is_error();
  });
  if (!begun) fail("SENTINEL FAILOVER: " + answer + "; the logs:\n" + logs());
}

bool SentinelSet::calm(std::string& why) {
  std::size_t running = 0;
  std::size_t up = 0;
  for (const auto& each : sentinels_) running += each->running() && each->answers() ? 1U : 0U;
  for (const auto& each : servers_) up += is_up(*each) ? 1U : 0U;
  std::string address;
  for (const auto& each : sentinels_) {
    if (!each->running() || !each->answers()) continue;
    const Value state = each->ask({"SENTINEL", "MASTER", name});
    why = state.dump();
    if (field(state, "flags") != "master") return false;
    // Those that are down stay in these lists: at least as many as run.
    if (std::atoi(field(state, "num-slaves").c_str()) + 1 < static_cast<int>(up)) return false;
    if (std::atoi(field(state, "num-other-sentinels").c_str()) + 1 < static_cast<int>(running)) {
      return false;
    }
    const std::string port = field(state, "port");
    if (!address.empty() && port != address) return false;
    address = port;
  }
  for (const auto& each : servers_) {
    if (!is_up(*each)) continue;
    why = each->command({"INFO", "replication"}).str();
    const bool is_master = std::to_string(each->port()) == address;
    if (is_master != (info(*each, "role") == "master")) return false;
    if (!is_master &&
        (info(*each, "master_link_status") != "up" || info(*each, "master_port") != address)) {
      return false;
    }
    // What is written reaches a replica after its first acknowledgement, up to 1 s after it is up.
    const std::size_t online = occurrences(why, "state=online,offset=");
    const std::size_t silent = occurrences(why, "state=online,offset=0,");
    if (is_master && online - silent + 1 < up) return false;
  }
  return true;
}

void SentinelSet::await_calm(std::chrono::milliseconds within) {
  std::string why;
  const bool came = wait_for(
      within,
      [&] {
        try {
          return calm(why);
        } catch (const std::runtime_error& error) {
          why = error.what();
          return false;
        }
      },
      20ms);
  if (!came) fail("there is no calm: " + why + "; the logs:\n" + logs());
}

std::string SentinelSet::logs() const {
  std::string out;
  for (const auto& each : servers_) {
    out += "--- server " + std::to_string(each->port()) + "\n" + each->log();
  }
  for (const auto& each : sentinels_) {
    out += "--- Sentinel " + std::to_string(each->port()) + "\n" + each->log();
  }
  return out;
}

}  // namespace mx_rmq::test
