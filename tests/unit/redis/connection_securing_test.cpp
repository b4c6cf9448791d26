// What a connection makes of a transport that speaks TLS, without one.
#include <gtest/gtest.h>

#include "unit/redis/machine.hpp"

namespace mx_rmq::redis {
namespace {

ConnectionOptions over_tls() {
  ConnectionOptions options;
  options.tls.emplace();
  return options;
}

// To the beginning of the handshake.
void reach(Machine& machine, std::vector<std::string> hosts = {"1.1.1.1"}) {
  machine.note_attempt();
  machine.resolved(std::move(hosts));
  machine.fsm.on_securing(machine.now);
  machine.trace();
}

TEST(ConnectionSecuring, TheHandshakeHasADeadlineOfItsOwn) {
  Machine machine(over_tls());
  machine.submit(1, 60s);
  machine.note_attempt();
  machine.after(3s);  // of resolving
  machine.resolved();
  machine.after(1500ms);  // of connecting
  machine.trace();
  machine.fsm.on_securing(machine.now);
  EXPECT_FALSE(machine.fsm.wants_write());
  machine.after(4900ms);
  machine.trace();
  EXPECT_EQ(machine.fsm.state(), LaneState::connecting);
  machine.after(100ms);
  EXPECT_EQ(machine.trace(), "close; attempt_failed silent");
  EXPECT_EQ(machine.fsm.last_error(),
            "cannot connect to 1.1.1.1:6379: the TLS handshake timed out");
  EXPECT_FALSE(machine.fsm.untrusted());
}

TEST(ConnectionSecuring, AfterASecondOfSilenceItIsAskedWhatIsThereAndThenNotAgain) {
  Machine machine(over_tls());
  machine.submit(1, 60s);
  reach(machine);
  machine.wake();
  EXPECT_EQ(machine.trace(), "ask 1.1.1.1:6379");
  machine.wake();
  EXPECT_EQ(machine.trace(), "close; attempt_failed silent");
}

TEST(ConnectionSecuring, WhatWasFoundOutIsToldToThoseWhoDoNotWait) {
  Machine machine(over_tls());
  machine.submit(1, 60s);
  machine.submit(2, 60s, 0, "PING", true);
  reach(machine);
  machine.fsm.explain_silence("it speaks no TLS", machine.out);
  EXPECT_EQ(machine.trace(), "fail 2 untrusted");
  EXPECT_TRUE(machine.fsm.unfit());
  EXPECT_TRUE(machine.fsm.untrusted());
  machine.submit(3, 60s, 0, "PING", true);
  EXPECT_EQ(machine.trace(), "fail 3 untrusted");
  machine.fsm.on_lost(machine.now, "closed by the server", machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit silent");
  EXPECT_EQ(machine.fsm.last_error(), "it speaks no TLS");
}

TEST(ConnectionSecuring, SomebodyWhoIsNotTrustedIsUnfit) {
  Machine machine(over_tls());
  machine.submit(1, 60s, 0, "PING", true);
  machine.submit(2, 10ms);
  reach(machine);
  machine.fsm.on_untrusted(machine.now, "it has expired", machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit; fail 1 untrusted");
  EXPECT_EQ(machine.fsm.last_error(),
            "no TLS connection to 1.1.1.1:6379 that may be used: it has expired");
  machine.after(10ms);
  EXPECT_EQ(machine.trace(), "fail 2 untrusted") << "its time is over, and this is why";
  // Anything else that goes wrong afterwards is not told as that.
  machine.submit(3, 60s, 0, "PING", true);
  EXPECT_EQ(machine.trace(), "fail 3 untrusted");
  machine.wake();
  machine.note_attempt();
  machine.resolved();
  machine.fsm.on_lost(machine.now, "refused", machine.out);
  machine.trace();
  EXPECT_FALSE(machine.fsm.untrusted());
  EXPECT_FALSE(machine.fsm.unfit());
}

TEST(ConnectionSecuring, AnotherAddressMayHaveABetterCertificate) {
  Machine machine(over_tls());
  machine.submit(1, 60s, 0, "PING", true);
  reach(machine, {"1.1.1.1", "2.2.2.2"});
  machine.fsm.on_untrusted(machine.now, "it has expired", machine.out);
  EXPECT_EQ(machine.trace(), "close; connect 2.2.2.2:6379");
  machine.fsm.on_securing(machine.now);
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.answer_setup();
  EXPECT_EQ(machine.fsm.state(), LaneState::ready);
  EXPECT_FALSE(machine.fsm.unfit());
}

TEST(ConnectionSecuring, ARefusalInTheSetupIsOneToo) {
  Machine machine(over_tls());
  machine.submit(1, 60s, 0, "PING", true);
  reach(machine);
  machine.fsm.on_connected(machine.now, machine.out);
  machine.write();
  machine.trace();
  machine.fsm.on_untrusted(machine.now, "it wants a certificate", machine.out);
  EXPECT_EQ(machine.trace(), "close; attempt_failed unfit; fail 1 untrusted");
}

TEST(ConnectionSecuring, OnceUsableItsEndIsOneAsAnyOther) {
  Machine machine(over_tls());
  machine.make_ready();
  machine.submit(7, 60s);
  machine.write();
  machine.fsm.on_untrusted(machine.now, "bad record mac", machine.out);
  EXPECT_EQ(machine.trace(), "close; fail 7 outcome_unknown; lost");
  EXPECT_FALSE(machine.fsm.untrusted());
}

}  // namespace
}  // namespace mx_rmq::redis
