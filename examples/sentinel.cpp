// A failover while messages flow: a master, a replica and three Sentinels of the example's own. The
// master is killed; the program needs to know nothing but the URL.
#include <chrono>
#include <fstream>
#include <iostream>
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

constexpr const char* topic = "orders";
constexpr const char* master_name = "mymaster";
constexpr int sentinel_count = 3;

// The ports of what runs.
struct Ports {
  int master = example::free_port();
  int replica = example::free_port();
  std::vector<int> sentinels;
};

std::vector<std::string> server_arguments(const std::string& directory, int port, int master) {
  const std::string own = directory + "/" + std::to_string(port);
  std::filesystem::create_directory(own);
  std::vector<std::string> arguments = {"--port",
                                        std::to_string(port),
                                        "--bind",
                                        "127.0.0.1",
                                        "--dir",
                                        own,
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--repl-diskless-sync-delay",
                                        "0"};
  if (master != 0) {
    arguments.insert(arguments.end(), {"--replicaof", "127.0.0.1", std::to_string(master)});
  }
  return arguments;
}

// Sentinels write what they learn into their file.
std::vector<std::string> sentinel_arguments(const std::string& directory, int port, int master) {
  const std::string file = directory + "/sentinel-" + std::to_string(port) + ".conf";
  const std::string about = "sentinel ";
  std::ofstream(file) << "port " << port << "\nbind 127.0.0.1\ndir " << directory << "\n"
                      << about << "monitor " << master_name << " 127.0.0.1 " << master << " 2\n"
                      << about << "down-after-milliseconds " << master_name << " 800\n"
                      << about << "failover-timeout " << master_name << " 4000\n";
  return {file, "--sentinel"};
}

std::string sentinel_url(const Ports& ports) {
  std::string url = "redis+sentinel://";
  for (const int port : ports.sentinels) {
    url += (url.back() == '/' ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(port);
  }
  return url + "/" + master_name;
}

// Everything on the loop thread.
struct Shop {
  std::set<int> acknowledged;
  std::set<int> handled;
  std::chrono::steady_clock::time_point last_handled;
  std::chrono::milliseconds longest_gap{0};
};

Task<> handle(Shop* shop, json order) {
  const auto now = std::chrono::steady_clock::now();
  if (!shop->handled.empty()) {
    const auto gap =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - shop->last_handled);
    shop->longest_gap = std::max(shop->longest_gap, gap);
  }
  shop->last_handled = now;
  shop->handled.insert(order.at("number").get<int>());
  co_return;
}

Task<> produce(RedisMessageQueue* queue, Shop* shop, int from, int to) {
  for (int number = from; number <= to; ++number) {
    json order = {{"number", number}};
    co_await queue->produce(topic, std::move(order));
    shop->acknowledged.insert(number);
    co_await mx_rmq::sleep_for(2ms);
  }
}

Task<> await_handled(Shop* shop, std::size_t count, std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (shop->handled.size() < count && std::chrono::steady_clock::now() < deadline) {
    co_await mx_rmq::sleep_for(5ms);
  }
}

int run() {
  const example::PrivateDirectory directory;
  Ports ports;
  for (int i = 0; i < sentinel_count; ++i) ports.sentinels.push_back(example::free_port());
  const example::PrivateServers replica(
      {server_arguments(directory.path(), ports.replica, ports.master)});
  auto master = std::make_unique<example::PrivateServers>(
      std::vector<std::vector<std::string>>{server_arguments(directory.path(), ports.master, 0)});
  example::await_answer(ports.replica, "INFO replication", {"master_link_status:up"});
  std::vector<std::vector<std::string>> commands;
  for (const int port : ports.sentinels) {
    commands.push_back(sentinel_arguments(directory.path(), port, ports.master));
  }
  const example::PrivateServers sentinels(commands);
  for (const int port : ports.sentinels) {
    example::await_answer(port, std::string("SENTINEL MASTER ") + master_name,
                          {"num-slaves\r\n$1\r\n1\r\n", "num-other-sentinels\r\n$1\r\n2\r\n"});
  }

  Shop shop;
  mx_rmq::MQConfig config;
  config.redis_url = sentinel_url(ports);
  RedisMessageQueue queue(config);
  queue.register_handler(topic, [&shop](const json& order) { return handle(&shop, order); });
  mx_rmq::sync_wait(queue.start_background());
  example::say("connected by " + config.redis_url);
  mx_rmq::sync_wait(produce(&queue, &shop, 1, 300));
  example::say("the master at port " + std::to_string(ports.master) + " is killed");
  master.reset();
  mx_rmq::sync_wait(produce(&queue, &shop, 301, 600));
  mx_rmq::sync_wait(await_handled(&shop, shop.acknowledged.size(), 5s));
  example::say("all is handled; the longest pause was " + std::to_string(shop.longest_gap.count()) +
               " ms");
  const mx_rmq::HealthReport health = mx_rmq::sync_wait(queue.health_check());
  mx_rmq::sync_wait(queue.cleanup());

  std::size_t lost = 0;
  for (const int number : shop.acknowledged) lost += shop.handled.contains(number) ? 0 : 1;
  const std::string now = example::ask_server(
      ports.sentinels[0], std::string("SENTINEL GET-MASTER-ADDR-BY-NAME ") + master_name);
  std::cout << '\n';
  example::Checks checks;
  checks.expect(now.find(std::to_string(ports.replica)) != std::string::npos,
                "the replica at port " + std::to_string(ports.replica) + " is the master now");
  checks.expect(shop.acknowledged.size() == 600, "all 600 orders were acknowledged");
  // Replication is asynchronous: what the replica had not yet is gone with the master.
  checks.expect(lost <= 5, "of them were lost with the master: " + std::to_string(lost));
  checks.expect(shop.longest_gap < 10s, "work went on by itself");
  checks.expect(health.healthy, "health is well again");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "sentinel: the master is killed while messages flow, and the queue follows the\n"
      "Sentinels to the next one. Runs on servers of its own.\n");
  return example::guarded(run);
}
