// Connections that are cut, silenced, sliced and spoiled at any byte of what passes over them. One
// process, so that sanitizers see it. MX_RMQ_FAULTS_EVERY_BYTE=1 cuts at each byte instead of some.
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>

#include "faults/programs/program.hpp"
#include "faults/support.hpp"
#include "runtime/frames.hpp"
#include "support/build_kind.hpp"
#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::faults {
namespace {

using namespace test;

// What passed over one connection of an exchange that nobody spoiled.
struct Passed {
  std::uint64_t to_server = 0;
  std::uint64_t to_client = 0;
  std::uint64_t replies = 0;
  std::uint64_t setup_replies = 0;
  std::uint64_t setup = 0;  // bytes of to_server that sign in and load scripts
};

// Where a connection is to be spoiled.
struct Spot {
  std::uint64_t connection = 0;
  Direction direction = Direction::to_server;
  std::uint64_t at = 0;
};

std::string text_of(const Spot& spot) {
  return "connection " + std::to_string(spot.connection) +
         (spot.direction == Direction::to_server ? ", byte sent " : ", byte received ") +
         std::to_string(spot.at);
}

class FaultsF : public QueueTest {
 protected:
  static std::string proxy_path() { return server().directory() + "/proxy.sock"; }
  static MQConfig via(const FaultProxy& proxy) {
    MQConfig config = quick_config(proxy.url());
    config.connection_pool_size = 3;
    config.retry_delays = {1ms};
    config.reconnect_backoff_min = 1ms;
    config.reconnect_backoff_max = 20ms;
    config.produce_timeout = 20s;
    return config;
  }
  // Every kind of call: one message alone, one with a chosen id, a batch with one that is retried,
  // one that is rejected, one that is delayed, one that extends its lease; then the end. However
  // the connections fare, each call succeeds, each message runs as often as it should, nothing is
  // left.
  static void exchange(FaultProxy& proxy, const MQConfig& config) {
    server().command({"FLUSHALL"});
    const auto journal = std::make_shared<Journal>();
    RedisMessageQueue queue(config);
    queue.register_handler("t", [journal](const json& payload, Context& context) -> Task<> {
      journal->add(context);
      if (payload == "long") {
        auto extended = context.extend(1min);
        co_await std::move(extended);
      }
      if (payload == "rejected") throw Reject("no");
      if (payload == "fails once" && context.attempt() == 1) throw std::runtime_error("once");
    });
    const std::string error = thrown_by([&] {
      sync_wait(queue.produce("t", "plain"));
      EXPECT_EQ(sync_wait(queue.produce("t", "chosen", ProduceOptions{}.message_id("mine"))),
                "mine");
      // Where the set-up of a connection falls silent the first try may end at connect_timeout.
      const std::string first = thrown_by([&] { start(queue); });
      if (!first.empty()) start(queue);
      std::vector<OutgoingMessage> messages;
      messages.emplace_back("t", "fails once");
      messages.emplace_back("t", "rejected");
      messages.emplace_back("t", "delayed", ProduceOptions{}.delay(1ms));
      messages.emplace_back("t", "long");
      EXPECT_EQ(sync_wait(queue.produce_batch(std::move(messages))).size(), 4u);
    });
    EXPECT_EQ(error, "");
    EXPECT_TRUE(wait_for(
        patience,
        [] { return stat(server(), "t", "completed") + stat(server(), "t", "dead") == 6; }, 1ms));
    stop(queue);
    sync_wait(queue.cleanup());
    EXPECT_EQ(journal->size(), 7u) << "each once, and one twice";
    EXPECT_EQ(stat(server(), "t", "completed"), 5);
    EXPECT_EQ(stat(server(), "t", "dead"), 1);
    EXPECT_EQ(stat(server(), "t", "recovered"), 0);
    EXPECT_EQ(stat(server(), "t", "produced"), 6);
    EXPECT_TRUE(sound(audit(server(), "t")));
    EXPECT_TRUE(drained(server(), "t"));
    proxy.heal();
  }
  // The connections of an exchange, and how much passed over each.
  static std::map<std::uint64_t, Passed> measure() {
    FaultProxy proxy(server().socket_path(), proxy_path());
    std::mutex mutex;
    std::map<std::uint64_t, Passed> passed;
    proxy.judge_commands([&](const SeenCommand& seen) {
      std::uint64_t size = 3 + std::to_string(seen.arguments.size()).size();
      for (const auto& each : seen.arguments)
        size += 5 + std::to_string(each.size()).size() + each.size();
      const std::lock_guard lock(mutex);
      Passed& here = passed[seen.connection];
      here.to_server += size;
      if (seen.script.empty() && seen.arguments[0] != "SUBSCRIBE") here.setup = here.to_server;
      return CommandFate::pass;
    });
    proxy.judge_replies([&](const SeenCommand& seen, std::string_view reply) {
      const std::lock_guard lock(mutex);
      Passed& here = passed[seen.connection];
      here.to_client += reply.size();
      ++here.replies;
      if (seen.script.empty() && seen.arguments[0] != "SUBSCRIBE")
        here.setup_replies = here.replies;
      return ReplyFate::pass;
    });
    exchange(proxy, via(proxy));
    const std::lock_guard lock(mutex);
    return passed;
  }
  // `most` spots, evenly over all that passes; of what loads scripts fewer. Another choice each
  // run.
  static std::vector<Spot> spots(std::size_t most, Dice& dice) {
    constexpr std::uint64_t every_of_setup = 50;
    std::vector<Spot> all;
    for (const auto& [connection, passed] : measure()) {
      for (std::uint64_t at = 0; at < passed.to_server; ++at)
        if (at >= passed.setup || at % every_of_setup == 0)
          all.push_back({connection, Direction::to_server, at});
      for (std::uint64_t at = 0; at < passed.to_client; ++at)
        all.push_back({connection, Direction::to_client, at});
    }
    EXPECT_GT(all.size(), 1000u) << "the exchange is larger than that";
    const char* const every = std::getenv("MX_RMQ_FAULTS_EVERY_BYTE");
    if ((every != nullptr && *every != '\0') || all.size() <= most) return all;
    std::vector<Spot> some;
    for (std::size_t i = 0; i < most; ++i) {
      const std::size_t from = all.size() * i / most;
      const std::size_t to = all.size() * (i + 1) / most;
      some.push_back(all[from + dice.next() % (to - from)]);
    }
    return some;
  }
  // An exchange for each spot, with the fault there; tells how many of the faults happened.
  static std::size_t exchange_at(const std::vector<Spot>& spots, ByteFault fault,
                                 std::chrono::milliseconds timeout = {}) {
    std::size_t happened = 0;
    const std::int64_t frames = runtime::live_frames();
    for (const Spot& spot : spots) {
      SCOPED_TRACE(text_of(spot));
      fault.direction = spot.direction;
      fault.at = spot.at;
      FaultProxy proxy(server().socket_path(), proxy_path());
      proxy.plan([&](std::uint64_t connection) {
        return connection == spot.connection ? std::optional(fault) : std::nullopt;
      });
      MQConfig config = via(proxy);
      if (timeout > 0ms) {
        config.command_timeout = timeout;
        config.connect_timeout = 3 * timeout;
        config.shutdown_timeout = 1s;
      }
      exchange(proxy, config);
      happened += proxy.counts().spoiled;
      if (HasFailure()) break;
    }
    EXPECT_TRUE(wait_for(patience, [&] { return runtime::live_frames() == frames; }))
        << runtime::live_frames() - frames << " coroutines more: somebody waits for ever";
    return happened;
  }
  // `most` replies, counted on their connections; of those to what loads scripts fewer.
  std::vector<Spot> replies(std::size_t most) {
    constexpr std::uint64_t every_of_setup = 10;
    std::vector<Spot> all;
    for (const auto& [connection, passed] : measure())
      for (std::uint64_t at = 0; at < passed.replies; ++at)
        if (at >= passed.setup_replies || at % every_of_setup == 0)
          all.push_back({connection, Direction::to_client, at});
    std::vector<Spot> some;
    while (!all.empty() && some.size() < most) {
      const auto picked = static_cast<std::ptrdiff_t>(dice_.next() % all.size());
      some.push_back(all[static_cast<std::size_t>(picked)]);
      all.erase(all.begin() + picked);
    }
    return some;
  }
  // A queue with the fault at each spot: its calls end, by an error of the library's if they fail;
  // what it has acknowledged is handled, by another one if need be, which works beside it. Tells
  // how many of the faults happened.
  std::size_t withstand(const std::vector<Spot>& spots, ByteFault fault) {
    std::size_t happened = 0;
    const std::int64_t frames = runtime::live_frames();
    for (const Spot& spot : spots) {
      SCOPED_TRACE(text_of(spot));
      server().command({"FLUSHALL"});
      FaultProxy proxy(server().socket_path(), proxy_path());
      fault.direction = spot.direction;
      fault.at = spot.at;
      fault.bit = static_cast<int>(dice_.next() % 8);
      proxy.plan([&](std::uint64_t connection) {
        return connection == spot.connection ? std::optional(fault) : std::nullopt;
      });
      const auto journal = std::make_shared<Journal>();
      Strings acknowledged = hasty_calls(via(proxy), journal);
      happened += proxy.counts().spoiled;
      RedisMessageQueue other(config());
      other.register_handler("t", recorder(journal));
      start(other);
      // A wrong bit may be in what was acknowledged.
      if (fault.what == ByteFault::What::flip) acknowledged.clear();
      acknowledged.push_back(produce(other, "t", 1));
      for (const auto& id : acknowledged)
        EXPECT_TRUE(wait_for(patience, [&] { return journal->count(id) > 0; })) << id;
      stop(other);
      if (HasFailure()) break;
    }
    EXPECT_TRUE(wait_for(patience, [&] { return runtime::live_frames() == frames; }))
        << runtime::live_frames() - frames << " coroutines more";
    return happened;
  }
  // Starts, produces, waits for as much as comes at once, stops. The ids that produce() has
  // returned.
  static Strings hasty_calls(MQConfig hasty, const std::shared_ptr<Journal>& journal) {
    hasty.command_timeout = 300ms;
    hasty.produce_timeout = 1s;
    hasty.connect_timeout = 1s;
    hasty.shutdown_timeout = 500ms;
    hasty.lease = 1s;  // for what it leaves behind
    const auto began = WaitClock::now();
    Strings acknowledged;
    RedisMessageQueue queue(hasty);
    queue.register_handler("t", recorder(journal));
    const auto call = [&](const std::function<void()>& action) {
      try {
        action();
      } catch (const Error&) {
      }
    };
    const auto send = [&](const char* payload, ProduceOptions options) {
      acknowledged.push_back(produce(queue, "t", payload, std::move(options)));
    };
    call([&] { send("plain", ProduceOptions{}); });
    call([&] { start(queue); });
    call([&] { send("chosen", ProduceOptions{}.message_id("mine")); });
    call([&] { send("delayed", ProduceOptions{}.delay(1ms)); });
    journal->wait_size(2, 300ms);  // as far as it gets
    stop(queue);
    sync_wait(queue.cleanup());
    EXPECT_LT(WaitClock::now() - began, 60s);
    return acknowledged;
  }
  // A sanitizer makes all of it ten times as slow.
  static std::size_t some(std::size_t all) { return optimized ? all : all / 10; }

