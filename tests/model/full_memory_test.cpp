// A full Redis refuses new messages and nothing else; a script that finds nothing to do changes
// nothing.
#include <gtest/gtest.h>

#include "fixtures.hpp"

namespace mx_rmq::test {
namespace {

void set_up(ScriptServer& server, Model& model) {
  server.flush();
  for (const ScriptOp& op : fixture()) {
    model.run(op);
    server.run(op);
  }
}

TEST(ScriptFullMemory, RefusesOnlyProduceWhichHasChangedNothing) {
  ScriptServer server;
  std::vector<ScriptOp> calls = all_calls();
  // Each kind of first write a produce can have.
  const EnvelopeText delayed = message(71, 'h', "d");
  const EnvelopeText chosen = message(72, 'h', "chosen", start_ms + 5'000'000);
  calls.push_back(
      at(200, "produce", "p",
         {"90", "1000", "0", "1", "0", "0", "1700000009999", "d", "0", delayed.text()}));
  calls.push_back(at(200, "produce", "p",
                     {"91", "1000", "1", "0", "1", "0", "1", "0", chosen.id,
                      std::to_string(chosen.until), chosen.text()},
                     {"high"}));
  for (const ScriptOp& op : calls) {
    Model model;
    set_up(server, model);
    server.client().command({"CONFIG", "SET", "maxmemory", "1"});
    const Value got = server.run(op);
    server.client().command({"CONFIG", "SET", "maxmemory", "0"});
    Model copy = model;
    if (op.call.script == "produce" && copy.run(op)[1].str() != "stale") {
      EXPECT_TRUE(got.is_error()) << show(op);
      EXPECT_NE(got.text.find("OOM"), std::string::npos) << got.text;
    } else {
      const Value wanted = model.run(op);
      EXPECT_TRUE(same(got, wanted)) << show(op) << "\n" << show(got) << "\n" << show(wanted);
    }
    EXPECT_EQ(difference(server.state(), model.state()), "") << show(op);
  }
}

// A topic at rest: c.0 holds three under a lease that goes on, one is delayed and c.0 keeps its
// alarm, two are dead; y.0 is idle, if anybody is to be.
std::vector<ScriptOp> at_rest(bool idle) {
  std::vector<ScriptOp> out;
  out.push_back(produce_plain(
      0, 1, "normal",
      {message(1).text(), message(2).text(), message(3).text(), message(4).text(), "junk#5#"}));
  out.push_back(claim(0, "c.0", 1, 5, true, 100'000));
  out.push_back(
      at(0, "dead", "c.0", {"c.0", "0", "1.4", "g4", "retries\t", "1.5", "!c.0.1.5", "decode\t"}));
  const EnvelopeText later = message(6, 'h', "later", start_ms + 3'000'000);
  out.push_back(at(1, "produce", "p",
                   {"2", "60000000", "0", "1", "1", "0", std::to_string(start_ms + 50'000),
                    later.id, std::to_string(later.until), later.text()}));
  if (idle) {
    out.push_back(at(2, "listen", "y", {}));
    out.push_back(claim(2, "y.0", 1, 0, true, 1000, "100000", "1"));
  }
  out.push_back(at(2, "answer", "k", {"c.0", "1", "60000000"}));
  out.push_back(claim(2, "c.0", 2, 0, false));
  out.push_back(at(2, "snapshot", "", {"480", "1008"}));
  return out;
}

TEST(ScriptIdle, FindingNothingToDoChangesNothing) {
  const std::string due = std::to_string(start_ms + 50'000);
  std::vector<ScriptOp> calls{
      claim(10, "c.0", 3, 5, false),
      claim(10, "c.0", 3, 0, false),
      claim(10, "x.0", 1, 5, true),
      at(10, "claim", "c.0", {"5", "c.0", "1000", "100", "3", "0", "100000", "4", due}),
      claim(10, "x.0", 1, 5, false),  // lost
      claim(10, "y.0", 2, 5, true, 1000, "100000", "1", "1"),
      at(10, "pass", "", {"y.0", "1"}),
      at(10, "unlist", "", {"x.0"}),
      at(10, "suspect", "c.0", {"c.0", "1000", "3", "0"}),
      at(10, "suspect", "x.0", {"x.0", "1000", "1", "0"}),
      at(10, "produce", "p", {"2", "60000000", "1", "0", "0", "1", message(9).text()}, {"high"}),
      at(10, "produce", "p", {"1", "60000000", "1", "0", "0", "1", message(9).text()}, {"high"}),
      at(10, "ack", "c.0", {"c.0", "completed", "", "1", "7.1", "later", "1", "7.2"}),
      at(10, "retry", "c.0", {"c.0", "7.1", "10", "a", "1", "x"}),
      at(10, "dead", "c.0", {"c.0", "1", "7.1", "a", "retries\t"}),
      at(10, "release", "c.0", {"c.0", "7.1", "0", ""}),
      at(10, "tend", "x.0", {"x.0", "1000", "3", "10", "1000", "1.1"}),
      at(10, "reap", "c.0", {"c.0", "10", "1000", "200000", "1"}),
      at(10, "reap", "x.0", {"x.0", "10", "1000", "200000", "1"}),
      at(10, "sweep", "", {"c.0", "1", "100", "1000", "dead", "200000", "1"}),
      at(10, "leave", "x.0", {"x.0", "0"}),
      at(10, "leave", "c.0", {"c.0", "77"}),
      at(10, "cancel", "", {"nowhere"}),
      at(10, "cancel_page", "", {"nowhere", "0", "1000", "1000"}, {"high"}),
      at(10, "requeue", "", {"nobody"}),
      at(10, "requeue", "", {"!c.0.1.5"}),
      at(10, "requeue_all", "", {std::to_string(start_ms - 1), "0", "10", "1000"}),
      at(10, "dlq_remove", "", {"nobody"}),
      at(10, "dlq_purge", "", {std::to_string(start_ms - 1), "10", "1000"}),
      at(10, "dlq_list", "", {"0", "10", "1000"}),
      at(10, "dlq_get", "", {"g4"}),
      at(10, "promote", "", {"nobody", "nowhere"}),
      at(10, "reschedule", "", {"nobody", "5", "h"}),
      at(10, "displace", "", {"nobody", "0", "9", "1000", "5"}, {"normal", "delayed"}),
      at(10, "purge_list", "", {"0", "0", "9", "1000"}, {"normal"}),
      at(10, "purge_delayed", "", {std::to_string(start_ms - 1), "0", "9", "1000"}),
      at(10, "look_list", "", {"1", "0", "10", "1000", "10", "5", "", "0"}, {"normal"}),
      at(10, "look_index", "", {"0", "0", "10", "1000", "10", "1", "5", "", "0"}, {"dlq"}),
      at(10, "look_held", "c.0", {"c.0", "1000", "10", "5", "", "0", "1.1", "7.1"}),
      at(10, "stats", "", {"10"}),
      at(10, "snapshot", "", {"480", "1008"}),
      at(10, "settings", "", {}),
      at(10, "configure", "", {"-1", "0", "partitions", "1"}),
      at(10, "configure", "", {"7", "1", "partitions", "5"}),
      at(10, "configure", "", {"-1", "0", "partitions", "2", "active", "3"}),
      at(10, "copy_settings", "", {"0", "partitions", "1", "active", "1", "ids_active", "1"}),
      at(10, "raise_ids", "", {"7", "2", "0"}),
      at(10, "produce", "p", {"3", "1000", "1", "0", "0", "1", message(9).text(), "7"}, {"high"},
         {"settings"}),
      at(10, "ask", "k", {"q k paused 1", "0", "100"}),
      at(10, "answer", "k", {"c.0", "0", "60000000"}),
      at(10, "forget", "", {"100"}),
      at(10, "audit", "", {"100", "c.0"}, {}, {"c.0"})};
  ScriptServer server;
  const auto changes = [&] {
    const std::string info = server.client().command({"INFO", "persistence"}).str();
    return info.substr(info.find("rdb_changes_since_last_save:"), 60).substr(0, 45);
  };
  std::set<std::string> seen;
  for (const ScriptOp& op : calls) {
    server.flush();
    // A batch that comes again wakes who is idle: it may be that the first copy did not.
    for (const ScriptOp& each : at_rest(op.call.script != "produce")) server.run(each);
    const State before = server.state();
    const std::string counted = changes();
    ASSERT_FALSE(server.run(op).is_error()) << show(op);
    EXPECT_EQ(changes(), counted) << show(op);
    EXPECT_EQ(difference(server.state(), before), "") << show(op);
    seen.insert(op.call.script);
  }
  EXPECT_EQ(seen.size(), script_sources().size());
}

}  // namespace
}  // namespace mx_rmq::test
