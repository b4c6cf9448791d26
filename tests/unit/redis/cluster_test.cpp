// A Cluster as its client sees it, of scripted nodes: who is asked, what a redirection does, what
// becomes of a node that serves nothing any more.
#include "redis/topology/cluster/cluster.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "redis/topology/cluster/slot.hpp"
#include "support/wait.hpp"
#include "unit/redis/scripted_nodes.hpp"

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;
using test::wait_for;

constexpr auto patience = 30s;
constexpr int half = slot_count / 2;

// Nodes 1 and 2 have half of the slots each; node 3 has none. Each answers with its number.
class World : public NodesWorld {
 public:
  World() {
    for (const int port : {1, 2, 3}) {
      node(port).answer = [this, port](const Arguments& command) { return answer(port, command); };
    }
  }
  void begin(const std::vector<int>& seeds = {1}) {
    on_loop([&] {
      ClientOptions where = options(seeds.front());
      for (const int port : seeds) where.endpoint.hosts.push_back({"seed", port});
      auto view = std::make_shared<ClusterView>(loop(), where, seams());
      auto cluster = std::make_shared<Cluster>(loop(), where, seams(), std::move(view));
      cluster->begin();
      client = std::move(cluster);
    });
  }
  ~World() { close(); }
  int maps_asked() { return count(1, "CLUSTER") + count(2, "CLUSTER") + count(3, "CLUSTER"); }
  // Read and written on the loop.
  std::vector<Part> parts{{0, half - 1, 1}, {half, slot_count - 1, 2}};
  // What a node says in place of its number; empty: nothing else.
  std::map<int, std::string> says;

 private:
  std::string answer(int port, const Arguments& command) {
    if (command[0] == "CLUSTER") return cluster_slots(parts);
    if (command[0] == "ASKING") return "+OK\r\n";
    const auto found = says.find(port);
    if (found != says.end()) return found->second;
    return bulk(std::to_string(port));
  }
};

// Of that half of the slots.
std::string tag_in(bool second) {
  for (int i = 0;; ++i) {
    std::string tag = "t" + std::to_string(i);
    if ((slot_of(tag) >= half) == second) return tag;
  }
}
const std::string low = tag_in(false);
const std::string high = tag_in(true);

std::string redirect(const std::string& kind, const std::string& tag, int port) {
  return "-" + kind + " " + std::to_string(slot_of(tag)) + " node:" + std::to_string(port) + "\r\n";
}

TEST(ClusterClient, RoutesLeadToWhereTheirSlotsAre) {
  World world;
  world.begin();
  EXPECT_EQ(world.eval(low).reply, "1");
  EXPECT_EQ(world.eval(high).reply, "2");
  EXPECT_EQ(world.echo(high).reply, "2");
  EXPECT_EQ(world.check(), "");
  EXPECT_EQ(world.connections(3), 0) << "nobody has anything to do there";
}

TEST(ClusterClient, MovedCountsAtOnceAndForItsSlotOnly) {
  World world;
  world.begin();
  ASSERT_EQ(world.eval(low).reply, "1");
  world.on_loop([&] { world.says[1] = redirect("MOVED", low, 3); });
  EXPECT_EQ(world.eval(low).reply, "3");
  EXPECT_EQ(world.eval(low).reply, "3");
  EXPECT_EQ(world.echo(low).reply, "3");
  EXPECT_EQ(world.count(1, "EVALSHA"), 2) << "it was asked no more";
  world.on_loop([&] { world.says.clear(); });
  std::string other;
  for (int i = 0; other.empty() || other == low || slot_of(other) >= half; ++i) {
    other = "o" + std::to_string(i);
  }
  EXPECT_EQ(world.eval(other).reply, "1");
}

TEST(ClusterClient, AskIsForOneCallBehindAsking) {
  World world;
  world.begin();
  ASSERT_EQ(world.eval(low).reply, "1");
  world.on_loop([&] { world.says[1] = redirect("ASK", low, 3); });
  EXPECT_EQ(world.eval(low).reply, "3");
  EXPECT_EQ(world.echo(low).reply, "3");
  world.on_loop([&] {
    std::vector<std::string> got;
    for (const Arguments& each : world.node(3).commands) got.push_back(each[0]);
    EXPECT_EQ(got, (std::vector<std::string>{"ASKING", "EVALSHA", "ASKING", "ECHO"}));
    world.says.clear();
  });
  EXPECT_EQ(world.eval(low).reply, "1") << "the slot is still there";
}

// Two that send each other's clients to and fro: bounded, paced, and over when they agree.
TEST(ClusterClient, ACircleOfMovedIsNoStorm) {
  World world;
  world.begin();
  ASSERT_EQ(world.eval(low).reply, "1");
  const int asked_before = world.maps_asked();
  world.on_loop([&] {
    world.says[1] = redirect("MOVED", low, 2);
    world.says[2] = redirect("MOVED", low, 1);
  });
  const auto began = test::WaitClock::now();
  End ends[8];
  for (End& end : ends) world.spawn_eval(low, &end);
  ASSERT_TRUE(wait_for(patience, [&] { return test::WaitClock::now() > began + 1500ms; }));
  const auto calls = world.count(1, "EVALSHA") + world.count(2, "EVALSHA");
  const int maps = world.maps_asked() - asked_before;
  const auto seconds = std::chrono::duration<double>(test::WaitClock::now() - began).count();
  EXPECT_GT(calls, 16) << "nothing went in a circle";
  EXPECT_LT(calls, 8 * 6 * (20 + 100 * seconds)) << "of " << seconds << " s";
  EXPECT_LE(maps, 1 + seconds) << "once a second";
  world.on_loop([&] { world.says.clear(); });
  world.join();
  for (const End& end : ends) EXPECT_TRUE(end.reply == "1" || end.reply == "2") << end.error;
}

