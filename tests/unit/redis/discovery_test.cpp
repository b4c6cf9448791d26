// One server that may turn out to be a node of a Cluster: commands wait until that is known, and
// then go where they should.
#include "redis/topology/discovery.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "redis/topology/one_server.hpp"
#include "support/wait.hpp"
#include "unit/redis/scripted_nodes.hpp"

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;
using test::wait_for;

constexpr auto patience = 30s;
constexpr const char* replica_of_1 =
    "*5\r\n$5\r\nslave\r\n$4\r\nnode\r\n:1\r\n$9\r\nconnected\r\n:0\r\n";

// The address leads to node 1; what stands for the Cluster is node 2.
class World : public NodesWorld {
 public:
  World() {
    for (const int port : {1, 2}) {
      node(port).answer = [this, port](const Arguments& command) {
        if (command[0] == "CLUSTER") return slots;
        return bulk(std::to_string(port));
      };
    }
  }
  ~World() { close(); }
  void begin() {
    on_loop([&] {
      Discovery::Makes makes;
      makes.cluster = [this] {
        ++cluster_made;
        return std::make_shared<OneServer>(loop(), options(2), seams());
      };
      makes.scout = [this] {
        ClientOptions any = options(1);
        any.peer = Peer::any;
        any.pool_size = 1;
        any.scripts = {};
        any.connection.one_attempt = true;
        return std::make_unique<Node>(loop(), std::move(any), seams());
      };
      auto one = std::make_shared<OneServer>(loop(), options(1), seams());
      client = std::make_shared<Discovery>(std::move(one), std::move(makes));
    });
  }

  std::string slots = cluster_slots({{0, 16383, 1}});  // the answer to CLUSTER SLOTS; on the loop
  int cluster_made = 0;
};

TEST(DiscoveryTest, ANodeOfAClusterLeadsToTheCluster) {
  World world;
  world.begin();
  EXPECT_EQ(world.eval("t").reply, "2");
  EXPECT_EQ(world.echo("t").reply, "2");
  EXPECT_EQ(world.check(), "");
  EXPECT_EQ(world.count(1, "EVALSHA"), 0);
  EXPECT_EQ(world.cluster_made, 1);
}

TEST(DiscoveryTest, OneServerStaysOneServer) {
  for (const char* const answer :
       {"-ERR This instance has cluster support disabled\r\n", "-ERR unknown command 'CLUSTER'\r\n",
        "-NOPERM this user has no permissions to run 'cluster|slots'\r\n"}) {
    World world;
    world.slots = answer;
    world.begin();
    EXPECT_EQ(world.eval("t").reply, "1") << answer;
    EXPECT_EQ(world.check(), "");
    EXPECT_EQ(world.count(1, "CLUSTER"), 1) << "asked once";
    EXPECT_EQ(world.cluster_made, 0);
  }
}

TEST(DiscoveryTest, WhatPassesByItselfIsAskedAgain) {
  World world;
  world.slots = "-LOADING Redis is loading the dataset in memory\r\n";
  world.begin();
  End end;
  world.spawn_eval("t", &end);
  ASSERT_TRUE(wait_for(patience, [&] { return world.count(1, "CLUSTER") >= 3; }));
  EXPECT_EQ(world.count(1, "EVALSHA"), 0) << "it waits";
  world.on_loop([&] { world.slots = cluster_slots({{0, 16383, 1}}); });
  world.join();
  EXPECT_EQ(end.reply, "2") << end.error;
}

TEST(DiscoveryTest, WhatWaitsBeyondItsDeadlineSaysWhy) {
  World world;
  world.on_loop([&] { world.node(1).refuse_connections = true; });
  world.begin();
  const End end = world.eval("t", 50ms);
  EXPECT_EQ(end.error.rfind("connection: ", 0), 0U) << end.error;
  EXPECT_NE(end.error.find("connection refused"), std::string::npos) << end.error;
  world.on_loop([&] { world.node(1).refuse_connections = false; });
  EXPECT_EQ(world.eval("t").reply, "2");
}

// It serves nobody, and tells of its Cluster.
TEST(DiscoveryTest, AReplicaLeadsToItsCluster) {
  World world;
  world.node(1).role = replica_of_1;
  world.begin();
  EXPECT_EQ(world.eval("t").reply, "2");
  EXPECT_EQ(world.check(), "");
}

TEST(DiscoveryTest, AReplicaOfOneServerIsNoCluster) {
  World world;
  world.node(1).role = replica_of_1;
  world.slots = "-ERR This instance has cluster support disabled\r\n";
  world.begin();
  const std::string error = world.check(300ms);
  EXPECT_NE(error.find("replica"), std::string::npos) << error;
  EXPECT_EQ(world.cluster_made, 0);
  // It is promoted.
  world.on_loop([&] { world.node(1).role.clear(); });
  EXPECT_EQ(world.eval("t").reply, "1");
}

// Who has something to put in order at a new connection is told of the one that is there already.
TEST(DiscoveryTest, CallbacksOfTheTimeBeforeAreKept) {
  World world;
  world.begin();
  int told = 0, removed = 0;
  world.on_loop([&] {
    Route& route = world.client->route(LaneRole::produce, "t");
    route.on_epoch([&](std::uint64_t) { ++told; });
    const auto id = route.on_epoch([&](std::uint64_t) { ++removed; });
    route.remove_on_epoch(id);
    EXPECT_FALSE(route.ready());
    EXPECT_EQ(route.epoch(), 0U);
    route.connect();
  });
  const auto now = [&](int* which) {
    int value = 0;
    world.on_loop([&] { value = *which; });
    return value;
  };
  EXPECT_TRUE(wait_for(patience, [&] { return now(&told) >= 1; }));
  EXPECT_EQ(now(&removed), 0);
  world.on_loop([&] { EXPECT_TRUE(world.client->route(LaneRole::produce, "t").ready()); });
}

TEST(DiscoveryTest, ClosingEndsWhatWaits) {
  World world;
  world.node(1).refuse_connections = true;
  world.begin();
  End end;
  world.spawn_eval("t", &end);
  ASSERT_TRUE(wait_for(patience, [&] { return world.connections(1) > 0; }));
  world.run([&] { return world.client->close(world.loop().now()); });
  world.join();
  EXPECT_EQ(end.error.rfind("shutdown: ", 0), 0U) << end.error;
}

}  // namespace
}  // namespace mx_rmq::redis
