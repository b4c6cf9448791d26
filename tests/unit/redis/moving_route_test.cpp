// A route that is moved from node to node: nothing is stuck at the one that is left, nothing that
// was not written is lost, and each epoch is one connection.
#include "redis/topology/moving_route.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "redis/topology/lane.hpp"
#include "redis/topology/node.hpp"
#include "runtime/on_loop.hpp"
#include "runtime/scope.hpp"
#include "unit/redis/evalsha.hpp"
#include "unit/redis/machine.hpp"
#include "unit/redis/scripted_server.hpp"

namespace mx_rmq::redis {
namespace {

constexpr const lua::Script* scripts[] = {&test_script};

ClientOptions quick_options() {
  ClientOptions options;
  options.pool_size = 1;
  options.scripts = scripts;
  options.connection.backoff_min = 1ms;
  options.connection.backoff_max = 2ms;
  return options;
}

struct End {
  std::string reply, error;
};

// Two nodes and a route, all on one loop.
class World {
 public:
  World() {
    for (int i = 0; i < 2; ++i) {
      servers[i] = std::make_shared<ServerScript>();
      const std::string name(1, static_cast<char>('a' + i));
      servers[i]->answer = [name](const Arguments& command) {
        return bulk(name + ":" + command.back());
      };
    }
    on_loop([this] {
      for (int i = 0; i < 2; ++i) {
        nodes[i] = std::make_unique<Node>(loop(), quick_options(),
                                          scripted_seams(loop(), servers[i], scripts));
      }
      route = std::make_unique<MovingRoute>(loop(), rng);
      route->on_epoch([this](std::uint64_t epoch) { epochs.push_back(epoch); });
    });
  }
  ~World() {
    on_loop([this] { route->close(); });
    for (auto& node : nodes) {
      if (node == nullptr) continue;
      Node* const one = node.get();
      run([&] { return one->close(loop().now() + 1s); });
    }
    on_loop([this] {
      route.reset();
      for (auto& node : nodes) node.reset();
    });
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  runtime::EventLoop& loop() { return runtime_.event_loop(); }
  Lane& lane(int node) { return nodes[node]->lane(0); }

  template <class Make>
  void run(Make make) {
    sync_wait(runtime::run_on(loop(), std::move(make)));
  }
  void on_loop(std::function<void()> what) {
    run([&what] { return call_it(&what); });
  }
  void move(int node, std::string why = "moved") {
    on_loop([&] { route->move_to(node < 0 ? nullptr : &lane(node), why); });
  }
  End echo(std::string text, std::chrono::milliseconds timeout = 2s, std::uint64_t epoch = 0) {
    End end;
    run([&] { return echo_to(this, text, loop().now() + timeout, epoch, &end); });
    return end;
  }

  // Spawns, and once that has come so far does `then`; awaits what was spawned.
  struct Meanwhile {
    std::function<void(runtime::Scope&)> spawn;
    std::function<bool()> so_far;
    std::function<void()> then;
  };
  void meanwhile(Meanwhile what) {
    run([&] { return go(this, &what); });
  }
  void spawn_echo(runtime::Scope& scope, std::string text, End* end, std::uint64_t epoch = 0) {
    scope.spawn(echo_to(this, std::move(text), loop().now() + 5s, epoch, end));
  }
  void spawn_eval(runtime::Scope& scope, End* end) {
    scope.spawn(eval_to(this, loop().now() + 5s, end));
  }

  static Task<> echo_to(World* world, std::string text, TimePoint deadline, std::uint64_t epoch,
                        End* end) {
    Command command = Command::of("ECHO", text);
    ++world->waiting;
    try {
      const Reply reply = co_await world->route->send(std::move(command), deadline, epoch);
      end->reply = reply.as_string();
    } catch (const Error& error) {
      end->error = name_of(error);
    }
  }
  static Task<> eval_to(World* world, TimePoint deadline, End* end) {
    const std::string_view arguments[] = {"x"};
    Command command = evalsha(test_script, {}, arguments);
    try {
      const Reply reply = co_await world->route->eval(test_script, std::move(command), deadline);
      end->reply = reply.as_string();
    } catch (const Error& error) {
      end->error = name_of(error);
    }
  }
  static Task<> go(World* world, Meanwhile* what) {
    runtime::Scope scope(world->loop());
    what->spawn(scope);
    while (!what->so_far()) co_await sleep_for(1ms);
    what->then();
    co_await scope.join();
  }
  static std::string name_of(const Error& error) {
    const std::string text = error.what();
    if (dynamic_cast<const OutcomeUnknown*>(&error) != nullptr) return "unknown: " + text;
    if (dynamic_cast<const ConnectionError*>(&error) != nullptr) return "connection: " + text;
    if (dynamic_cast<const TimeoutError*>(&error) != nullptr) return "timeout: " + text;
    if (dynamic_cast<const ShutdownError*>(&error) != nullptr) return "shutdown: " + text;
    return text;
  }

  std::shared_ptr<ServerScript> servers[2];
  std::unique_ptr<Node> nodes[2];
  CountingRng rng;
  std::unique_ptr<MovingRoute> route;
  std::vector<std::uint64_t> epochs;
  int waiting = 0;  // echos that have begun

 private:
  static Task<> call_it(std::function<void()>* call) {
    (*call)();
    co_return;
  }

  Runtime runtime_;
};

TEST(MovingRoute, FollowsAndEachPlaceIsAnEpoch) {
  World world;
  world.move(0);
  EXPECT_EQ(world.echo("1").reply, "a:1");
  world.move(1);
  EXPECT_EQ(world.echo("2").reply, "b:2");
  world.move(0);
  EXPECT_EQ(world.echo("3").reply, "a:3");
  EXPECT_EQ(world.servers[0]->connections, 1) << "the node was not left for good";
  EXPECT_EQ(world.epochs, (std::vector<std::uint64_t>{1, 2, 3}));
  world.on_loop([&] {
    EXPECT_EQ(world.route->epoch(), 3U);
    EXPECT_TRUE(world.route->ready());
  });
  world.move(0);
  world.echo("4");
  EXPECT_EQ(world.epochs.size(), 3U) << "the same lane is no move";
}

TEST(MovingRoute, AReconnectOfTheLaneIsAnEpochToo) {
  World world;
  world.move(0);
  world.echo("1");
  world.on_loop([&] { world.route->reconnect(world.route->epoch(), "test"); });
  EXPECT_EQ(world.echo("2").reply, "a:2");
  EXPECT_EQ(world.servers[0]->connections, 2);
  EXPECT_EQ(world.epochs, (std::vector<std::uint64_t>{1, 2}));
  world.on_loop([&] { world.route->reconnect(1, "an old one"); });
  world.echo("3");
  EXPECT_EQ(world.servers[0]->connections, 2);
}

TEST(MovingRoute, WaitsWhereNobodyKnowsWhereToAndSaysWhy) {
  World world;
  world.move(-1, "nobody serves this slot");
  const End late = world.echo("1", 20ms);
  EXPECT_EQ(late.error.rfind("timeout: ", 0), 0U) << late.error;
  EXPECT_NE(late.error.find("nobody serves this slot"), std::string::npos) << late.error;
  End end;
  world.meanwhile({.spawn = [&](runtime::Scope& scope) { world.spawn_echo(scope, "2", &end); },
                   .so_far = [&] { return world.waiting > 0; },
                   .then = [&] { world.route->move_to(&world.lane(1), "found"); }});
  EXPECT_EQ(end.reply, "b:2");
}

TEST(MovingRoute, WhatIsNotWrittenGoesToTheNewNode) {
  World world;
  world.servers[0]->refuse_connections = true;
  world.move(0);
  End plain, script;
  world.meanwhile({.spawn =
                       [&](runtime::Scope& scope) {
                         world.spawn_echo(scope, "1", &plain);
                         world.spawn_eval(scope, &script);
                       },
                   .so_far = [&] { return world.servers[0]->connections > 1; },
                   .then = [&] { world.route->move_to(&world.lane(1), "moved"); }});
  EXPECT_EQ(plain.reply, "b:1");
  EXPECT_EQ(script.reply, "b:x");
  EXPECT_TRUE(world.servers[0]->commands.empty());
}

TEST(MovingRoute, WhatWasWrittenToADroppedNodeHasAnUnknownOutcome) {
  World world;
  world.move(0);
  world.echo("1");
  world.servers[0]->answer = [](const Arguments&) { return std::string(); };
  End written, script;
  world.meanwhile({.spawn =
                       [&](runtime::Scope& scope) {
                         world.spawn_echo(scope, "2", &written);
                         world.spawn_eval(scope, &script);
                       },
                   .so_far = [&] { return world.servers[0]->commands.size() >= 3; },
                   .then =
                       [&] {
                         world.route->move_to(&world.lane(1), "another is master");
                         world.nodes[0]->abandon("it is no master any more");
                       }});
  EXPECT_EQ(written.error.rfind("unknown: ", 0), 0U) << written.error;
  EXPECT_NE(written.error.find("no master any more"), std::string::npos) << written.error;
  EXPECT_EQ(script.error.rfind("unknown: ", 0), 0U) << script.error;
  EXPECT_EQ(world.echo("3").reply, "b:3");
}

TEST(MovingRoute, WhatWaitsAtANodeThatIsDroppedGoesOn) {
  World world;
  world.servers[0]->refuse_connections = true;
  world.move(0);
  End plain, script;
  world.meanwhile({.spawn =
                       [&](runtime::Scope& scope) {
                         world.spawn_echo(scope, "1", &plain);
                         world.spawn_eval(scope, &script);
                       },
                   .so_far = [&] { return world.servers[0]->connections > 1; },
                   .then =
                       [&] {
                         world.route->move_to(nullptr, "nobody knows");
                         world.nodes[0]->abandon("it has gone");
                         world.route->move_to(&world.lane(1), "found");
                       }});
  EXPECT_EQ(plain.reply, "b:1");
  EXPECT_EQ(script.reply, "b:x");
}

TEST(MovingRoute, AnAnswerFromANodeThatOnlyLostTheSlotCounts) {
  World world;
  world.move(0);
  world.echo("1");
  world.servers[0]->answer = [&world](const Arguments& command) {
    world.route->move_to(&world.lane(1), "moved");  // before the answer is there
    return bulk("a:" + command.back());
  };
  EXPECT_EQ(world.echo("2").reply, "a:2");
  EXPECT_EQ(world.echo("3").reply, "b:3");
}

TEST(MovingRoute, WhatIsBoundToAnEpochIsNotSentAfterAMove) {
  World world;
  world.move(0);
  world.echo("1");
  EXPECT_EQ(world.echo("2", 2s, 1).reply, "a:2");
  world.servers[1]->refuse_connections = true;
  world.move(1);
  EXPECT_EQ(world.echo("3", 2s, 1).error.rfind("connection: ", 0), 0U);
  world.servers[1]->refuse_connections = false;
  EXPECT_EQ(world.echo("4").reply, "b:4");
  EXPECT_EQ(world.echo("5", 2s, 1).error.rfind("connection: ", 0), 0U);
  EXPECT_EQ(world.echo("6", 2s, 2).reply, "b:6");
  for (const Arguments& each : world.servers[1]->commands) EXPECT_NE(each.back(), "3");
}

// Whoever has something to put in order is told first, also where the new lane is usable already.
TEST(MovingRoute, CallbacksGoBeforeCommandsThatWait) {
  World world;
  world.move(1);
  world.echo("warm");
  world.move(0);
  world.echo("warm");
  End first, second;
  world.meanwhile({.spawn =
                       [&](runtime::Scope& scope) {
                         world.route->on_epoch([&](std::uint64_t epoch) {
                           world.spawn_echo(scope, "first", &first, epoch);
                         });
                         world.route->move_to(&world.lane(1), "moved");
                         world.spawn_echo(scope, "second", &second);
                       },
                   .so_far = [] { return true; },
                   .then = [] {}});
  EXPECT_EQ(first.reply, "b:first");
  EXPECT_EQ(second.reply, "b:second");
  std::vector<std::string> got;
  for (const Arguments& each : world.servers[1]->commands) got.push_back(each.back());
  EXPECT_EQ(got, (std::vector<std::string>{"warm", "first", "second"}));
}

TEST(MovingRoute, ClosingEndsWhatWaits) {
  World world;
  End end;
  world.meanwhile({.spawn = [&](runtime::Scope& scope) { world.spawn_echo(scope, "1", &end); },
                   .so_far = [&] { return world.waiting > 0; },
                   .then = [&] { world.route->close(); }});
  EXPECT_EQ(end.error.rfind("shutdown: ", 0), 0U) << end.error;
  EXPECT_EQ(world.echo("2").error.rfind("shutdown: ", 0), 0U);
}

TEST(MovingRoute, HasTheClockOfTheNodeThatItLeadsTo) {
  World world;
  world.on_loop([&] { EXPECT_FALSE(world.route->clock().known()); });
  world.move(0);
  world.echo("1");
  world.on_loop([&] { EXPECT_EQ(&world.route->clock(), &world.nodes[0]->clock()); });
  world.move(1);
  world.on_loop([&] { EXPECT_EQ(&world.route->clock(), &world.nodes[1]->clock()); });
}

}  // namespace
}  // namespace mx_rmq::redis
