#include "redis/topology/sentinel_replies.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "redis/topology/master_choice.hpp"

namespace mx_rmq::redis {
namespace {

using api::HostPort;

Reply words(std::vector<std::string> texts) {
  std::vector<Reply> items;
  for (std::string& each : texts) items.push_back(Reply::string(std::move(each)));
  return Reply::array(std::move(items));
}

TEST(SentinelReplies, ReadWhatSentinelsSay) {
  EXPECT_EQ(read_master_address(words({"10.0.0.1", "6379"})), (HostPort{"10.0.0.1", 6379}));
  EXPECT_EQ(read_master_address(words({"::1", "6379"})), (HostPort{"::1", 6379}));
  EXPECT_EQ(read_master_address(words({"redis-0.redis", "7"})), (HostPort{"redis-0.redis", 7}));
  EXPECT_EQ(read_config_epoch(words({"name", "m", "config-epoch", "12", "x", "y"})), 12U);
  std::vector<Reply> others;
  others.push_back(words({"name", "aa", "ip", "10.0.0.2", "port", "26379"}));
  others.push_back(words({"name", "bb", "port", "26379"}));
  others.push_back(words({"ip", "10.0.0.3", "port", "26380", "odd"}));
  EXPECT_EQ(read_sentinels(Reply::array(std::move(others))),
            (std::vector<HostPort>{{"10.0.0.2", 26379}, {"10.0.0.3", 26380}}));
}

TEST(SentinelReplies, OtherShapesTellNothing) {
  std::vector<Reply> shapes;
  shapes.push_back(Reply::nil());
  shapes.push_back(Reply::error("ERR No such master with that name"));
  shapes.push_back(Reply::integer(1));
  shapes.push_back(Reply::array());
  shapes.push_back(words({"10.0.0.1"}));
  shapes.push_back(words({"10.0.0.1", "port"}));
  shapes.push_back(words({"10.0.0.1", "0"}));
  shapes.push_back(words({"10.0.0.1", "99999"}));
  shapes.push_back(words({"", "1"}));
  shapes.push_back(words({"a b", "1"}));
  shapes.push_back(words({"h", "1", "config-epoch"}));
  shapes.push_back(words({"config-epoch", "-1"}));
  for (const Reply& each : shapes) {
    SCOPED_TRACE(each.describe());
    EXPECT_FALSE(read_master_address(each));
    EXPECT_FALSE(read_config_epoch(each));
    EXPECT_TRUE(read_sentinels(each).empty());
  }
}

TEST(SentinelReplies, MessagesAreHeardOnlyOfTheirMaster) {
  const std::string message = "mymaster 10.0.0.1 6379 10.0.0.2 6380";
  EXPECT_TRUE(tells_switch(message, "mymaster"));
  EXPECT_FALSE(tells_switch(message, "my"));
  EXPECT_FALSE(tells_switch(message, "other"));
  const std::string promoted = "slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 6379";
  EXPECT_TRUE(tells_promotion(promoted, "mymaster"));
  EXPECT_FALSE(tells_promotion(promoted, "my"));
  EXPECT_FALSE(tells_promotion(promoted, "slave"));
  for (const char* const bad : {"", "mymaster", "@", " @ ", "x @ mymaster"}) {
    EXPECT_FALSE(tells_switch(bad, "mymaster")) << bad;
    EXPECT_FALSE(tells_promotion(bad, "mymaster")) << bad;
  }
}

// --- the choice ---

const HostPort old_one{"old", 1};
const HostPort new_one{"new", 2};

TEST(MasterChoice, TheFirstAnswerOfAKnownEpochIsEnough) {
  MasterChoice choice(5, {});
  EXPECT_TRUE(choice.add({old_one, 5}));
  EXPECT_EQ(choice.best(), 0U);
}

TEST(MasterChoice, OneThatLagsIsNotEnoughAndTheHighestEpochWins) {
  MasterChoice choice(5, {});
  EXPECT_FALSE(choice.add({old_one, 4}));
  EXPECT_EQ(choice.best(), 0U) << "if nobody else answers";
  EXPECT_TRUE(choice.add({new_one, 6}));
  EXPECT_EQ(choice.word(*choice.best()).master, new_one);
}

TEST(MasterChoice, WhereNobodyTellsItsEpochMostSentinelsDecide) {
  MasterChoice choice(0, {});
  EXPECT_FALSE(choice.add({old_one, {}}));
  EXPECT_FALSE(choice.add({new_one, {}}));
  EXPECT_FALSE(choice.add({new_one, {}}));
  EXPECT_EQ(choice.word(*choice.best()).master, new_one);
  EXPECT_TRUE(choice.add({old_one, 1})) << "who tells one knows more";
  EXPECT_EQ(choice.word(*choice.best()).master, old_one);
}

TEST(MasterChoice, WhatWasFoundToBeNoMasterIsTheLastChoice) {
  MasterChoice choice(1, old_one);
  EXPECT_FALSE(choice.add({old_one, 9}));
  EXPECT_EQ(choice.word(*choice.best()).master, old_one);
  EXPECT_TRUE(choice.add({new_one, 2}));
  EXPECT_EQ(choice.word(*choice.best()).master, new_one);
  EXPECT_FALSE(MasterChoice(0, {}).best());
}

}  // namespace
}  // namespace mx_rmq::redis
