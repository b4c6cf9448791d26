// Set-up at what is no master, and connections that are renewed because theirs is none any more.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "redis/connection/connection_fsm.hpp"
#include "unit/redis/machine.hpp"

namespace mx_rmq::redis {
namespace {

Reply replica() {
  Reply reply = Machine::role({"slave", "10.0.0.5"});
  reply.as_array().push_back(Reply::integer(6379));
  return reply;
}
Reply sentinel() {
  Reply reply = Machine::role({"sentinel"});
  reply.as_array().push_back(Machine::role({"mymaster"}));
  return reply;
}

// Up to where the set-up has been written.
void connect(Machine& machine) {
  machine.note_attempt();
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.out.clear();
}
// The rest of a set-up whose ROLE was answered already.
void answer_the_rest(Machine& machine) {
  machine.write();
  machine.reply(Reply::integer(77));
  machine.reply(Machine::time());
  machine.reply(Reply::string(std::string(test_script.sha1)));
}

TEST(ConnectionRole, AReplicaIsAFailedAttemptThatSaysSoAndIsTriedAgainWithinThePauses) {
  ConnectionOptions options;
  options.backoff_min = 100ms;
  options.backoff_max = 1s;
  Machine machine(options);
  machine.submit(1, 60s);
  connect(machine);
  machine.reply(replica());
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit") << "and what waits goes on waiting";
  EXPECT_TRUE(machine.fsm.unfit());
  EXPECT_TRUE(machine.fsm.last_error().starts_with("this is a replica of 10.0.0.5:6379"))
      << machine.fsm.last_error();
  // The shortest pauses: half of 100, 200, 400, 800, 1000, 1000 ms.
  for (const auto pause : {50ms, 100ms, 200ms, 400ms, 500ms, 500ms}) {
    EXPECT_EQ(machine.fsm.next_wake() - machine.now, pause);
    machine.wake();
    connect(machine);
    machine.reply(replica());
    machine.out.clear();
  }
  machine.wake();
  connect(machine);
  machine.reply(Machine::role());
  answer_the_rest(machine);
  EXPECT_EQ(machine.trace(), "id 77; time 1700000000123; ready 1");
  EXPECT_FALSE(machine.fsm.unfit());
}

TEST(ConnectionRole, WhereThereWasNoMasterOnlyTheRoleIsAskedBeforeTheRest) {
  Endpoint options;
  options.password = Secret("pw");
  const std::string sign_in(Command::of("AUTH", "pw").bytes().view());
  const std::string role(Command::of("ROLE").bytes().view());
  Machine machine({}, options);
  machine.submit(1, 60s);
  connect(machine);
  machine.reply(Reply::status("OK"));
  machine.reply(replica());
  machine.out.clear();
  machine.wake();
  machine.note_attempt();
  machine.resolved();
  machine.fsm.on_connected(machine.now, machine.out);
  EXPECT_EQ(machine.write(), sign_in + role);
  machine.reply(Reply::status("OK"));
  EXPECT_EQ(machine.write(), "");
  machine.reply(Machine::role());
  EXPECT_NE(machine.write(), "");
  machine.out.clear();
  answer_the_rest(machine);
  EXPECT_EQ(machine.trace(), "id 77; time 1700000000123; ready 1");
}

TEST(ConnectionRole, AnotherAddressOfTheNameGetsItsChance) {
  Machine machine;
  machine.fsm.start(machine.now, machine.out);
  machine.note_attempt();
  machine.resolved({"1.1.1.1", "2.2.2.2"});
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.reply(replica());
  machine.out.clear();
  machine.wake();
  machine.note_attempt();
  machine.resolved({"1.1.1.1", "2.2.2.2"});
  EXPECT_EQ(machine.trace(), "resolve; connect 2.2.2.2:6379");
}

TEST(ConnectionRole, WhoeverWantsAServerThatIsFitIsToldAtOnce) {
  Machine machine;
  machine.submit(1, 60s);
  machine.submit(2, 60s, 0, "PING", true);
  connect(machine);
  machine.reply(replica());
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit; fail 2 not_written");
  machine.submit(3, 60s, 0, "PING", true);
  EXPECT_EQ(machine.trace(), "fail 3 not_written");
  machine.submit(4, 60s);
  EXPECT_EQ(machine.trace(), "");
  machine.wake();
  connect(machine);
  machine.reply(Machine::role());
  answer_the_rest(machine);
  machine.out.clear();
  machine.submit(5, 60s, 0, "PING", true);
  EXPECT_EQ(machine.trace(), "");
}

TEST(ConnectionRole, ASentinelIsRefusedForLong) {
  Machine machine;
  machine.submit(1, 60s);
  connect(machine);
  machine.reply(sentinel());
  EXPECT_EQ(machine.trace(), "close; refused ERR unfit; fail 1 refused ERR");
  EXPECT_EQ(machine.fsm.next_wake(), machine.now + 30s);
  EXPECT_NE(machine.fsm.last_error().find("Sentinel, not a Redis server: write redis+sentinel://"),
            std::string::npos)
      << machine.fsm.last_error();
}

TEST(ConnectionRole, ASentinelThatRefusesThePasswordOfItsMasterIsASentinelAllTheSame) {
  Endpoint options;
  options.password = Secret("pw");
  Machine machine({}, options);
  machine.submit(1, 60s);
  connect(machine);
  machine.reply(Reply::error("WRONGPASS invalid username-password pair or user is disabled."));
  EXPECT_EQ(machine.trace(), "");
  machine.reply(sentinel());
  EXPECT_EQ(machine.trace(), "close; refused ERR unfit; fail 1 refused ERR");
  EXPECT_NE(machine.fsm.last_error().find("Sentinel"), std::string::npos);
}

TEST(ConnectionRole, APasswordThatWasRefusedStaysRefusedWhateverComesNext) {
  Endpoint options;
  options.password = Secret("pw");
  using Then = std::function<void(Machine&)>;
  const std::vector<std::pair<std::string, Then>> table{
      {"a master without a password", [](Machine& m) { m.reply(Machine::role()); }},
      {"a replica", [](Machine& m) { m.reply(replica()); }},
      {"an error", [](Machine& m) { m.reply(Reply::error("NOAUTH no")); }},
      {"the end", [](Machine& m) { m.fsm.on_lost(m.now, "closed by the server", m.out); }},
      {"silence", [](Machine& m) { m.after(5s); }},
      {"garbage", [](Machine& m) { m.fsm.on_protocol_error(m.now, "what", m.out); }},
  };
  for (const auto& [name, then] : table) {
    SCOPED_TRACE(name);
    Machine machine({}, options);
    machine.submit(1, 60s);
    connect(machine);
    machine.reply(Reply::error("WRONGPASS invalid username-password pair"));
    then(machine);
    EXPECT_EQ(machine.trace(), "close; refused WRONGPASS; fail 1 refused WRONGPASS");
    EXPECT_NE(machine.fsm.last_error().find("AUTH refused"), std::string::npos);
  }
}

TEST(ConnectionRole, WhereRoleIsRefusedInfoIsAskedAndWhereBothAreItGoesOn) {
  const std::string role(Command::of("ROLE").bytes().view());
  const std::string info(Command::of("INFO", "replication").bytes().view());
  struct Row {
    bool error;
    std::string text;
    std::string wanted;
  };
  const std::vector<Row> table{
      {false, "# Replication\r\nrole:master\r\n", "ready 1"},
      {true, "NOPERM this user has no permissions to run 'info'", "ready 1"},
      {false, "what?", "ready 1"},
      {false, "role:slave\r\nmaster_host:h\r\nmaster_port:1\r\n", "close; attempt_failed unfit"},
      {true, "LOADING Redis is loading the dataset in memory", "close; attempt_failed"},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.text);
    Machine machine;
    machine.fsm.start(machine.now, machine.out);
    machine.note_attempt();
    machine.resolved();
    machine.fsm.on_connected(machine.now, machine.out);
    const std::string setup = machine.write();
    EXPECT_NE(setup.find(role), std::string::npos);
    EXPECT_EQ(setup.find(info), std::string::npos) << "one command more, not two";
    machine.reply(Reply::error("NOPERM this user has no permissions to run 'role'"));
    EXPECT_EQ(machine.write(), info);
    answer_the_rest(machine);
    machine.out.clear();
    EXPECT_EQ(machine.fsm.state(), LaneState::setting_up);
    machine.reply(row.error ? Reply::error(row.text) : Reply::string(row.text));
    EXPECT_EQ(machine.trace(), row.wanted);
  }
}

TEST(ConnectionRole, RenewingEndsAUsableConnectionAsRecyclingDoes) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write();
  machine.fsm.renew(machine.now, "demoted", false, machine.out);
  EXPECT_EQ(machine.trace(), "");
  EXPECT_FALSE(machine.fsm.ready());
  machine.reply(Reply::integer(1));
  EXPECT_EQ(machine.trace(), "reply 1 integer 1; close; lost");
  EXPECT_EQ(machine.fsm.last_error(), "demoted");
}

