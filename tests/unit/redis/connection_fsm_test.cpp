// Connecting, set-up, loss and the end, without a socket.
#include "redis/connection/connection_fsm.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "unit/redis/machine.hpp"

namespace mx_rmq::redis {
namespace {

TEST(ConnectionFsm, ConnectsAtTheFirstUseAndSetsUpInOnePipeline) {
  Endpoint connect;
  connect.user = "bob";
  connect.password = Secret("pw");
  connect.db = 3;
  connect.client_name = "me";
  Machine machine({}, connect);
  EXPECT_EQ(machine.fsm.state(), LaneState::idle);
  machine.submit(1);
  EXPECT_EQ(machine.trace(), "resolve");
  machine.resolved();
  EXPECT_EQ(machine.trace(), "connect 1.1.1.1:6379");
  EXPECT_EQ(machine.write(), "") << "nothing before the connection is there";
  machine.fsm.on_connected(machine.now, machine.out);
  std::string expected;
  for (const Command& each :
       {Command::of("AUTH", "bob", "pw"), Command::of("ROLE"), Command::of("SELECT", 3),
        Command::of("CLIENT", "SETNAME", "me"), Command::of("CLIENT", "ID"), Command::of("TIME"),
        Command::of("SCRIPT", "LOAD", test_script.source)}) {
    expected += each.bytes().view();
  }
  EXPECT_EQ(machine.write(), expected) << "and the command waits for the end of the set-up";
  machine.answer_setup();
  EXPECT_EQ(machine.trace(), "id 77; time 1700000000123; ready 1");
  EXPECT_EQ(machine.fsm.epoch(), 1U);
  EXPECT_EQ(machine.write(), Command::of("PING").bytes().view());
  machine.reply(Reply::status("PONG"));
  EXPECT_EQ(machine.trace(), "reply 1 status \"PONG\"");
}

TEST(ConnectionFsm, PasswordAloneIsTheOldFormOfAuth) {
  Endpoint connect;
  connect.password = Secret("pw");
  const SetupPlan plan = make_setup_plan(connect, {});
  EXPECT_EQ(plan.front().command.bytes().view(), Command::of("AUTH", "pw").bytes().view());
}

TEST(ConnectionFsm, ASocketNeedsNoResolving) {
  Endpoint connect;
  connect.unix_path = "/s";
  Machine machine({}, connect);
  machine.submit(1);
  EXPECT_EQ(machine.trace(), "connect unix:/s");
}

TEST(ConnectionFsm, TriesEveryAddressInTurnWithItsShareOfTheTime) {
  ConnectionOptions options;
  options.connect_timeout = 3s;
  Machine machine(options);
  const TimePoint start = machine.now;
  machine.fsm.start(machine.now, machine.out);
  machine.resolved({"1.1.1.1", "2.2.2.2", "::3"});
  EXPECT_EQ(machine.trace(), "resolve; connect 1.1.1.1:6379");
  EXPECT_EQ(machine.fsm.next_wake(), start + 1s);
  machine.wake();
  EXPECT_EQ(machine.trace(), "close; connect 2.2.2.2:6379");
  machine.now += 500ms;
  machine.fsm.on_lost(machine.now, "connection refused", machine.out);
  EXPECT_EQ(machine.trace(), "close; connect [::3]:6379");
  EXPECT_EQ(machine.fsm.next_wake(), start + 3s) << "what is left belongs to the last one";
  machine.wake();
  EXPECT_EQ(machine.trace(), "close; attempt_failed");
  EXPECT_EQ(machine.fsm.state(), LaneState::backing_off);
  EXPECT_EQ(machine.fsm.last_error(), "cannot connect to [::3]:6379: timed out");
}

TEST(ConnectionFsm, ResolvingHasADeadlineAndALateAnswerIsIgnored) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  EXPECT_EQ(machine.trace(), "resolve");
  machine.after(5s);
  EXPECT_EQ(machine.trace(), "attempt_failed");
  machine.resolved();
  EXPECT_EQ(machine.trace(), "");
  machine.wake();
  EXPECT_EQ(machine.trace(), "resolve");
  machine.resolved();
  EXPECT_EQ(machine.trace(), "") << "still the first attempt's";
  machine.attempt = 2;
  machine.resolved();
  EXPECT_EQ(machine.trace(), "connect 1.1.1.1:6379");
}

TEST(ConnectionFsm, AHostThatDoesNotResolveIsAFailedAttempt) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.fsm.on_resolved(machine.now, 1, {{}, "no such host"}, machine.out);
  EXPECT_EQ(machine.trace(), "resolve; attempt_failed");
  EXPECT_EQ(machine.fsm.last_error(), "cannot resolve the host: no such host");
}

