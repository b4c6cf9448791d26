#include "support/redis_cluster.hpp"

#include <stdexcept>
#include <thread>

#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using Arguments = std::vector<std::string>;

constexpr int all_slots = 16384;

[[noreturn]] void give_up(const std::string& what) {
  throw std::runtime_error("RedisCluster: " + what);
}

RedisOptions node_options(const ClusterOptions& options) {
  RedisOptions node = options.node;
  node.tcp = true;
  node.cluster = true;
  node.config.push_back("cluster-node-timeout " + std::to_string(options.node_timeout.count()));
  node.config.push_back(std::string("cluster-require-full-coverage ") +
                        (options.full_coverage ? "yes" : "no"));
  // Tests move slots about; who has none left is to stay a master.
  node.config.push_back("cluster-migration-barrier 10");
  node.config.push_back("repl-diskless-sync-delay 0");
  if (node.tls) {
    node.config.push_back("tls-cluster yes");
    node.config.push_back("tls-replication yes");
  }
  return node;
}

}  // namespace

RedisCluster::RedisCluster(ClusterOptions options) : options_(std::move(options)) {
  const std::size_t count = options_.masters * (1 + options_.replicas) + options_.spare;
  for (std::size_t i = 0; i < count; ++i) {
    nodes_.push_back(std::make_unique<RedisServer>(node_options(options_)));
    up_.push_back(std::make_unique<std::atomic<bool>>(true));
  }
  give_slots();
  introduce();
  attach_replicas();
  wait_until_ok();
}

void RedisCluster::give_slots() {
  const auto masters = static_cast<int>(options_.masters);
  for (int i = 0; i < masters; ++i) {
    Arguments command{"CLUSTER", "ADDSLOTS"};
    for (int slot = all_slots * i / masters; slot < all_slots * (i + 1) / masters; ++slot) {
      command.push_back(std::to_string(slot));
    }
    RedisServer& node = *nodes_[static_cast<std::size_t>(i)];
    node.command(command);
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i]->command({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
  }
}

void RedisCluster::introduce() {
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      nodes_[i]->command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[j]->port())});
    }
  }
}

void RedisCluster::attach_replicas() {
  for (std::size_t i = 0; i < options_.masters; ++i) {
    for (std::size_t j = 0; j < options_.replicas; ++j) {
      RedisServer& replica = *nodes_[options_.masters + i * options_.replicas + j];
      const Arguments command{"CLUSTER", "REPLICATE", id(i)};
      // It must have heard of its master first.
      const bool done = wait_for(std::chrono::seconds(20),
                                 [&] { return !replica.try_command(command).is_error(); });
      if (!done) give_up("a node does not become a replica");
    }
  }
}

bool RedisCluster::is_ok() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    if (!is_up(i)) continue;
    const std::string info = node->command({"CLUSTER", "INFO"}).str();
    const std::string known = "cluster_known_nodes:" + std::to_string(nodes_.size()) + "\r";
    if (info.find("cluster_state:ok") == std::string::npos) return false;
    if (info.find(known) == std::string::npos) return false;
    const std::string replication = node->command({"INFO", "replication"}).str();
    if (replication.find("role:slave") != std::string::npos &&
        replication.find("master_link_status:up") == std::string::npos) {
      return false;
    }
  }
  return true;
}

void RedisCluster::wait_until_ok(std::chrono::milliseconds timeout) {
  if (!wait_for(
          timeout, [this] { return is_ok(); }, std::chrono::milliseconds(20))) {
    give_up("it does not come up; the first node's log:\n" + nodes_.front()->log());
  }
}

std::string RedisCluster::url() const {
  std::string url = options_.node.tls ? "rediss+cluster://" : "redis+cluster://";
  for (const auto& node : nodes_) {
    if (!url.ends_with('/')) url += ",";
    url += "127.0.0.1:" + std::to_string(node->port());
  }
  return url;
}

std::string RedisCluster::id(std::size_t node) {
  return nodes_.at(node)->command({"CLUSTER", "MYID"}).str();
}

int RedisCluster::slot(const std::string& key) {
  std::string_view part = key;
  if (const std::size_t open = part.find('{'); open != std::string_view::npos) {
    const std::size_t close = part.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      part = part.substr(open + 1, close - open - 1);
    }
  }
  unsigned crc = 0;
  for (const char c : part) {
    crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8U;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1U) ^ ((crc & 0x8000U) != 0 ? 0x1021U : 0U);
    crc &= 0xFFFFU;
  }
  return static_cast<int>(crc % all_slots);
}

std::size_t RedisCluster::first_owner(const std::string& key) const {
  const auto masters = static_cast<int>(options_.masters);
  int master = 0;
  while (slot(key) >= all_slots * (master + 1) / masters) ++master;
  return static_cast<std::size_t>(master);
}

std::size_t RedisCluster::owner(const std::string& key) {
  const int wanted = slot(key);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!is_up(i)) continue;
    const std::string own = id(i);
    const Value map = nodes_[i]->command({"CLUSTER", "SLOTS"});
    for (const Value& range : map.list()) {
      if (range[0].num() > wanted || range[1].num() < wanted || range.list().size() < 3) continue;
      if (range[2][2].str() == own) return i;
    }
  }
  give_up("nobody serves " + key);
}

