// What is set for a topic: kept in Redis, seen by every queue, refused where it cannot be kept to.
#include <functional>
#include <set>
#include <stdexcept>
#include <string>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueSettings : public QueueTest {};

// The text of the std::invalid_argument that it throws by itself, before anything is awaited.
std::string refused_at_once(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

// What Redis refused, as "<code>: <text>".
std::string refused_by_redis(const std::function<void()>& call) {
  try {
    call();
  } catch (const ServerError& error) {
    return error.code() + ": " + error.what();
  }
  return "";
}

TEST_F(QueueSettings, WhatOneQueueSetsAnotherSees) {
  RedisMessageQueue one(config());
  RedisMessageQueue other(config());
  EXPECT_EQ(sync_wait(one.settings("new")).partitions(), 1) << "nothing is set, nor need it exist";
  EXPECT_EQ(server().command({"EXISTS", key_of("new", "settings")}).num(), 0) << "looking is free";
  sync_wait(one.configure("new", TopicSettings{}.partitions(16)));
  EXPECT_EQ(sync_wait(other.settings("new")).partitions(), 16);
  sync_wait(other.configure("new", TopicSettings{}.partitions(32)));
  EXPECT_EQ(sync_wait(one.settings("new")).partitions(), 32);
  EXPECT_EQ(sync_wait(one.settings("another")).partitions(), 1);
}

TEST_F(QueueSettings, ATopicThatIsConfiguredIsOneThatToolsSee) {
  RedisMessageQueue queue(config());
  sync_wait(queue.configure("new", TopicSettings{}.partitions(2)));
  EXPECT_TRUE(wait_for(patience, [&] {
    return server().command({"SISMEMBER", "mx:topics", "new"}).num() == 1;
  }));
}

TEST_F(QueueSettings, SettingWhatIsSetChangesNothing) {
  RedisMessageQueue queue(config());
  const auto version = [&] {
    return server().command({"HGET", key_of("t", "settings"), "version"});
  };
  sync_wait(queue.configure("t", TopicSettings{}));
  sync_wait(queue.configure("t", TopicSettings{}.partitions(1)));
  EXPECT_TRUE(version().is_nil());
  sync_wait(queue.configure("t", TopicSettings{}.partitions(4)));
  const std::string first = version().str();
  sync_wait(queue.configure("t", TopicSettings{}.partitions(4)));
  sync_wait(queue.configure("t", TopicSettings{}));
  EXPECT_EQ(version().str(), first);
  sync_wait(queue.configure("t", TopicSettings{}.partitions(5)));
  EXPECT_GT(std::stoll(version().str()), std::stoll(first));
}

TEST_F(QueueSettings, FewerPartitionsThanThereAreAreRefusedWithTheReason) {
  RedisMessageQueue queue(config());
  sync_wait(queue.configure("t", TopicSettings{}.partitions(8)));
  const std::string why =
      refused_by_redis([&] { sync_wait(queue.configure("t", TopicSettings{}.partitions(7))); });
  EXPECT_TRUE(why.starts_with("SETTINGS: partitions: topic t has 8, and 7 would be fewer")) << why;
  EXPECT_NE(why.find("new topic"), std::string::npos) << "what to do: " << why;
  EXPECT_EQ(sync_wait(queue.settings("t")).partitions(), 8);
}

TEST_F(QueueSettings, WhatIsOutOfRangeOrNotKnownYetIsRefusedBeforeAnythingIsSent) {
  RedisMessageQueue queue(quick_config("redis://nowhere.invalid"));
  const auto refused = [&](const TopicSettings& settings) {
    return refused_at_once([&] { static_cast<void>(queue.configure("t", settings)); });
  };
  EXPECT_EQ(refused(TopicSettings{}.partitions(0)), "partitions: 0 is not allowed; 1 to 1024 are");
  EXPECT_EQ(refused(TopicSettings{}.partitions(1025)),
            "partitions: 1025 is not allowed; 1 to 1024 are");
  const std::map<std::string, TopicSettings> later{
      {"rate", TopicSettings{}.rate(100, 1s)},
      {"concurrency", TopicSettings{}.partitions(2).concurrency(5)},
      {"max_length", TopicSettings{}.max_length(1000, WhenFull::drop_oldest)},
      {"group_concurrency", TopicSettings{}.group_concurrency(2)},
      {"group_rate", TopicSettings{}.group_rate(1, 1.5s)}};
  for (const auto& [name, settings] : later) {
    const std::string why = refused(settings);
    EXPECT_TRUE(why.starts_with(name + ": it cannot be set yet")) << why;
  }
  EXPECT_NE(refused_at_once([&] { static_cast<void>(queue.configure("a b", {})); }), "");
  EXPECT_NE(refused_at_once([&] { static_cast<void>(queue.settings("")); }), "");
}

TEST_F(QueueSettings, StoredSettingsThatNobodyCanReadAreToldAndNotOverwritten) {
  RedisMessageQueue queue(config());
  server().command({"HSET", key_of("t", "settings"), "version", "5", "partitions", "many"});
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { static_cast<void>(sync_wait(queue.settings("t"))); },
           [&] { sync_wait(queue.configure("t", TopicSettings{}.partitions(9))); }}) {
    const std::string why = refused_by_redis(call);
    EXPECT_TRUE(why.starts_with("SETTINGS: settings of topic t: 'partitions' in Redis")) << why;
  }
  EXPECT_EQ(server().command({"HGET", key_of("t", "settings"), "partitions"}).str(), "many");
  // Messages go on all the while.
  auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  produce(queue, "t", 1);
  EXPECT_TRUE(journal->wait_size(1));
  sync_wait(queue.stop());
}

TEST_F(QueueSettings, ForgettingATopicLeavesWhatIsSetForIt) {
  RedisMessageQueue queue(config());
  sync_wait(queue.configure("t", TopicSettings{}.partitions(2)));
  EXPECT_TRUE(sync_wait(queue.forget("t")));
  EXPECT_EQ(sync_wait(queue.settings("t")).partitions(), 2);
}

TEST(TopicSettings, TellsWhatWasSetAndNothingElse) {
  TopicSettings settings;
  EXPECT_FALSE(settings.partitions() || settings.rate() || settings.concurrency() ||
               settings.max_length() || settings.group_concurrency() || settings.group_rate());
  settings.partitions(3).rate(5, 1500us).concurrency(7).max_length(9).group_concurrency(2);
  settings.group_rate(1, 2s);
  EXPECT_EQ(settings.partitions(), 3);
  EXPECT_EQ(settings.rate(), (TopicSettings::Rate{5, 2ms})) << "rounded up";
  EXPECT_EQ(settings.concurrency(), 7);
  EXPECT_EQ(settings.max_length(), (TopicSettings::MaxLength{9, WhenFull::reject}));
  EXPECT_EQ(settings.group_concurrency(), 2);
  EXPECT_EQ(settings.group_rate(), (TopicSettings::Rate{1, 2000ms}));
  EXPECT_NE(settings, TopicSettings());
}

}  // namespace
}  // namespace mx_rmq::test