TEST(ConnectionRole, RenewingAtOnceAwaitsNothing) {
  Machine machine;
  machine.make_ready();
  machine.submit(1);
  machine.write();
  machine.fsm.renew(machine.now, "demoted", true, machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 1 outcome_unknown; lost");
}

TEST(ConnectionRole, ASetupUnderWayThatMayHaveAskedTooEarlyBeginsAnew) {
  Machine machine;
  machine.submit(1, 60s);
  connect(machine);
  machine.reply(Machine::role());
  machine.fsm.renew(machine.now, "demoted", false, machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed");
  for (const auto state : {0, 1, 2}) {
    Machine other;
    if (state > 0) other.submit(1, 60s);
    if (state > 1) other.resolved();
    other.out.clear();
    other.fsm.renew(other.now, "demoted", true, other.out);
    EXPECT_EQ(other.trace(), "") << "not connected, so nothing was asked";
  }
}

// A server whose role is not known (no right to ask) and that refuses each write.
TEST(ConnectionRole, AConnectionThatIsRenewedAgainAndAgainDoesNotOutrunThePauses) {
  ConnectionOptions options;
  options.backoff_min = 100ms;
  options.backoff_max = 1s;
  Machine machine(options);
  machine.make_ready();
  machine.now += 10s;
  for (const auto pause : {50ms, 100ms, 200ms, 400ms, 500ms, 500ms}) {
    machine.submit(1);
    machine.write();
    machine.fsm.renew(machine.now, "READONLY", false, machine.out);
    machine.reply(Reply::error("READONLY You can't write against a read only replica."));
    EXPECT_EQ(machine.fsm.next_wake() - machine.now, pause);
    machine.out.clear();
    machine.wake();
    machine.note_attempt();
    machine.resolved();
    machine.fsm.on_connected(machine.now, machine.out);
    machine.write();
    machine.answer_setup();
    machine.out.clear();
  }
}

TEST(ConnectionRole, APauseAfterAReplicaEndsWhenAMasterWasFoundElsewhere) {
  Machine machine;
  machine.submit(1, 60s);
  connect(machine);
  machine.reply(replica());
  machine.fsm.try_now(machine.now);
  EXPECT_EQ(machine.fsm.next_wake(), machine.now);
  Machine refused;
  refused.submit(1, 60s);
  connect(refused);
  refused.fsm.on_lost(refused.now, "reset", refused.out);
  refused.fsm.try_now(refused.now);
  EXPECT_GT(refused.fsm.next_wake(), refused.now) << "other pauses stay";
}

TEST(ConnectionRole, SilenceThatWasExplainedIsToldUntilSomethingAnswers) {
  Machine machine;
  machine.submit(1, 60s);
  machine.submit(2, 60s, 0, "PING", true);
  connect(machine);
  machine.fsm.on_lost(machine.now, "connection reset by peer", machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed silent");
  EXPECT_FALSE(machine.fsm.unfit());
  machine.fsm.explain_silence("it speaks TLS", machine.out);
  EXPECT_EQ(machine.trace(), "fail 2 not_written");
  EXPECT_EQ(machine.fsm.last_error(), "it speaks TLS");
  EXPECT_TRUE(machine.fsm.unfit());
  machine.wake();
  connect(machine);
  machine.fsm.on_lost(machine.now, "connection reset by peer", machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit silent");
  EXPECT_EQ(machine.fsm.last_error(), "it speaks TLS");
  machine.wake();
  connect(machine);
  machine.reply(Reply::error("LOADING Redis is loading"));
  EXPECT_EQ(machine.trace(), "close; attempt_failed");
  EXPECT_FALSE(machine.fsm.unfit());
}

TEST(ConnectionRole, BytesThatAreNoRedisAreToldAsSuch) {
  Machine machine;
  machine.submit(1, 60s);
  connect(machine);
  EXPECT_TRUE(machine.fsm.setup_unanswered());
  machine.fsm.on_heard(machine.now);
  machine.fsm.on_no_redis(machine.now, "there is a web server", machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit");
  EXPECT_EQ(machine.fsm.last_error(), "there is a web server");
}

TEST(ConnectionRole, AnIdleConnectionThatEndsLeavesNothingInDoubt) {
  Machine machine;
  machine.make_ready();
  machine.fsm.on_lost(machine.now, "closed by the server", machine.out);
  EXPECT_EQ(machine.trace(), "close; lost idle");
  machine.attempt++;
  machine.make_ready();
  machine.submit(1);
  machine.fsm.on_lost(machine.now, "closed by the server", machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 1 not_written; lost");
}

}  // namespace
}  // namespace mx_rmq::redis
