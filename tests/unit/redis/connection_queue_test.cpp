// Commands on a connection, without a socket: written, answered, timed out, lost.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "unit/redis/machine.hpp"

namespace mx_rmq::redis {
namespace {

const std::string ping(Command::of("PING").bytes().view());

TEST(ConnectionQueue, RepliesGoToTheWaitersInOrder) {
  Machine machine;
  machine.make_ready();
  for (WaiterToken i = 1; i <= 10; ++i) machine.submit(i);
  EXPECT_EQ(machine.fsm.unsent(), 10U);
  EXPECT_EQ(machine.write().size(), 10 * ping.size());
  EXPECT_EQ(machine.fsm.in_flight(), 10U);
  EXPECT_EQ(machine.fsm.queued_bytes(), 0U);
  for (int i = 1; i <= 10; ++i) machine.reply(Reply::integer(i));
  std::string expected;
  for (int i = 1; i <= 10; ++i) {
    const std::string n = std::to_string(i);
    expected += (i > 1 ? "; reply " : "reply ") + n + " integer " + n;
  }
  EXPECT_EQ(machine.trace(), expected);
}

TEST(ConnectionQueue, EveryWayToCutTheWritesGivesTheSameBytes) {
  std::string whole;
  for (std::size_t step = 1; step < 40; ++step) {
    Machine machine;
    machine.fsm.start(machine.now, machine.out);
    machine.resolved();
    machine.fsm.on_connected(machine.now, machine.out);
    std::string setup;
    while (machine.fsm.wants_write()) setup += machine.write(step);
    machine.answer_setup();
    ASSERT_TRUE(machine.fsm.ready());
    for (WaiterToken i = 1; i <= 6; ++i) machine.submit(i, 5s, 0, std::string(i * i, 'x'));
    std::string bytes;
    while (machine.fsm.wants_write()) bytes += machine.write(step);
    if (whole.empty()) whole = setup + bytes;
    EXPECT_EQ(setup + bytes, whole) << step;
    EXPECT_EQ(machine.fsm.in_flight(), 6U);
    EXPECT_EQ(machine.fsm.queued_bytes(), 0U);
  }
}

TEST(ConnectionQueue, ALossTellsWrittenFromNotWritten) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.submit(2);
  machine.write();
  machine.reply(Reply::integer(1));
  machine.submit(3);
  machine.submit(4);
  machine.write(1);
  machine.trace();
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  EXPECT_EQ(machine.trace(),
            "close; fail 2 outcome_unknown; fail 3 outcome_unknown; fail 4 not_written; lost")
      << "2 was written, 3 had one byte written, 4 none";
  EXPECT_EQ(machine.fsm.queued_bytes(), 0U);
}

TEST(ConnectionQueue, WhatWaitedForAConnectionGoesOnWaiting) {
  Machine machine;
  machine.submit(1, 60s);
  machine.resolved({});
  machine.submit(2, 60s);
  EXPECT_EQ(machine.trace(), "resolve; attempt_failed");
  machine.attempt = 2;
  machine.make_ready();
  EXPECT_EQ(machine.fsm.unsent(), 2U);
  machine.submit(3, 60s);
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 3 not_written; lost")
      << "3 was meant for the connection that ended";
  machine.attempt = 3;
  machine.make_ready();
  EXPECT_EQ(machine.write(), ping + ping);
}

TEST(ConnectionQueue, NothingIsEverWrittenTwice) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 60s);
  machine.write();
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  machine.attempt = 2;
  machine.make_ready();
  EXPECT_EQ(machine.write(), "");
}

TEST(ConnectionQueue, ACommandMayBeBoundToAnEpoch) {
  Machine machine;
  machine.submit(1, 60s, 1);
  machine.trace();
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.answer_setup();
  EXPECT_EQ(machine.trace(), "connect 1.1.1.1:6379; id 77; time 1700000000123; ready 1");
  EXPECT_EQ(machine.write(), ping) << "the epoch it waited for";
  machine.submit(2, 60s, 1);
  machine.submit(3, 60s, 2);
  EXPECT_EQ(machine.trace(), "fail 3 not_written") << "it is another's already";
  machine.fsm.on_lost(machine.now, "reset", machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 1 outcome_unknown; fail 2 not_written; lost");
  machine.submit(4, 60s, 1);
  EXPECT_EQ(machine.trace(), "fail 4 not_written") << "that one is gone";
  machine.submit(5, 60s, 2);
  machine.submit(6, 60s, 3);
  machine.wake();
  machine.attempt = 2;
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.answer_setup();
  EXPECT_EQ(machine.trace(),
            "resolve; connect 1.1.1.1:6379; id 77; time 1700000000123; ready 2; fail 6 "
            "not_written");
  EXPECT_EQ(machine.write(), ping);
}

// --- deadlines ---

TEST(ConnectionQueue, ATimedOutCommandIsAbandonedAndItsLateReplySwallowed) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 100ms);
  machine.submit(2, 1s);
  machine.write();
  machine.after(99ms);
  EXPECT_EQ(machine.trace(), "");
  EXPECT_EQ(machine.fsm.next_wake(), machine.now + 1ms);
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "fail 1 outcome_unknown");
  machine.reply(Reply::integer(1));
  machine.reply(Reply::integer(2));
  EXPECT_EQ(machine.trace(), "reply 2 integer 2");
  EXPECT_TRUE(machine.fsm.ready());
}

