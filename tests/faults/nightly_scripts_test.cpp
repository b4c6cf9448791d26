// What a server makes of an append-only file that ends anywhere in what the scripts wrote.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench.hpp"
#include "faults/arena.hpp"
#include "faults/stored.hpp"
#include "world.hpp"

namespace mx_rmq::faults {
namespace {

using test::Model;
using test::ScriptServer;
using test::State;
using test::World;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

bool every_byte() {
  const char* const value = std::getenv("MX_RMQ_FAULTS_EVERY_BYTE");
  return value != nullptr && *value == '1';
}

// What a server had after an operation, and how long its append-only file was.
struct Moment {
  std::size_t size = 0;
  State state;
  std::string wrong;  // what audits found
};

std::string audits(test::RedisClient& client) {
  std::string wrong;
  for (const char* topic : {"a", "b.b"}) {
    const Audited audited = audit_topic(client, topic);
    wrong += audited.done ? audited.wrong : std::string(topic) + ": not audited";
  }
  return wrong;
}

// The state after each of the operations of a random client; only those that wrote.
std::vector<Moment> trace(ScriptServer& server, std::uint64_t seed, int ops) {
  Model model;
  World world(seed, model);
  std::vector<Moment> moments;
  for (int i = 0; i < ops; ++i) {
    const test::ScriptOp op = world.next();
    server.run(op);
    world.reply(model.run(op));
    const std::size_t size = read_file(append_only_file(server.server().directory())).size();
    if (!moments.empty() && moments.back().size == size) continue;
    moments.push_back({size, server.state(), audits(server.client())});
    EXPECT_EQ(test::difference(moments.back().state, model.state()), "") << show(op);
  }
  return moments;
}

TEST(NightlyA, A6_an_append_only_file_that_ends_anywhere_gives_a_state_between_two_scripts) {
  test::RedisOptions options;
  options.appendonly = true;
  options.appendfsync = "always";
  options.config = {"auto-aof-rewrite-percentage 0"};
  const std::uint64_t seed = seed_of_run();
  std::cout << "A6: seed " << seed << std::endl;
  int starts = 0;
  int between = 0;  // cuts inside what one script wrote
  for (std::uint64_t turn = 0; turn < 3; ++turn) {
    ScriptServer server(options);
    const std::vector<Moment> moments = trace(server, seed + turn, 50);
    ASSERT_GT(moments.size(), 10U);
    server.server().kill9();
    const std::string file = append_only_file(server.server().directory());
    const std::string whole = read_file(file);
    ASSERT_EQ(whole.size(), moments.back().size);
    std::cout << "    the last " << whole.size() - moments[moments.size() - 6].size << " of "
              << whole.size() << " bytes" << std::endl;
    for (std::size_t cut = moments[moments.size() - 6].size; cut <= whole.size();
         cut += every_byte() ? 1 : 7) {
      write_file(file, whole.substr(0, cut));
      // A defect of the servers, see docs/reliability.md: else what follows would be appended to
      // it.
      drop_unfinished_script(server.server().directory());
      server.server().restart();
      const auto found =
          std::upper_bound(moments.begin(), moments.end(), cut,
                           [](std::size_t size, const Moment& each) { return size < each.size; });
      const Moment& expected = *std::prev(found);
      between += expected.size != cut;
      server.reconnect();
      EXPECT_EQ(test::difference(server.state(), expected.state), "") << "cut at " << cut;
      EXPECT_EQ(audits(server.client()), expected.wrong) << "cut at " << cut;
      server.server().kill9();
      ++starts;
      if (HasFailure()) return;
    }
  }
  std::printf("    %d starts, %d of them from a cut inside what one script wrote\n", starts,
              between);
  EXPECT_GT(between, 30);
}

}  // namespace
}  // namespace mx_rmq::faults