std::string RedisCluster::topic_on(std::size_t node, const std::string& stem) {
  const std::string own = id(node);
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  const Value map = nodes_.at(node)->command({"CLUSTER", "SLOTS"});
  for (const Value& range : map.list()) {
    if (range.list().size() >= 3 && range[2][2].str() == own) {
      ranges.emplace_back(range[0].num(), range[1].num());
    }
  }
  for (int i = 0; i < 100'000; ++i) {
    const std::string topic = stem + std::to_string(i);
    for (const auto& [first, last] : ranges) {
      if (slot(topic) >= first && slot(topic) <= last) return topic;
    }
  }
  give_up("a node serves no slot");
}

Value RedisCluster::command(const std::string& key, const Arguments& arguments) {
  return nodes_[owner(key)]->command(arguments);
}

void RedisCluster::kill9(std::size_t node) {
  *up_.at(node) = false;
  nodes_.at(node)->kill9();
}

void RedisCluster::restart(std::size_t node) {
  nodes_.at(node)->restart();
  *up_.at(node) = true;
}

void RedisCluster::restart_elsewhere(std::size_t node) {
  *up_.at(node) = false;
  nodes_.at(node)->restart_elsewhere();
  *up_.at(node) = true;
}

void RedisCluster::pause(std::size_t node) {
  *up_.at(node) = false;
  nodes_.at(node)->pause();
}

void RedisCluster::resume(std::size_t node) {
  nodes_.at(node)->resume();
  *up_.at(node) = true;
}

void RedisCluster::heal() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (is_up(i)) continue;
    if (nodes_[i]->pid() < 0) {
      restart(i);
    } else {
      resume(i);
    }
  }
}

// --- moving a slot ---

void RedisCluster::begin_move(int slot, std::size_t from, std::size_t to) {
  const std::string number = std::to_string(slot);
  nodes_.at(to)->command({"CLUSTER", "SETSLOT", number, "IMPORTING", id(from)});
  nodes_.at(from)->command({"CLUSTER", "SETSLOT", number, "MIGRATING", id(to)});
}

std::size_t RedisCluster::move_keys(int slot, std::size_t from, std::size_t to, std::size_t most) {
  const std::string number = std::to_string(slot);
  const Arguments keys = nodes_.at(from)
                             ->command({"CLUSTER", "GETKEYSINSLOT", number, std::to_string(most)})
                             .strings();
  if (keys.empty()) return 0;
  Arguments command{"MIGRATE", "127.0.0.1", std::to_string(nodes_.at(to)->port()), "", "0",
                    "20000",   "KEYS"};
  command.insert(command.end(), keys.begin(), keys.end());
  nodes_.at(from)->command(command);
  return keys.size();
}

void RedisCluster::end_move(int slot, std::size_t to) {
  const Arguments command{"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", id(to)};
  nodes_.at(to)->command(command);  // first: so that it is served by somebody at every moment
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (i == to || !is_up(i)) continue;
    nodes_[i]->try_command(command);  // a replica refuses; it hears of it
  }
}

void RedisCluster::move_slot(int slot, std::size_t from, std::size_t to) {
  begin_move(slot, from, to);
  while (move_keys(slot, from, to, 100) > 0) {
  }
  end_move(slot, to);
}

void RedisCluster::fail_over_to(std::size_t replica) {
  std::this_thread::sleep_until(next_failover_);
  // Its master must know that it is its replica, or the word goes unheard.
  const std::string own = id(replica);
  const bool known = wait_for(std::chrono::seconds(10), [&] {
    const std::string info = nodes_.at(replica)->command({"INFO", "replication"}).str();
    for (const auto& node : nodes_) {
      const std::string port = "master_port:" + std::to_string(node->port()) + "\r";
      if (node->pid() < 0 || info.find(port) == std::string::npos) continue;
      const Value all =
          node->command({"CLUSTER", "REPLICAS", node->command({"CLUSTER", "MYID"}).str()});
      for (const std::string& each : all.strings()) {
        if (each.starts_with(own)) return true;
      }
    }
    return false;
  });
  if (!known) {
    give_up("a replica's master does not know it; the replica says\n" +
            nodes_.at(replica)->command({"INFO", "replication"}).str() +
            nodes_.at(replica)->command({"CLUSTER", "NODES"}).str());
  }
  // Asked once: asking again lets the master write on while the replica is being elected.
  nodes_.at(replica)->command({"CLUSTER", "FAILOVER"});
  const bool done = wait_for(std::chrono::seconds(10), [&] {
    const std::string info = nodes_.at(replica)->command({"INFO", "replication"}).str();
    // With its old master for a replica: it has heard of it, and agrees.
    return info.find("role:master") != std::string::npos &&
           info.find("slave0:") != std::string::npos;
  });
  if (!done) give_up("the replica did not take over; its log:\n" + nodes_.at(replica)->log());
  next_failover_ = WaitClock::now() + 2 * options_.node_timeout + std::chrono::milliseconds(500);
}

}  // namespace mx_rmq::test
