// An error at any call inside a script: a copy of every message remains, and what the protocol does
// then loses nothing.
#include <gtest/gtest.h>

#include <cstdio>

#include "fixtures.hpp"
#include "mutants.hpp"

namespace mx_rmq::test {
namespace {

std::set<std::string> marks_of(const State& state) {
  std::set<std::string> out;
  for (const auto& [mark, where] : places(state)) out.insert(mark);
  return out;
}

// What the client does after an error from inside a script: tend for a claim or a settle, then the
// call again.
void heal(ScriptServer& server, const ScriptOp& op) {
  const std::string& script = op.call.script;
  const bool claimed = script == "claim" || script == "suspect";
  const bool settles =
      script == "ack" || script == "retry" || script == "dead" || script == "release";
  if (claimed || settles) {
    const std::string number = script == "claim"     ? op.call.argv[4]
                               : script == "suspect" ? op.call.argv[2]
                                                     : "3";
    ScriptOp tend = at(300, "tend", op.call.who, {op.call.who, "100000", number, "100", "100000"});
    if (op.call.who == "c.0") tend.call.argv.insert(tend.call.argv.end(), {"1.1", "1.2", "1.3"});
    server.run(tend);
  }
  if (!claimed) {
    ScriptOp again = op;
    again.now_us += 200'000;
    server.run(again);
  }
}

// Everything falls due and lapses; one consumer takes all. The marks of what it got and of what is
// dead.
std::set<std::string> drain(ScriptServer& server, std::string& trouble) {
  const std::int64_t late = 900'000;
  for (int round = 0; round < 50; ++round) {
    const Value stats = server.run(at(late, "stats", "", {"10"}));
    if (stats[7].num() == 0) break;
    const std::string who = stats.elements[stats.elements.size() - 2].str();
    server.run(at(late, "reap", who, {who, "2", "100000", "100000", "0"}));
  }
  for (int i = 1; i <= 40; ++i) {
    server.run(claim(late, "z.0", 2 * i, 10, i == 1, 10'000));
    server.run(at(late, "suspect", "z.0",
                  {"z.0", "10000", std::to_string(2 * i + 1), i == 1 ? "1" : "0"}));
  }
  const State state = server.state();
  std::set<std::string> out;
  for (const auto& [name, row] : state) {
    const bool mine = name == key(fixture_topic, "processing:z.0");
    if (!mine && name.find("}:processing:") != std::string::npos)
      trouble += name + " is an orphan\n";
    if (name.find("}:ready:") != std::string::npos) trouble += name + " is not empty\n";
    if (name == key(fixture_topic, "delayed")) trouble += name + " is not empty\n";
    if (mine || name == key(fixture_topic, "dlq:data")) {
      for (const std::string& each : row) out.insert(mark_of(each));
    }
  }
  return out;
}

// Runs `op` on the fixture with an error at its k-th call. False in `hit` if it has fewer calls.
std::string violation(ScriptServer& server, const ScriptOp& op, int k, bool& hit) {
  server.flush();
  Model model;
  for (const ScriptOp& each : fixture()) {
    server.run(each);
    model.run(each);
  }
  std::set<std::string> expected = marks_of(server.state());
  const Value got = server.run(op, k);
  hit = got.is_error();
  if (!hit) return {};
  if (got.text.find("injected at call") == std::string::npos)
    return "unexpected error: " + got.text;
  model.run(op);
  std::set<std::string> may_go;  // by the user's word
  for (const auto& [name, t] : model.topics()) {
    for (const std::string& each : t.ended) may_go.insert(mark_of(each));
    if (!t.ended.empty() && op.call.script != "ack") {
      // A cap at work: the second run may drop what the first one had added.
      for (const auto& [member, each] : t.dead_data) may_go.insert(mark_of(each));
    }
  }
  std::string out;
  const auto check = [&](const std::set<std::string>& have, const char* when) {
    for (const std::string& mark : expected) {
      if (!have.contains(mark) && !may_go.contains(mark))
        out += "message " + mark + " is lost " + when + "\n";
    }
  };
  check(marks_of(server.state()), "by the error");
  heal(server, op);
  // What a produce was to add is there once it has been sent again.
  for (const auto& [mark, where] : places(model.state())) expected.insert(mark);
  check(marks_of(server.state()), "when the call was made again");
  check(drain(server, out), "in the end");
  return out;
}

// All calls, all k; the number of errors injected.
std::string all_violations(ScriptServer& server, const std::string& only_script, int& injected) {
  std::string out;
  for (const ScriptOp& op : writing_calls()) {
    if (!only_script.empty() && op.call.script != only_script) continue;
    // A call that is allowed to fail (to publish) is no error of the script.
    for (int k = 1, without = 0; k < 1000 && without < 12; ++k) {
      bool hit = false;
      const std::string wrong = violation(server, op, k, hit);
      if (!wrong.empty()) out += show(op) + ", call " + std::to_string(k) + ":\n" + wrong;
      without = hit ? 0 : without + 1;
      injected += hit ? 1 : 0;
    }
  }
  return out;
}

TEST(ScriptKthCall, AnErrorAtAnyCallLosesNothing) {
  ScriptServer server;
  int injected = 0;
  EXPECT_EQ(all_violations(server, "", injected), "");
  EXPECT_GT(injected, 250);
  RecordProperty("injected", injected);
}

// Nothing can be lost of a topic without messages; what an error leaves of it the next call
// removes.
TEST(ScriptKthCall, ATopicThatWasHalfForgottenIsForgottenByTheNextCall) {
  ScriptServer server;
  const ScriptOp forget = at(20, "forget", "", {"10"});
  int injected = 0;
  int without = 0;  // to publish is allowed to fail, and that is no error of the script
  for (int k = 1; k < 100 && without < 2; ++k) {
    server.flush();
    const EnvelopeText chosen = message(2, 'n', "chosen", start_ms + 90'000);
    server.run(at(0, "produce", "p",
                  {"1", "60000000", "1", "0", "1", "1", message(1).text(), "1", "0", chosen.id,
                   std::to_string(chosen.until), chosen.text()},
                  {"normal"}));
    server.run(claim(1, "c.0", 1, 10, true, 10'000));
    server.run(at(2, "ack", "c.0", {"c.0", "completed", "", "0", "1.1", "1.2"}));
    server.run(at(3, "leave", "c.0", {"c.0", "0"}));
    server.run(claim(3, "d.0", 1, 0, true, 1000, "100000", "1"));
    ASSERT_EQ(server.state().size(), 4U) << "who is idle, an id, the counters, the producer";
    const Value got = server.run(forget, k);
    if (!got.is_error()) {
      EXPECT_EQ(got[1].str(), "gone");
      EXPECT_EQ(server.state().size(), 1U);
      ++without;
      continue;
    }
    without = 0;
    ++injected;
    EXPECT_EQ(server.run(forget)[1].str(), "gone");
    EXPECT_EQ(server.state().size(), 1U) << "call " << k;
  }
  EXPECT_GE(injected, 15);
}

// The settings are what they were, or what they are to be, whatever call inside fails; and a copy
// that was left half done is made again.
TEST(ScriptKthCall, SettingsAreChangedAsAWholeAndAHalfCopyIsMadeAgain) {
  ScriptServer server;
  const std::vector<ScriptOp> changes{
      at(20, "configure", "", {"-1", "0", "partitions", "16", "active", "4", "ids_active", "3"}),
      at(20, "configure", "", {"-1", "0", "partitions", "16", "paused_until", "7000"}),
      at(20, "copy_settings", "",
         {std::to_string(start_ms + 20), "partitions", "16", "active", "4", "ids_active", "3"})};
  const ScriptOp look = at(30, "settings", "", {});
  int injected = 0;
  for (const ScriptOp& change : changes) {
    std::string wanted;
    for (int k = 1, without = 0; k < 100 && without < 12; ++k) {
      server.flush();
      server.run(at(0, "copy_settings", "",
                    {"5", "partitions", "2", "active", "2", "ids_active", "1", "later", "x"}));
      for (int i = 10; i < 14; ++i)
        server.run(claim(1, "i" + std::to_string(i) + ".0", 1, 0, true, 1000, "100000", "1"));
      const std::string before = show(server.run(look));
      const bool hit = server.run(change, k).is_error();
      without = hit ? 0 : without + 1;
      injected += hit ? 1 : 0;
      const Value now = server.run(look);
      if (wanted.empty()) {
        server.run(change);
        wanted = show(server.run(look));
        ASSERT_NE(wanted, before);
      }
      if (change.call.script == "configure") {
        EXPECT_TRUE(show(now) == before || show(now) == wanted) << "call " << k << "\n"
                                                                << show(now);
      } else if (show(now) != wanted) {
        EXPECT_EQ(now[2].num(), 5) << "call " << k << ": a half copy has not the new version";
      }
      server.run(change);
      EXPECT_EQ(show(server.run(look)), wanted) << show(change) << ", call " << k;
    }
  }
  EXPECT_GE(injected, 6);
}

TEST(ScriptKthCall, FindsEveryWrongOrderOfWrites) {
  ScriptServer server;
  for (std::size_t i = 0; i < order_mutants().size(); i += sanitized ? 5 : 1) {
    const Mutation& mutant = order_mutants()[i];
    ASSERT_NO_THROW(server.load(mutant)) << mutant.name;
    int injected = 0;
    const std::string wrong = all_violations(server, mutant.script, injected);
    EXPECT_NE(wrong, "") << "not found: " << mutant.name;
    std::printf("%-62s %s\n", mutant.name.c_str(), wrong.substr(wrong.find('\n') + 1, 60).c_str());
  }
}

}  // namespace
}  // namespace mx_rmq::test
