#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/metrics.hpp"
#include "mx_rmq/sync_wait.hpp"

namespace mx_rmq {
namespace {

/// Writes down what it is asked; tells when it is destroyed.
class RecordingOps : public detail::DeadLetterOps, public detail::MetricsOps {
 public:
  RecordingOps(std::vector<std::string>* calls, bool* destroyed)
      : calls_(calls), destroyed_(destroyed) {}
  ~RecordingOps() override { *destroyed_ = true; }

  Task<std::int64_t> count(std::string topic) override {
    calls_->push_back("count " + topic);
    co_return 7;
  }
  Task<std::vector<DeadLetter>> list(std::string topic, std::int64_t offset,
                                     std::int64_t count) override {
    calls_->push_back("list " + topic + ' ' + std::to_string(offset) + ' ' + std::to_string(count));
    std::vector<DeadLetter> letters(1);
    letters[0].reason = "retries";
    co_return letters;
  }
  Task<std::optional<DeadLetter>> get(std::string topic, std::string id) override {
    calls_->push_back("get " + topic + ' ' + id);
    co_return std::nullopt;
  }
  Task<bool> requeue(std::string topic, std::string id) override {
    calls_->push_back("requeue " + topic + ' ' + id);
    co_return true;
  }
  Task<std::int64_t> requeue_all(std::string topic) override {
    calls_->push_back("requeue_all " + topic);
    co_return 2;
  }
  Task<bool> remove(std::string topic, std::string id) override {
    calls_->push_back("remove " + topic + ' ' + id);
    co_return false;
  }
  Task<std::int64_t> purge(std::string topic) override {
    calls_->push_back("purge " + topic);
    co_return 3;
  }
  Task<MetricsSnapshot> collect(std::vector<std::string> topics) override {
    std::string all = "collect";
    for (const std::string& topic : topics) all += ' ' + topic;
    calls_->push_back(all);
    co_return MetricsSnapshot();
  }

 private:
  std::vector<std::string>* calls_;
  bool* destroyed_;
};

struct Fixture {
  std::vector<std::string> calls;
  bool destroyed = false;
  std::shared_ptr<RecordingOps> ops = std::make_shared<RecordingOps>(&calls, &destroyed);
};

TEST(DeadLetterQueue, PassesEachCallOn) {
  Fixture f;
  DeadLetterQueue letters(f.ops);
  EXPECT_EQ(sync_wait(letters.count("t")), 7);
  EXPECT_EQ(sync_wait(letters.list("t")).at(0).reason, "retries");
  EXPECT_EQ(sync_wait(letters.list("t", 5, 0)).size(), 1U);
  EXPECT_FALSE(sync_wait(letters.get("t", "i")).has_value());
  EXPECT_TRUE(sync_wait(letters.requeue("t", "i")));
  EXPECT_EQ(sync_wait(letters.requeue_all("t")), 2);
  EXPECT_FALSE(sync_wait(letters.remove("t", "i")));
  EXPECT_EQ(sync_wait(letters.purge("t")), 3);
  EXPECT_EQ(f.calls,
            (std::vector<std::string>{"count t", "list t 0 100", "list t 5 0", "get t i",
                                      "requeue t i", "requeue_all t", "remove t i", "purge t"}));
}

TEST(DeadLetterQueue, RefusesBadArgumentsAtOnceAndAsksNothing) {
  Fixture f;
  DeadLetterQueue letters(f.ops);
  const std::string bad = "a b";
  EXPECT_THROW((void)letters.count(bad), std::invalid_argument);
  EXPECT_THROW((void)letters.list(bad), std::invalid_argument);
  EXPECT_THROW((void)letters.list("t", -1), std::invalid_argument);
  EXPECT_THROW((void)letters.list("t", 0, -1), std::invalid_argument);
  EXPECT_THROW((void)letters.get(bad, "i"), std::invalid_argument);
  EXPECT_THROW((void)letters.get("t", ""), std::invalid_argument);
  EXPECT_THROW((void)letters.get("t", std::string(513, 'i')), std::invalid_argument);
  EXPECT_THROW((void)letters.requeue(bad, "i"), std::invalid_argument);
  EXPECT_THROW((void)letters.requeue("t", ""), std::invalid_argument);
  EXPECT_THROW((void)letters.requeue_all(bad), std::invalid_argument);
  EXPECT_THROW((void)letters.remove(bad, "i"), std::invalid_argument);
  EXPECT_THROW((void)letters.remove("t", ""), std::invalid_argument);
  EXPECT_THROW((void)letters.purge(bad), std::invalid_argument);
  EXPECT_THROW(DeadLetterQueue(nullptr), std::invalid_argument);
  EXPECT_TRUE(f.calls.empty());
}

TEST(DeadLetterQueue, ATaskMayOutliveItsHandle) {
  Fixture f;
  std::optional<DeadLetterQueue> letters(f.ops);
  f.ops.reset();
  {
    Task<std::int64_t> task = letters->count("t");
    letters.reset();
    EXPECT_FALSE(f.destroyed);
    EXPECT_EQ(sync_wait(std::move(task)), 7);
  }
  EXPECT_TRUE(f.destroyed);
}

TEST(MetricsCollector, AsksForEachTopicOnceInOrder) {
  Fixture f;
  MetricsCollector metrics(f.ops);
  sync_wait(metrics.collect({"b", "a", "b"}));
  sync_wait(metrics.collect({}));
  EXPECT_EQ(f.calls, (std::vector<std::string>{"collect b a", "collect"}));
  EXPECT_THROW((void)metrics.collect({"a", "a b"}), std::invalid_argument);
  EXPECT_THROW(MetricsCollector(nullptr), std::invalid_argument);
  EXPECT_EQ(f.calls.size(), 2U);
}

}  // namespace
}  // namespace mx_rmq