  const std::uint64_t seed_ = std::random_device{}();
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  Dice dice_{seed_};
};

class Cut : public FaultsF, public ::testing::WithParamInterface<End> {};

TEST_P(Cut, F2_at_any_byte_each_call_ends_once_and_well) {
  ByteFault fault;
  fault.what = ByteFault::What::end;
  fault.how = GetParam();
  const auto where = spots(some(300), dice_);
  const std::size_t happened = exchange_at(where, fault);
  // Connections carry a little more or less each time.
  EXPECT_GT(happened, where.size() / 2);
}

INSTANTIATE_TEST_SUITE_P(FaultsF, Cut,
                         ::testing::Values(End::fin, End::half_to_server, End::half_to_client),
                         [](const auto& each) {
                           return each.param == End::fin              ? "both_ways"
                                  : each.param == End::half_to_server ? "to_the_server"
                                                                      : "to_the_client";
                         });

TEST_F(FaultsF, F2_F6_silent_from_any_byte_on_the_connection_is_left_and_each_call_ends_well) {
  ByteFault fault;
  fault.what = ByteFault::What::stall;
  const auto where = spots(optimized ? 12 : 3, dice_);
  const std::size_t happened = exchange_at(where, fault, 300ms);
  EXPECT_GT(happened, where.size() / 3);
}

TEST_F(FaultsF, F3_in_pieces_of_one_byte_everything_is_the_same) {
  FaultProxy proxy(server().socket_path(), proxy_path());
  proxy.slice(1);
  exchange(proxy, via(proxy));
}

TEST_F(FaultsF, F3_late_and_in_pieces_everything_is_the_same) {
  FaultProxy proxy(server().socket_path(), proxy_path());
  proxy.slice(701);
  proxy.delay(0ms, 20ms);
  for (int i = 0; i < 3; ++i) {
    exchange(proxy, via(proxy));
    proxy.slice(701);
    proxy.delay(0ms, 20ms);
  }
}

// A wrong bit may be a wrong payload or a wrong time, which nobody can know: what is promised is
// that nothing crashes, hangs or grows, and that a queue beside it works.
TEST_F(FaultsF, F4_a_wrong_bit_in_a_reply_ends_nothing_but_what_it_hits) {
  std::vector<Spot> where;
  for (const Spot& each : spots(some(200), dice_))
    if (each.direction == Direction::to_client) where.push_back(each);
  ByteFault fault;
  fault.what = ByteFault::What::flip;
  EXPECT_GT(withstand(where, fault), where.size() / 3);
}

// What carries RESP neither repeats nor drops a reply; where something does, replies have no number
// by which it would show, but nothing that was acknowledged is lost.
TEST_F(FaultsF, F5_a_reply_that_comes_twice_ends_nothing_but_what_it_hits) {
  ByteFault fault;
  fault.what = ByteFault::What::duplicate;
  fault.frames = true;
  EXPECT_GT(withstand(replies(optimized ? 60 : 10), fault), 3u);
}

TEST_F(FaultsF, F5_a_reply_that_never_comes_ends_nothing_but_what_it_hits) {
  ByteFault fault;
  fault.what = ByteFault::What::drop;
  fault.frames = true;
  EXPECT_GT(withstand(replies(optimized ? 20 : 10), fault), 3u);
}

}  // namespace
}  // namespace mx_rmq::faults