TEST(ConnectionQueue, WhatIsNotWrittenByItsDeadlineNeverIs) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 100ms);
  machine.submit(2, 1s, 0, "TWO");
  machine.after(100ms);
  EXPECT_EQ(machine.trace(), "fail 1 timed_out");
  EXPECT_EQ(machine.write(), Command::of("TWO").bytes().view());
}

TEST(ConnectionQueue, ACommandBegunGoesOutWholeAfterItsDeadline) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 100ms);
  machine.submit(2, 1s, 0, "TWO");
  const std::string begun = machine.write(5);
  machine.after(100ms);
  EXPECT_EQ(machine.trace(), "fail 1 outcome_unknown");
  EXPECT_EQ(begun + machine.write(), ping + std::string(Command::of("TWO").bytes().view()));
  machine.reply(Reply::integer(1));
  machine.reply(Reply::integer(2));
  EXPECT_EQ(machine.trace(), "reply 2 integer 2");
}

TEST(ConnectionQueue, WithoutAConnectionTheDeadlineTellsWhy) {
  Machine machine;
  machine.submit(1, 100ms);
  machine.after(100ms);
  EXPECT_EQ(machine.trace(), "resolve; fail 1 timed_out");
  machine.resolved({});
  machine.submit(2, 10ms);
  machine.trace();
  machine.after(10ms);
  EXPECT_EQ(machine.trace(), "fail 2 not_written");
}

TEST(ConnectionQueue, ADeadlineThatHasPassedIsNotSent) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 0ms);
  EXPECT_EQ(machine.trace(), "fail 1 timed_out");
  EXPECT_EQ(machine.write(), "");
}

TEST(ConnectionQueue, ManyDeadlinesAllComeInTime) {
  Machine machine;
  machine.make_ready();
  std::mt19937_64 random(5);
  std::map<WaiterToken, TimePoint> deadlines;
  for (WaiterToken i = 1; i <= 2000; ++i) {
    const auto timeout = std::chrono::microseconds(1 + random() % 3'000'000);
    deadlines[i] = machine.now + timeout;
    machine.fsm.submit(machine.now, i, Command::of("PING"), deadlines[i], 0, machine.out);
    if (i == 1000) machine.write();
  }
  while (!deadlines.empty()) {
    ASSERT_NE(machine.fsm.next_wake(), TimePoint::max());
    machine.wake();
    for (const Action& action : machine.out) {
      ASSERT_EQ(action.kind, Action::Kind::fail);
      EXPECT_EQ(action.failure,
                action.waiter <= 1000 ? Failure::outcome_unknown : Failure::timed_out);
      ASSERT_EQ(deadlines.count(action.waiter), 1U) << "once each";
      EXPECT_GE(machine.now, deadlines[action.waiter]);
      EXPECT_LE(machine.now, deadlines[action.waiter] + 2ms);
      deadlines.erase(action.waiter);
    }
    machine.out.clear();
  }
}

// --- a silent server ---

TEST(ConnectionQueue, ASilentServerIsLeft) {
  Machine machine;  // stall_timeout 5 s
  machine.make_ready();
  machine.submit(1, 1s);
  machine.write();
  machine.after(1s);
  EXPECT_EQ(machine.trace(), "fail 1 outcome_unknown");
  machine.after(4999ms);
  EXPECT_EQ(machine.trace(), "");
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "close; lost");
  EXPECT_EQ(machine.fsm.state(), LaneState::backing_off);
}

TEST(ConnectionQueue, AServerThatSendsAnythingIsNotSilent) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 1s);
  machine.write();
  for (int i = 0; i < 20; ++i) {
    machine.after(1s);
    machine.fsm.on_heard(machine.now);  // a long reply trickles in
  }
  EXPECT_EQ(machine.trace(), "fail 1 outcome_unknown");
  machine.reply(Reply::string("long"));
  machine.after(1h);
  EXPECT_EQ(machine.trace(), "") << "nothing is awaited: an idle connection is not silent";
}

TEST(ConnectionQueue, AServerThatTakesNoMoreIsLeft) {
  Machine machine;
  machine.make_ready();
  machine.submit(1, 1s);
  machine.write(3);
  machine.after(6s);
  EXPECT_EQ(machine.trace(), "fail 1 outcome_unknown; close; lost");
}

