// E6: each script, while its slot moves, with its keys on the two nodes in every way there is.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "support/redis_cluster.hpp"

namespace mx_rmq::test {
namespace {

using Strings = std::vector<std::string>;

// How many writes a server has done so far.
std::int64_t writes(RedisClient& client) {
  const std::string info = client.command({"INFO", "persistence"}).str();
  const std::string name = "rdb_changes_since_last_save:";
  return std::stoll(info.substr(info.find(name) + name.size()));
}

// The fixture's topic at node 0, on its way to node 1.
class Split {
 public:
  Split()
      : cluster_(two_masters()),
        source_(cluster_.node(0).connect()),
        target_(cluster_.node(1).connect()) {
    const int slot = RedisCluster::slot(key(fixture_topic, "idle"));
    // Wherever it is at first.
    const std::size_t owner = cluster_.first_owner(key(fixture_topic, "idle"));
    if (owner != 0) cluster_.move_slot(slot, owner, 0);
    slot_ = std::to_string(slot);
    for (RedisClient* each : {&source_, &target_}) {
      scripts_.emplace_back(*each, LoadedScripts::Kind::instrumented);
    }
    ids_[0] = cluster_.id(0);
    ids_[1] = cluster_.id(1);
  }

  // The fixture anew, all of it at the source, and the slot about to go.
  void set_up() {
    settle();
    source_.command({"FLUSHALL"});
    target_.command({"FLUSHALL"});
    for (const ScriptOp& op : fixture()) {
      if (op.call.script == "listen" || op.call.script == "unlisten") continue;
      const Value got = call(source_, 0, op);
      ASSERT_FALSE(got.is_error()) << show(op) << got.text;
    }
    target_.command({"CLUSTER", "SETSLOT", slot_, "IMPORTING", ids_[0]});
    source_.command({"CLUSTER", "SETSLOT", slot_, "MIGRATING", ids_[1]});
  }
  void settle() {
    for (RedisClient* each : {&source_, &target_}) {
      each->command({"CLUSTER", "SETSLOT", slot_, "STABLE"});
    }
  }
  void move(const std::string& which, bool to_target) {
    RedisClient& from = to_target ? source_ : target_;
    const int port = cluster_.node(to_target ? 1 : 0).port();
    // Who gives the slot away does not take a key of it.
    if (!to_target) source_.command({"CLUSTER", "SETSLOT", slot_, "STABLE"});
    from.command({"MIGRATE", "127.0.0.1", std::to_string(port), which, "0", "10000"});
    if (!to_target) source_.command({"CLUSTER", "SETSLOT", slot_, "MIGRATING", ids_[1]});
  }
  // One that is not here is looked for elsewhere.
  bool is_here(const std::string& which) {
    return !source_.try_command({"EXISTS", which}).is_error();
  }
  Value at_source(const ScriptOp& op) { return call(source_, 0, op); }
  Value at_target(const ScriptOp& op) {
    target_.command({"ASKING"});
    return call(target_, 1, op);
  }
  std::int64_t written() { return writes(source_) + writes(target_); }

 private:
  static ClusterOptions two_masters() {
    ClusterOptions options;
    options.masters = 2;
    return options;
  }
  Value call(RedisClient& client, std::size_t node, const ScriptOp& op) {
    const std::string sha = is_script(op.call.script) ? scripts_[node].sha(op.call.script) : "";
    return client.try_command(command_of(op.call, sha, op.now_us));
  }

  RedisCluster cluster_;
  RedisClient source_, target_;
  std::string slot_;
  std::string ids_[2];
  std::vector<LoadedScripts> scripts_;
};

bool sent_away(const Value& reply) {
  return reply.is_error() && (reply.text.starts_with("TRYAGAIN") || reply.text.starts_with("ASK "));
}

struct Seen {
  long placements = 0, refused = 0, done = 0;
  std::set<std::string> scripts;
};

// One call, at both ends as a client would: done, or refused and nothing written.
void try_it(Split& split, const ScriptOp& op, Seen& seen, bool* done) {
  const std::int64_t before = split.written();
  Value reply = split.at_source(op);
  if (reply.is_error() && reply.text.starts_with("ASK ")) reply = split.at_target(op);
  *done = !reply.is_error();
  if (*done) {
    ++seen.done;
    seen.scripts.insert(op.call.script);
    return;
  }
  EXPECT_TRUE(sent_away(reply)) << show(op) << "\n" << reply.text;
  EXPECT_EQ(split.written(), before) << show(op) << "\n" << reply.text;
  ++seen.refused;
}

// From one placement to the next a single key moves (a Gray code).
void try_all_placements(Split& split, const ScriptOp& op, Seen& seen) {
  split.set_up();
  Strings keys;
  for (const std::string& each : keys_of(op.call)) {
    if (split.is_here(each)) keys.push_back(each);
  }
  std::vector<bool> gone(keys.size(), false);
  for (unsigned long step = 0; step < 1UL << keys.size(); ++step) {
    if (step > 0) {
      const auto which = static_cast<std::size_t>(__builtin_ctzl(step));
      gone[which] = !gone[which];
      split.move(keys[which], gone[which]);
    }
    ++seen.placements;
    bool done = false;
    try_it(split, op, seen, &done);
    if (::testing::Test::HasFailure()) return;
    if (!done) continue;
    // It has changed things: the same placement again, of the fixture as it was.
    split.set_up();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (gone[i]) split.move(keys[i], true);
    }
  }
}

TEST(NightlyE, E6_each_script_with_its_keys_on_two_nodes_in_every_way) {
  Split split;
  Seen seen;
  for (const ScriptOp& op : all_calls()) {
    try_all_placements(split, op, seen);
    if (HasFailure()) return;
  }
  split.settle();
  std::printf("    %ld placements: %ld refused, %ld done, of %zu scripts\n", seen.placements,
              seen.refused, seen.done, seen.scripts.size());
  EXPECT_GT(seen.refused, 1000);
  // While a slot moves, only what names no key that is missing is ever done.
  EXPECT_GE(seen.scripts.size(), 5U);
}

}  // namespace
}  // namespace mx_rmq::test
