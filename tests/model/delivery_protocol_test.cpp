// Claim numbers, tend, incarnations and reap together: nothing is lost, stranded or orphaned,
// whatever is lost on the way, executed late or rolled back; and each part is needed.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "delivery_sim.hpp"

namespace mx_rmq::test {
namespace {

TEST(DeliveryProtocol, LosesStrandsAndOrphansNothing) {
  ScriptServer server;
  const char* const wanted = std::getenv("MX_RMQ_DELIVERY_RUNS");
  const std::uint64_t runs = wanted == nullptr ? (sanitized ? 20 : 120) : std::stoull(wanted);
  int rollbacks = 0;
  int lapses = 0;
  std::size_t handled = 0;
  for (std::uint64_t seed = 1; seed <= runs; ++seed) {
    const DeliveryResult r = simulate_delivery(server, seed, 500, ClientBug::none);
    ASSERT_EQ(r.faults(), "") << "seed " << seed;
    rollbacks += r.rollbacks;
    lapses += r.lapses;
    handled += r.handled;
  }
  EXPECT_GT(rollbacks, static_cast<int>(runs) / 2);
  EXPECT_GT(lapses, static_cast<int>(runs));
  EXPECT_GT(handled, runs * 10);
}

struct Wrong {
  const char* name;
  ClientBug bug;
  std::optional<Mutation> mutation;
};

TEST(DeliveryProtocol, NeedsEachOfItsParts) {
  const std::vector<Wrong> wrongs{
      {"tags numbered by the server", ClientBug::none,
       Mutation{"server tags", "claim", "ARGV[5] .. '.' .. n",
                "redis.call('HINCRBY', KEYS[10], 'tag', 1) .. '.0'"}},
      {"give-back ignores claim numbers", ClientBug::none,
       Mutation{"give-back", "tend", "if c <= last then", "if true then"}},
      {"settle ignores registration", ClientBug::none,
       Mutation{"settle", "ack", "if not score or tonumber(score) <= 0 then", "if false then"}},
      {"no dead mark in reap", ClientBug::none,
       Mutation{"mark", "reap", "if score ~= 0 then redis.call('ZADD', KEYS[2], 0, ARGV[1]) end",
                ""}},
      {"a claim is sent again", ClientBug::resend_claims, {}},
      {"the same name after lost", ClientBug::keep_name_after_lost, {}},
  };
  ScriptServer server;
  for (const Wrong& each : wrongs) {
    server.load(each.mutation);
    std::uint64_t seed = 1;
    std::string what;
    for (; seed <= 200 && what.empty(); ++seed) {
      what = simulate_delivery(server, seed, 500, each.bug).faults();
    }
    EXPECT_NE(what, "") << "not found: " << each.name;
    std::printf("%-34s seed %3llu: %s\n", each.name, static_cast<unsigned long long>(seed - 1),
                what.c_str());
  }
}

}  // namespace
}  // namespace mx_rmq::test