TEST(ConnectionFsm, TheSetupHasADeadline) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.resolved();
  machine.now += 4s;
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.trace();
  machine.after(4999ms);
  EXPECT_EQ(machine.trace(), "");
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "close; attempt_failed silent");
}

TEST(ConnectionFsm, AfterAFailedSetupTheNextAddressGetsItsChance) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.resolved({"1.1.1.1", "2.2.2.2"});
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  machine.trace();
  machine.wake();
  machine.attempt = 2;
  machine.resolved({"1.1.1.1", "2.2.2.2"});
  EXPECT_EQ(machine.trace(), "resolve; connect 2.2.2.2:6379");
}

// --- replies to the set-up ---

struct SetupRow {
  std::string name;
  std::size_t step;  // which reply is replaced
  std::function<Reply()> reply;
  std::string trace;
};

TEST(ConnectionFsm, EachAnswerToTheSetupHasItsMeaning) {
  // AUTH, ROLE, SELECT, SETNAME, ID, TIME, LOAD
  const auto error = [](std::string text) { return [text] { return Reply::error(text); }; };
  const std::string refused = "close; refused ";
  const std::string failed = "close; attempt_failed";
  const std::vector<SetupRow> table{
      {"wrong password", 0, error("WRONGPASS invalid"), refused + "WRONGPASS"},
      {"wrong password, Redis 5", 0, error("ERR invalid password"), refused + "ERR"},
      {"no password wanted", 0, error("ERR Client sent AUTH, but no password is set"),
       refused + "ERR"},
      {"no ACL, Redis 5", 0, error("ERR wrong number of arguments for 'auth' command"),
       refused + "ERR"},
      {"loading", 0, error("LOADING Redis is loading"), failed},
      {"full", 0, error("ERR max number of clients reached"), failed},
      {"no AUTH", 2, error("NOAUTH Authentication required."), refused + "NOAUTH"},
      {"no right to SELECT", 2, error("NOPERM no"), refused + "NOPERM"},
      {"no such database", 2, error("ERR DB index is out of range"), refused + "ERR"},
      {"no right to name", 3, error("NOPERM no"), ""},
      {"no name, but NOAUTH", 3, error("NOAUTH Authentication required."), refused + "NOAUTH"},
      {"no right to the id", 4, error("NOPERM no"), ""},
      {"no id, Redis 4", 4, error("ERR Syntax error, try CLIENT (LIST | KILL)"), ""},
      {"no right to TIME", 5, error("NOPERM no"), refused + "NOPERM"},
      {"busy", 6, error("BUSY Redis is busy running a script."), failed},
      {"script does not compile", 6, error("ERR Error compiling script (new function): x"),
       refused + "ERR"},
      {"no right to load", 6, error("NOPERM no"), refused + "NOPERM"},
      {"another script's sha1", 6, [] { return Reply::string("ffff"); }, failed},
      {"one reply too many before", 4, [] { return Reply::status("OK"); }, failed},
      {"time is no time", 5, [] { return Machine::time("x", "y"); }, failed},
      {"time is no pair", 5, [] { return Reply::array(); }, failed},
      {"a number for AUTH", 0, [] { return Reply::integer(1); }, failed},
  };
  Endpoint connect;
  connect.user = "bob";
  connect.password = Secret("pw");
  connect.db = 3;
  connect.client_name = "me";
  for (const SetupRow& row : table) {
    SCOPED_TRACE(row.name);
    Machine machine({}, connect);
    machine.submit(1, 60s);
    machine.resolved();
    machine.fsm.on_connected(machine.now, machine.out);
    machine.write();
    machine.out.clear();
    const auto standard = [](std::size_t step) {
      switch (step) {
        case 1:
          return Machine::role();
        case 4:
          return Reply::integer(77);
        case 5:
          return Machine::time();
        case 6:
          return Reply::string(std::string(test_script.sha1));
        default:
          return Reply::status("OK");
      }
    };
    for (std::size_t i = 0; i < row.step; ++i) machine.reply(standard(i));
    machine.out.clear();
    machine.reply(row.reply());
    // Whether the password was refused by a Redis is known one answer later.
    if (row.step == 0 && row.trace.starts_with(refused)) {
      EXPECT_EQ(machine.trace(), "");
      machine.reply(Reply::error("NOAUTH Authentication required."));
    }
    if (row.trace.empty()) {
      for (std::size_t i = row.step + 1; i < 7; ++i) machine.reply(standard(i));
      EXPECT_EQ(machine.fsm.state(), LaneState::ready);
      continue;
    }
    const bool is_refused = row.trace.starts_with(refused);
    const std::string code = is_refused ? row.trace.substr(refused.size()) : "";
    EXPECT_EQ(machine.trace(), row.trace + (is_refused ? "; fail 1 refused " + code : ""));
    EXPECT_EQ(machine.fsm.state(), is_refused ? LaneState::refused : LaneState::backing_off);
    EXPECT_EQ(machine.fsm.last_error().find("pw"), std::string::npos);
    // Late replies of the dropped connection change nothing.
    machine.reply(Reply::status("OK"));
    EXPECT_EQ(machine.trace(), "");
  }
}