TEST(ConnectionQueue, SilenceIsToldAgainAndAgainWhileSomethingIsAwaited) {
  ConnectionOptions options;
  options.silent_after = 300ms;
  Machine machine(options);
  machine.make_ready();
  machine.after(1h);
  EXPECT_EQ(machine.trace(), "") << "nothing is awaited";
  machine.submit(1, 1h);
  machine.write();
  machine.after(299ms);
  EXPECT_EQ(machine.trace(), "");
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "silent");
  machine.after(299ms);
  EXPECT_EQ(machine.trace(), "");
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "silent");
  machine.fsm.on_heard(machine.now);
  machine.after(299ms);
  EXPECT_EQ(machine.trace(), "");
  machine.reply(Reply::string("late"));
  machine.out.clear();
  machine.after(1h);
  EXPECT_EQ(machine.trace(), "");
}

TEST(ConnectionQueue, SilenceInASetUpIsToldToo) {
  ConnectionOptions options;
  options.silent_after = 300ms;
  Machine machine(options);
  machine.fsm.start(machine.now, machine.out);
  machine.note_attempt();
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.out.clear();
  machine.after(299ms);
  EXPECT_EQ(machine.trace(), "");
  machine.after(1ms);
  EXPECT_EQ(machine.trace(), "silent");
}

// --- protocol errors ---

TEST(ConnectionQueue, AReplyThatNobodyWaitsForClosesTheConnection) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write();
  machine.submit(2);
  machine.reply(Reply::integer(1));
  machine.reply(Reply::integer(2));
  EXPECT_EQ(machine.trace(), "reply 1 integer 1; close; fail 2 not_written; lost");
  EXPECT_EQ(machine.fsm.last_error(), "protocol error: a reply that nobody waits for: integer 2");
}

TEST(ConnectionQueue, AReplyToWhatIsNotWhollyWrittenClosesTheConnection) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write(3);
  machine.reply(Reply::integer(1));
  EXPECT_EQ(machine.trace(), "close; fail 1 outcome_unknown; lost");
}

TEST(ConnectionQueue, GarbageClosesTheConnectionAndResolvesEverybody) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.submit(2);
  machine.write(ping.size());
  machine.fsm.on_protocol_error(machine.now, "x", machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 1 outcome_unknown; fail 2 not_written; lost");
}

// --- bounds ---

TEST(ConnectionQueue, IsBoundedInBytes) {
  ConnectionOptions options;
  options.max_queued_bytes = 2 * ping.size();
  Machine machine(options);
  machine.submit(1);
  machine.submit(2);
  EXPECT_EQ(machine.trace(), "resolve");
  machine.submit(3);
  EXPECT_EQ(machine.trace(), "fail 3 not_written");
  EXPECT_EQ(machine.fsm.queued_bytes(), 2 * ping.size());
  Machine another(options);
  another.submit(1, 5s, 0, std::string(1000, 'x'));
  EXPECT_EQ(another.trace(), "resolve") << "one command is always taken";
}

// --- connecting anew on purpose ---

TEST(ConnectionQueue, RecyclingAnswersFirstAndThenConnectsAnew) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.submit(2);
  machine.write(ping.size() + 3);
  machine.submit(3);
  machine.fsm.recycle(machine.now, 7, "another epoch", machine.out);
  EXPECT_TRUE(machine.fsm.ready());
  machine.fsm.recycle(machine.now, 1, "READONLY", machine.out);
  EXPECT_FALSE(machine.fsm.ready());
  machine.submit(4, 60s);
  EXPECT_EQ(machine.write(), ping.substr(3)) << "what was begun is ended, nothing else is sent";
  machine.reply(Reply::integer(1));
  EXPECT_EQ(machine.trace(), "reply 1 integer 1");
  machine.reply(Reply::integer(2));
  EXPECT_EQ(machine.trace(), "reply 2 integer 2; close; fail 3 not_written; lost");
  machine.attempt = 2;
  machine.make_ready();
  EXPECT_EQ(machine.write(), ping) << "4 came while there was no connection to take it";
}

TEST(ConnectionQueue, RecyclingAnIdleConnectionIsImmediate) {
  Machine machine;
  machine.make_ready();
  machine.fsm.recycle(machine.now, 1, "READONLY", machine.out);
  EXPECT_EQ(machine.trace(), "close; lost");
  EXPECT_EQ(machine.fsm.last_error(), "READONLY");
}

TEST(ConnectionQueue, DroppingEndsItAtOnce) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write();
  machine.fsm.drop(machine.now, 2, "x", machine.out);
  EXPECT_EQ(machine.trace(), "");
  machine.fsm.drop(machine.now, 1, "x", machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 1 outcome_unknown; lost");
}

