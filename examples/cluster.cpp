// A queue on a Redis Cluster: three nodes of the example's own, a topic on each, and a slot that
// moves from node to node while messages flow. The program needs to know nothing but the address of
// one node.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <mx_rmq/mx_rmq.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/private_servers.hpp"

using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr int node_count = 3;
constexpr int slot_count = 16384;
constexpr int orders_each = 200;

// The nodes talk to each other on a port 10,000 higher.
int cluster_port() {
  for (;;) {
    const int port = example::free_port();
    if (port + 10'000 <= 65'535) return port;
  }
}

std::vector<std::string> node_arguments(const std::string& directory, int port) {
  const std::string own = directory + "/" + std::to_string(port);
  std::filesystem::create_directory(own);
  return {"--port",
          std::to_string(port),
          "--bind",
          "127.0.0.1",
          "--dir",
          own,
          "--save",
          "",
          "--appendonly",
          "no",
          "--cluster-enabled",
          "yes",
          "--cluster-node-timeout",
          "1500"};
}

// Gives each node its part of the slots and lets them meet: redis-cli --cluster create does that,
// too.
void make_cluster(const std::vector<int>& ports) {
  for (const int port : ports) example::await_answer(port, "PING", {"PONG"});
  for (int i = 0; i < node_count; ++i) {
    std::string command = "CLUSTER ADDSLOTS";
    for (int slot = slot_count * i / node_count; slot < slot_count * (i + 1) / node_count; ++slot) {
      command += " " + std::to_string(slot);
    }
    example::ask_server(ports[static_cast<std::size_t>(i)], command);
    example::ask_server(ports[static_cast<std::size_t>(i)],
                        "CLUSTER SET-CONFIG-EPOCH " + std::to_string(i + 1));
  }
  for (const int port : ports) {
    example::ask_server(ports[0], "CLUSTER MEET 127.0.0.1 " + std::to_string(port));
  }
  for (const int port : ports) {
    example::await_answer(
        port, "CLUSTER INFO",
        {"cluster_state:ok", "cluster_known_nodes:" + std::to_string(node_count)});
  }
}

// The word in the answer's second line: a bulk string of Redis.
std::string text_of(const std::string& answer) {
  const std::size_t begin = answer.find("\r\n") + 2;
  return answer.substr(begin, answer.find("\r\n", begin) - begin);
}

// Moves the topic's slot, and all its keys, as redis-cli --cluster reshard does.
void move_topic(const std::string& topic, int from, int to, const std::vector<int>& ports) {
  const std::string answer = example::ask_server(from, "CLUSTER KEYSLOT " + topic);
  const std::string slot = answer.substr(1, answer.find('\r') - 1);
  const std::string source = text_of(example::ask_server(from, "CLUSTER MYID"));
  const std::string target = text_of(example::ask_server(to, "CLUSTER MYID"));
  example::ask_server(to, "CLUSTER SETSLOT " + slot + " IMPORTING " + source);
  example::ask_server(from, "CLUSTER SETSLOT " + slot + " MIGRATING " + target);
  for (;;) {
    const std::string keys = example::ask_server(from, "CLUSTER GETKEYSINSLOT " + slot + " 1");
    if (keys.starts_with("*0")) break;
    const std::size_t size = keys.find('$');
    const std::string key = text_of(keys.substr(size));
    example::ask_server(from, "MIGRATE 127.0.0.1 " + std::to_string(to) + " " + key + " 0 5000");
  }
  example::ask_server(to, "CLUSTER SETSLOT " + slot + " NODE " + target);
  for (const int port : ports) {
    if (port != to) example::ask_server(port, "CLUSTER SETSLOT " + slot + " NODE " + target);
  }
}

// The port of the node that has the topic, asked of any.
int owner_of(const std::string& topic, const std::vector<int>& ports) {
  for (const int port : ports) {
    const std::string answer = example::ask_server(port, "EXISTS {" + topic + "}");
    if (!answer.starts_with("-MOVED")) return port;
  }
  return 0;
}

// Everything on the loop thread.
struct Shop {
  std::map<std::string, std::set<int>> handled;
  std::size_t count = 0;
};

Task<> handle(Shop* shop, mx_rmq::Context& context) {
  const int number = context.message().payload.at("number").get<int>();
  if (shop->handled[context.message().topic].insert(number).second) ++shop->count;
  co_return;
}

Task<> produce(RedisMessageQueue* queue, std::vector<std::string> topics, int from, int to) {
  for (int number = from; number <= to; ++number) {
    for (const std::string& topic : topics) {
      json order = {{"number", number}};
      co_await queue->produce(topic, std::move(order));
    }
  }
}

Task<> await_handled(Shop* shop, std::size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (shop->count < count && std::chrono::steady_clock::now() < deadline) {
    co_await mx_rmq::sleep_for(5ms);
  }
}

int run() {
  const example::PrivateDirectory directory;
  std::vector<int> ports;
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < node_count; ++i) {
    ports.push_back(cluster_port());
    commands.push_back(node_arguments(directory.path(), ports.back()));
  }
  const example::PrivateServers nodes(commands);
  make_cluster(ports);

  const std::vector<std::string> topics = {"orders", "invoices", "parcels"};
  Shop shop;
  mx_rmq::MQConfig config;
  // One node is enough: it tells of the others.
  config.redis_url = "redis+cluster://127.0.0.1:" + std::to_string(ports[0]);
  RedisMessageQueue queue(config);
  for (const std::string& topic : topics) {
    queue.register_handler(topic, [&shop](mx_rmq::Context& c) { return handle(&shop, c); });
  }
  mx_rmq::sync_wait(queue.start_background());
  mx_rmq::sync_wait(produce(&queue, topics, 1, orders_each));
  std::set<int> used;
  for (const std::string& topic : topics) {
    const int owner = owner_of(topic, ports);
    used.insert(owner);
    example::say(topic + " is on the node at port " + std::to_string(owner));
  }

  const int before = owner_of(topics[0], ports);
  const int after = before == ports[1] ? ports[2] : ports[1];
  example::say(topics[0] + " moves to the node at port " + std::to_string(after));
  move_topic(topics[0], before, after, ports);
  mx_rmq::sync_wait(produce(&queue, topics, orders_each + 1, 2 * orders_each));
  const std::size_t all = topics.size() * 2 * orders_each;
  mx_rmq::sync_wait(await_handled(&shop, all));
  const mx_rmq::HealthReport health = mx_rmq::sync_wait(queue.health_check());
  mx_rmq::sync_wait(queue.cleanup());

  std::cout << '\n';
  example::Checks checks;
  checks.expect(used.size() > 1, "the topics are on several nodes");
  checks.expect(owner_of(topics[0], ports) == after, topics[0] + " has moved");
  checks.expect(shop.count == all, "all " + std::to_string(all) + " orders were handled");
  checks.expect(health.healthy, "health is well");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "cluster: topics on the nodes of a Redis Cluster, one of which moves while\n"
                     "messages flow. Runs on servers of its own.\n");
  return example::guarded(run);
}