TEST(ConnectionFsm, ARefusalIsToldAtOnceAndTriedAgainSlowly) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.reply(Reply::error("NOAUTH Authentication required."));
  machine.trace();
  machine.submit(2, 60s);
  EXPECT_EQ(machine.trace(), "fail 2 refused NOAUTH");
  EXPECT_EQ(machine.fsm.next_wake(), machine.now + 30s);
  machine.wake();
  EXPECT_EQ(machine.trace(), "resolve");
  machine.submit(3, 60s);
  machine.attempt = 2;
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.answer_setup();
  EXPECT_EQ(machine.trace(), "connect 1.1.1.1:6379; id 77; time 1700000000123; ready 1");
}

// A server that is full answers before it has read anything, and closes.
TEST(ConnectionFsm, AnErrorBeforeAnythingWasSentIsHeard) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.trace();
  machine.reply(Reply::error("ERR max number of clients reached"));
  EXPECT_EQ(machine.trace(), "close; attempt_failed");
  EXPECT_NE(machine.fsm.last_error().find("max number of clients"), std::string::npos);
}

TEST(ConnectionFsm, AnAnswerToWhatWasNotSentIsGarbage) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.trace();
  machine.reply(Reply::integer(77));
  EXPECT_EQ(machine.trace(), "close; attempt_failed");
}

// --- pauses ---

TEST(ConnectionFsm, PausesDoubleUpToTheCapAndAreJittered) {
  ConnectionOptions options;
  options.backoff_min = 100ms;
  options.backoff_max = 1s;
  for (const bool longest : {false, true}) {
    FixedRng rng(longest);
    runtime::Backoff backoff(options.backoff_min, options.backoff_max);
    for (const auto full : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
      rng.want(full - full / 2);
      EXPECT_EQ(backoff.next(rng.next()), longest ? full : full / 2);
    }
    backoff.soften(2);
    rng.want(200ms);
    EXPECT_EQ(backoff.next(rng.next()), longest ? 400ms : 200ms);
    backoff.reset();
    rng.want(50ms);
    EXPECT_EQ(backoff.next(rng.next()), longest ? 100ms : 50ms);
  }
  FixedRng rng(false);
  runtime::Backoff for_ever(1ms, 24h);
  for (int i = 0; i < 1000; ++i) EXPECT_LE(for_ever.next(rng.next()), 24h);
}

TEST(ConnectionFsm, AConnectionThatKeepsDyingIsNotMadeAnewWithoutEnd) {
  Machine machine;
  const auto connects_in = [&](std::chrono::seconds span, bool useful) {
    const TimePoint end = machine.now + span;
    int connects = 0;
    while (true) {
      machine.make_ready();
      if (machine.now >= end) return connects;
      ++connects;
      if (useful) {
        machine.submit(1);
        machine.write();
        machine.reply(Reply::status("PONG"));
      }
      machine.now += 10ms;
      machine.fsm.on_lost(machine.now, "reset", machine.out);
      machine.attempt++;
    }
  };
  // The shortest pauses: half of each.
  EXPECT_LE(connects_in(60s, false), 40) << "never useful: the longest pause is soon reached";
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  machine.attempt++;
  EXPECT_LE(connects_in(60s, true), 700);
  EXPECT_GE(connects_in(60s, true), 200) << "answers something: comes back quickly";
}