TEST(ConnectionQueue, DrainingWhileRecyclingEndsIt) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write();
  machine.fsm.recycle(machine.now, 1, "READONLY", machine.out);
  machine.submit(2, 60s);
  machine.fsm.drain(machine.now, machine.now + 1s, machine.out);
  EXPECT_EQ(machine.trace(), "fail 2 shut_down");
  machine.reply(Reply::integer(1));
  EXPECT_EQ(machine.trace(), "reply 1 integer 1; close; closed");
}

// --- at random ---

// Whatever happens in whatever order, each waiter is answered once, with the reply that belongs to
// it, and told "not written" only if no byte of its command was written.
TEST(ConnectionQueue, AtRandomEveryWaiterIsAnsweredExactlyOnceAndTruthfully) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    ConnectionOptions options;
    options.max_queued_bytes = 500;
    Machine machine(options, {}, false);
    machine.make_ready();
    WaiterToken last = 10'000;  // five digits
    std::map<WaiterToken, int> answers;
    std::string stream;                        // of this connection, after its set-up
    std::map<WaiterToken, std::size_t> begun;  // waiters with a byte written
    std::vector<WaiterToken> served;           // whole commands, in order
    std::size_t replied = 0;

    const auto settle = [&] {
      for (const Action& action : machine.out) {
        if (action.kind == Action::Kind::reply) {
          ++answers[action.waiter];
          EXPECT_EQ(action.reply.as_integer(), static_cast<std::int64_t>(action.waiter));
        } else if (action.kind == Action::Kind::fail) {
          ++answers[action.waiter];
          if (action.failure != Failure::outcome_unknown) {
            EXPECT_EQ(begun.count(action.waiter), 0U) << action.waiter;
          } else {
            EXPECT_EQ(begun.count(action.waiter), 1U) << action.waiter;
          }
        } else if (action.kind == Action::Kind::close) {
          stream.clear();
          served.clear();
          replied = 0;
        } else if (action.kind == Action::Kind::resolve) {
          machine.attempt = action.number;
        }
      }
      machine.out.clear();
    };
    // Each command is "*1\r\n$5\r\n<five digits>\r\n".
    const auto wrote = [&](const std::string& bytes) {
      stream += bytes;
      std::size_t at = 0;
      served.clear();
      while (at < stream.size()) {
        // Only commands whose digits are out can be named; the order of submission names the rest.
        if (stream.size() - at >= 13) {
          const auto waiter = static_cast<WaiterToken>(std::stoul(stream.substr(at + 8, 5)));
          begun[waiter] = 1;
          if (stream.size() - at >= 15) served.push_back(waiter);
        }
        at += 15;
      }
    };
    for (int step = 0; step < 400; ++step) {
      const std::uint64_t dice = random() % 100;
      if (dice < 35) {
        const WaiterToken waiter = ++last;
        answers[waiter] = 0;
        machine.submit(waiter, std::chrono::milliseconds(random() % 3000),
                       random() % 5 == 0 ? machine.fsm.epoch() : 0, std::to_string(waiter));
      } else if (dice < 60) {
        if (machine.fsm.state() == LaneState::setting_up) {
          machine.write();
        } else {
          // Whole commands or the first 13 bytes of one, so that the model knows whose they are.
          const std::size_t whole = random() % 4 * 15 + (random() % 2 ? 13 : 0);
          const std::size_t rest = stream.size() % 15 == 0 ? whole : whole + 2;
          wrote(machine.write(rest));
        }
      } else if (dice < 80) {
        if (machine.fsm.state() == LaneState::setting_up) {
          machine.write();
          machine.answer_setup();
        } else if (replied < served.size()) {
          machine.reply(Reply::integer(static_cast<std::int64_t>(served[replied++])));
        }
      } else if (dice < 90) {
        if (machine.fsm.state() == LaneState::resolving)
          machine.resolved();
        else if (machine.fsm.state() == LaneState::connecting)
          machine.fsm.on_connected(machine.now, machine.out);
        else
          machine.after(std::chrono::milliseconds(random() % 500));
      } else if (dice < 94) {
        machine.fsm.on_lost(machine.now, "reset", machine.out);
      } else if (dice < 96) {
        machine.fsm.on_protocol_error(machine.now, "x", machine.out);
      } else if (dice < 98) {
        machine.fsm.recycle(machine.now, machine.fsm.epoch(), "x", machine.out);
      } else {
        machine.after(std::chrono::seconds(random() % 10));
      }
      settle();
    }
    machine.fsm.abort(machine.now, machine.out);
    settle();
    for (const auto& [waiter, count] : answers) EXPECT_EQ(count, 1) << waiter;
  }
}

}  // namespace
}  // namespace mx_rmq::redis