// It may have been away, and take writes that nobody will see.
TEST(ClusterClient, ANodeThatServesNothingIsLeftAtOnceWithWhatWasUnderWay) {
  World world;
  world.begin();
  ASSERT_EQ(world.eval(low).reply, "1");
  world.on_loop([&] {
    world.node(1).answer = [&](const Arguments& command) {
      return command[0] == "CLUSTER" ? cluster_slots(world.parts) : std::string();  // silent
    };
  });
  End written;
  world.spawn_eval(low, &written);
  ASSERT_TRUE(wait_for(patience, [&] { return world.count(1, "EVALSHA") == 2; }));
  // The map says so to whoever asks; a redirection elsewhere makes it be asked.
  world.on_loop([&] {
    world.parts = {{0, half - 1, 3}, {half, slot_count - 1, 2}};
    world.says[2] = "-CLUSTERDOWN The cluster is down\r\n";
  });
  world.eval(high, 10ms);
  world.join();
  EXPECT_EQ(written.error.rfind("unknown: ", 0), 0U) << written.error;
  EXPECT_NE(written.error.find("serves no slot"), std::string::npos) << written.error;
  EXPECT_EQ(world.eval(low).reply, "3");
}

// It ends no connection, and no reply says where its slots have gone.
TEST(ClusterClient, ANodeThatStandsStillIsReplacedAsSoonAsTheMapSaysBy) {
  World world;
  world.begin();
  ASSERT_EQ(world.eval(low).reply, "1");
  world.on_loop([&] { world.node(1).swallow = true; });
  End end;
  world.spawn_eval(low, &end);
  const int asked = world.maps_asked();
  ASSERT_TRUE(wait_for(patience, [&] { return world.maps_asked() >= asked + 3; }))
      << "nothing else has said that something is wrong";
  world.on_loop([&] { world.parts = {{0, half - 1, 3}, {half, slot_count - 1, 2}}; });
  world.join();
  EXPECT_EQ(end.error.rfind("unknown: ", 0), 0U) << end.error << end.reply;
  EXPECT_EQ(world.eval(low).reply, "3");
}

// The same for one that is connected to only now.
TEST(ClusterClient, ANodeThatStandsStillFromTheBeginningIsReplacedToo) {
  World world;
  world.on_loop([&] { world.node(1).swallow = true; });
  world.begin({2});
  End end;
  world.spawn_eval(low, &end);
  ASSERT_TRUE(wait_for(patience, [&] { return world.connections(1) > 0; }));
  world.on_loop([&] { world.parts = {{0, half - 1, 3}, {half, slot_count - 1, 2}}; });
  world.join();
  EXPECT_EQ(end.reply, "3") << end.error;
}

TEST(ClusterClient, ASlotWithoutAMasterIsToldAndMendedWhenThereIsOne) {
  World world;
  world.parts.pop_back();
  world.begin();
  EXPECT_EQ(world.eval(low).reply, "1");
  const End end = world.eval(high, 100ms);
  EXPECT_NE(end.error.find("slot " + std::to_string(slot_of(high)) +
                           " of the Cluster has no "
                           "master"),
            std::string::npos)
      << end.error;
  world.on_loop([&] { world.parts.push_back({half, slot_count - 1, 2}); });
  EXPECT_EQ(world.eval(high, patience).reply, "2") << "it is asked for again and again";
}

TEST(ClusterClient, ASeedThatIsSilentOrDeadHoldsNobodyUp) {
  World world;
  world.node(1).swallow = true;
  world.begin({1, 9, 2});
  EXPECT_EQ(world.eval(high).reply, "2");
}

TEST(ClusterClient, NoClusterIsToldAsSuch) {
  World world;
  world.node(1).answer = [](const Arguments&) {
    return "-ERR This instance has cluster support disabled\r\n";
  };
  world.begin();
  const std::string error = world.check(300ms);
  EXPECT_NE(error.find("this is no node of a Redis Cluster"), std::string::npos) << error;
  world.on_loop(
      [&] { EXPECT_NE(world.client->health().unfit.find("redis://"), std::string::npos); });
}

// As many as one server would have, together; and to each at least one.
TEST(ClusterClient, ConnectionsAreOfNodesNotOfSlots) {
  World world;
  world.begin();
  for (int i = 0; i < 100; ++i) {
    const std::string tag = "many" + std::to_string(i);
    world.on_loop([&] {
      for (const LaneRole role : {LaneRole::produce, LaneRole::manage, LaneRole::consume}) {
        world.client->route(role, tag).connect();
      }
    });
    world.eval(tag);
  }
  ASSERT_EQ(world.check(), "");
  // Two lanes a node, and those that asked for the map.
  EXPECT_LE(world.connections(1) + world.connections(2), 2 * 2 + 2);
}

TEST(ClusterClient, ClosingEndsWhatWaits) {
  World world;
  world.parts.pop_back();
  world.begin();
  ASSERT_EQ(world.eval(low).reply, "1");
  End end;
  world.spawn_eval(high, &end);
  world.run([&] { return world.client->close(world.loop().now()); });
  world.join();
  EXPECT_EQ(end.error.rfind("shutdown: ", 0), 0U) << end.error;
  EXPECT_EQ(world.eval(low).error.rfind("shutdown: ", 0), 0U);
}

}  // namespace
}  // namespace mx_rmq::redis