TEST(ConnectionFsm, AfterALongLifeThePausesBeginAnew) {
  Machine machine;
  for (int i = 0; i < 10; ++i) {
    machine.make_ready();
    machine.fsm.on_lost(machine.now, "reset", machine.out);
    machine.attempt++;
  }
  EXPECT_GE(machine.fsm.next_wake() - machine.now, 2s);
  machine.make_ready();
  machine.now += 1s;
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  EXPECT_EQ(machine.fsm.next_wake() - machine.now, 25ms);
}

// --- the end ---

TEST(ConnectionFsm, DrainingAwaitsWhatWasHandedOver) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write();
  machine.submit(2);
  machine.fsm.drain(machine.now, machine.now + 1s, machine.out);
  EXPECT_EQ(machine.trace(), "");
  machine.submit(3);
  EXPECT_EQ(machine.trace(), "fail 3 shut_down");
  EXPECT_EQ(machine.write(), Command::of("PING").bytes().view());
  machine.reply(Reply::integer(1));
  machine.reply(Reply::integer(2));
  EXPECT_EQ(machine.trace(), "reply 1 integer 1; reply 2 integer 2; close; closed");
  EXPECT_EQ(machine.fsm.state(), LaneState::closed);
  EXPECT_EQ(machine.fsm.next_wake(), TimePoint::max());
}

TEST(ConnectionFsm, DrainingEndsAtItsDeadline) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 60s);
  machine.write();
  machine.submit(2, 60s);
  machine.fsm.drain(machine.now, machine.now + 1s, machine.out);
  machine.after(999ms);
  EXPECT_EQ(machine.trace(), "");
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "close; fail 1 outcome_unknown; fail 2 shut_down; closed");
}

TEST(ConnectionFsm, AnIdleConnectionDrainsAtOnce) {
  Machine machine;
  machine.make_ready();
  machine.fsm.drain(machine.now, machine.now + 1s, machine.out);
  EXPECT_EQ(machine.trace(), "close; closed");
}

TEST(ConnectionFsm, CanBeAbortedInEveryState) {
  const std::vector<std::pair<std::string, std::function<void(Machine&)>>> states{
      {"idle", [](Machine&) {}},
      {"resolving", [](Machine& m) { m.submit(1); }},
      {"connecting",
       [](Machine& m) {
         m.submit(1);
         m.resolved();
       }},
      {"setting up",
       [](Machine& m) {
         m.submit(1);
         m.resolved();
         m.fsm.on_connected(m.now, m.out);
         m.write(10);
       }},
      {"ready",
       [](Machine& m) {
         m.make_ready();
         m.submit(1);
       }},
      {"partly written",
       [](Machine& m) {
         m.make_ready();
         m.submit(1);
         m.write(3);
       }},
      {"backing off",
       [](Machine& m) {
         m.submit(1);
         m.resolved({});
       }},
  };
  for (const auto& [name, enter] : states) {
    SCOPED_TRACE(name);
    for (const bool drain : {false, true}) {
      Machine machine;
      enter(machine);
      machine.out.clear();
      if (drain) {
        machine.fsm.drain(machine.now, machine.now, machine.out);
        machine.after(0s);
      } else {
        machine.fsm.abort(machine.now, machine.out);
      }
      const std::string trace = machine.trace();
      EXPECT_TRUE(trace.ends_with("closed")) << trace;
      const bool waits = name != "idle";
      EXPECT_EQ(trace.find("fail 1 ") != std::string::npos, waits) << trace;
      EXPECT_EQ(trace.find("outcome_unknown") != std::string::npos, name == "partly written");
      EXPECT_EQ(machine.fsm.state(), LaneState::closed);
      machine.fsm.abort(machine.now, machine.out);
      machine.fsm.drain(machine.now, machine.now, machine.out);
      machine.fsm.on_lost(machine.now, "x", machine.out);
      machine.fsm.on_connected(machine.now, machine.out);
      machine.resolved();
      machine.after(1h);
      machine.submit(9);
      EXPECT_EQ(machine.trace(), "fail 9 shut_down");
      EXPECT_EQ(machine.write(), "");
    }
  }
}

}  // namespace
}  // namespace mx_rmq::redis
