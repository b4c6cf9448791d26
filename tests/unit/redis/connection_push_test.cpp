// A connection in subscribe mode: what the server sends unasked is told apart from its replies.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "redis/connection/connection_fsm.hpp"
#include "unit/redis/machine.hpp"

namespace mx_rmq::redis {
namespace {

Reply push(std::vector<std::string> words) { return Machine::role(std::move(words)); }

class ListeningConnection : public ::testing::Test {
 protected:
  ListeningConnection() {
    machine.fsm.listen();
    machine.make_ready();
  }
  void submit(WaiterToken waiter) {
    machine.submit(waiter, 5s, machine.fsm.epoch(), "SUBSCRIBE");
    machine.write();
  }
  std::string came(std::vector<std::string> words) {
    machine.reply(push(std::move(words)));
    const std::string text = machine.trace();
    return text.substr(0, text.find(' ', text.find(' ') + 1));  // "reply 2" or "push array"
  }

  Machine machine{};
};

TEST_F(ListeningConnection, MessagesAreNoAnswersWhateverIsUnderWay) {
  EXPECT_TRUE(came({"message", "c", "x"}).starts_with("push"));
  submit(subscribe_token);
  EXPECT_TRUE(came({"smessage", "c", "x"}).starts_with("push"));
  EXPECT_EQ(came({"subscribe", "c", "1"}), "reply 2");
  EXPECT_TRUE(came({"message", "c", "x"}).starts_with("push"));
}

TEST_F(ListeningConnection, ThatTheServerUnsubscribedUsIsTheAnswerOnlyOfAnUnsubscribe) {
  submit(subscribe_token);
  submit(unsubscribe_token);
  EXPECT_TRUE(came({"sunsubscribe", "c", "0"}).starts_with("push"));
  EXPECT_EQ(came({"subscribe", "c", "1"}), "reply 2");
  EXPECT_EQ(came({"unsubscribe", "c", "0"}), "reply 3");
  EXPECT_TRUE(came({"unsubscribe", "c", "0"}).starts_with("push"));
}

TEST_F(ListeningConnection, AnAnswerThatNobodyWaitsForEndsTheConnectionHereToo) {
  EXPECT_EQ(came({"subscribe", "c", "1"}), "close; lost");
}

TEST(PlainConnection, TakesAMessageForAnAnswer) {
  Machine machine;
  machine.make_ready();
  machine.submit(7);
  machine.write();
  machine.reply(push({"message", "c", "x"}));
  EXPECT_TRUE(machine.trace().starts_with("reply 7"));
}

}  // namespace
}  // namespace mx_rmq::redis
