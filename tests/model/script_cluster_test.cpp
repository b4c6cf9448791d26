// The scripts on a Redis Cluster node, by a user who may touch nothing but the keys that a call
// declares.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "lockstep.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

// A port for the cluster bus: by default it is 10,000 above the other, which may be too high.
int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool ok = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(descriptor);
  if (!ok) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

RedisOptions cluster_node() {
  RedisOptions options;
  options.tcp = true;
  options.arguments = {"--cluster-enabled",         "yes",    "--cluster-port",
                       std::to_string(free_port()), "--save", ""};
  return options;
}

// From "<id> <ip>:<port>@<bus port> myself ...".
std::string bus_port(RedisServer& server) {
  const std::string nodes = server.command({"CLUSTER", "NODES"}).str();
  const auto at = nodes.find('@') + 1;
  return nodes.substr(at, nodes.find_first_of(" ,", at) - at);
}

bool cluster_is_ok(RedisClient& client) {
  return client.command({"CLUSTER", "INFO"}).str().find("cluster_state:ok") != std::string::npos;
}

std::string glob_escaped(const std::string& key) {
  std::string out;
  for (const char each : key) {
    if (std::string("*?[]\\^-").find(each) != std::string::npos) out += '\\';
    out += each;
  }
  return out;
}

// The fixture on the server and in the model.
void set_up(ScriptServer& server, Model& model, int idle = 16) {
  server.flush();
  for (const ScriptOp& op : fixture(idle)) {
    const Value wanted = model.run(op);
    const Value got = server.run(op);
    ASSERT_TRUE(same(got, wanted)) << show(op) << "\n" << show(got) << "\n" << show(wanted);
  }
}

TEST(ScriptCluster, TouchesOnlyTheKeysItDeclares) {
  ScriptServer server(cluster_node());
  server.client().command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  ASSERT_TRUE(wait_for(std::chrono::seconds(20), [&] { return cluster_is_ok(server.client()); }));
  RedisClient limited = server.server().connect();
  const LoadedScripts scripts(server.client(), LoadedScripts::Kind::instrumented);
  std::set<std::string> seen;
  for (const ScriptOp& op : all_calls()) {
    Model model;
    set_up(server, model);
    std::vector<std::string> rights{"ACL", "SETUSER", "limited", "reset",
                                    "on",  "nopass",  "+@all",   "&mx:*"};
    for (const std::string& each : keys_of(op.call)) rights.push_back("~" + glob_escaped(each));
    server.client().command(rights);
    limited.command({"AUTH", "limited", "x"});
    const Value got =
        limited.try_command(command_of(op.call, scripts.sha(op.call.script), op.now_us));
    ASSERT_FALSE(got.is_error()) << show(op) << "\n" << got.dump();
    model.run(op);
    EXPECT_EQ(difference(server.state(), model.state()), "") << show(op);
    seen.insert(op.call.script);
  }
  EXPECT_EQ(seen.size(), script_sources().size()) << "a script without a call";
}

TEST(ScriptCluster, NamesNoKeyAgainThatItHasEmptiedWhileTheSlotMoves) {
  ScriptServer server(cluster_node());
  RedisServer target(cluster_node());
  RedisClient& source = server.client();
  source.command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  const std::string target_id = target.command({"CLUSTER", "MYID"}).str();
  source.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(target.port()), bus_port(target)});
  ASSERT_TRUE(wait_for(std::chrono::seconds(30), [&] {
    return cluster_is_ok(source) &&
           source.command({"CLUSTER", "NODES"}).str().find(target_id) != std::string::npos;
  }));
  const std::string slot =
      std::to_string(source.command({"CLUSTER", "KEYSLOT", key(fixture_topic, "idle")}).num());
  std::set<std::string> ran;
  // With one that is idle, and whom nobody hears, the set of the idle ones is emptied.
  std::vector<std::pair<int, ScriptOp>> calls;
  for (const int idle : {16, 1})
    for (const ScriptOp& op : all_calls()) calls.emplace_back(idle, op);
  for (const auto& [idle, op] : calls) {
    Model model;
    source.command({"CLUSTER", "SETSLOT", slot, "STABLE"});
    set_up(server, model, idle);
    const State before = server.state();
    source.command({"CLUSTER", "SETSLOT", slot, "MIGRATING", target_id});
    const Value got = server.run(op);
    source.command({"CLUSTER", "SETSLOT", slot, "STABLE"});
    if (got.is_error()) {
      // A key is not here (any more): nothing may have happened.
      EXPECT_TRUE(got.text.starts_with("TRYAGAIN") || got.text.starts_with("ASK"))
          << show(op) << "\n"
          << got.text;
      EXPECT_EQ(difference(server.state(), before), "") << show(op) << "\n" << got.text;
      continue;
    }
    model.run(op);
    EXPECT_EQ(difference(server.state(), model.state()), "") << show(op);
    ran.insert(op.call.script);
  }
  // These name a key that is not there before they have run: they go on once the slot has moved.
  const std::set<std::string> later{"answer", "ask", "suspect"};
  for (const auto& [name, source] : script_sources())
    EXPECT_TRUE(ran.contains(name) || later.contains(name)) << name;
}

// Who is idle is told over SPUBLISH as over PUBLISH, and who does not hear is found out.
TEST(ScriptCluster, TellsOverShardedChannelsWhomTheModelTells) {
  ScriptServer server(cluster_node(), ScriptServer::Channels::sharded);
  if (server.client().try_command({"SPUBLISH", "c", "x"}).text.starts_with("ERR unknown command")) {
    GTEST_SKIP() << "sharded channels came with Redis 7";
  }
  server.client().command({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"});
  ASSERT_TRUE(wait_for(std::chrono::seconds(20), [&] { return cluster_is_ok(server.client()); }));
  std::size_t told = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Tally tally;
    const auto differs = run_lockstep(server, seed, optimized ? 2000 : 300, 100, &tally);
    ASSERT_FALSE(differs) << "seed " << seed << ", operation " << differs->at << "\n"
                          << differs->what;
    for (const auto& [topic, words] : server.heard()) told += words.size();
  }
  EXPECT_GT(told, 5U) << "nobody was told anything";
}

}  // namespace
}  // namespace mx_rmq::test
