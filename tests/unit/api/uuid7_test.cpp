#include "api/uuid7.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace mx_rmq::api {
namespace {

std::string text_of(const Uuid7Text& id) { return {id.data(), id.size()}; }

TEST(Uuid7, HasVersionVariantAndTheTime) {
  const std::int64_t before = std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  const std::string id = make_uuid7();
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  EXPECT_TRUE(std::regex_match(id, form)) << id;
  const std::int64_t ms = std::stoll(id.substr(0, 8) + id.substr(9, 4), nullptr, 16);
  EXPECT_GE(ms, before);
  EXPECT_LT(ms, before + 60'000);
}

TEST(Uuid7, PutsBitsWhereTheStandardSays) {
  Uuid7Generator generator([] { return 0x0190163D8694; },
                           [] { return std::uint64_t{0xFEDCBA9876543210}; });
  // 12 bits 0x210 (top bit cleared), then the low 62 bits.
  EXPECT_EQ(text_of(generator.next()), "0190163d-8694-7210-bedc-ba9876543210");
  EXPECT_EQ(text_of(generator.next()), "0190163d-8694-7210-bedc-ba9876543211");
}

TEST(Uuid7, IncreasesWithinAMillisecondAndWhenTheClockStepsBack) {
  std::int64_t now = 1'700'000'000'000;
  std::uint64_t bits = 0;
  Uuid7Generator generator([&] { return now; }, [&] { return bits += 0x9E3779B97F4A7C15; });
  std::string last = text_of(generator.next());
  for (int i = 0; i < 10'000; ++i) {
    if (i % 100 == 50) now += 1;
    if (i % 1000 == 999) now -= 3600'000;
    if (i == 5000) now += 7200'000;
    const std::string next = text_of(generator.next());
    ASSERT_LT(last, next);
    last = next;
  }
}

TEST(Uuid7, OverflowOfTheCounterGoesToALaterMillisecond) {
  std::vector<std::uint64_t> bits = {0x7FF, ~std::uint64_t{0}};
  std::size_t at = 0;
  Uuid7Generator generator([] { return 5; }, [&] { return bits[at++ % bits.size()]; });
  std::string last = text_of(generator.next());
  EXPECT_EQ(last, "00000000-0005-77ff-bfff-ffffffffffff");
  const std::string carried = text_of(generator.next());
  EXPECT_EQ(carried, "00000000-0005-7800-8000-000000000000");
}

TEST(Uuid7, IsUniqueAndOrderedPerThreadUnderManyThreads) {
  constexpr int threads = 4;
  constexpr std::size_t each = 20'000;
  std::array<std::vector<std::string>, threads> made;
  std::vector<std::thread> workers;
  for (auto& mine : made)
    workers.emplace_back([&mine] {
      for (std::size_t i = 0; i < each; ++i) mine.push_back(make_uuid7());
    });
  for (std::thread& worker : workers) worker.join();
  std::set<std::string> all;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), threads * each);
}

TEST(Uuid7, AForkedChildMakesOtherIdsThanItsParent) {
  // Another thread makes ids all the while, so that the fork may fall into the middle of one.
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) (void)make_uuid7();
  });
  for (int round = 0; round < 20; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
      // No allocation: the other thread may have been inside a sanitizer's allocator, which stays
      // locked here.
      std::array<Uuid7Text, 50> ids;
      for (Uuid7Text& id : ids) id = make_uuid7_text();
      const bool written = write(ends[1], ids.data(), sizeof ids) == ssize_t{sizeof ids};
      _exit(written ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    close(ends[1]);
    std::set<std::string> mine;
    for (int i = 0; i < 50; ++i) mine.insert(make_uuid7());
    std::array<char, 36> id{};
    int count = 0;
    std::string pending;
    char buffer[4096];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
      pending.append(buffer, static_cast<std::size_t>(got));
    close(ends[0]);
    for (std::size_t at = 0; at + id.size() <= pending.size(); at += id.size(), ++count)
      EXPECT_FALSE(mine.contains(pending.substr(at, id.size())));
    EXPECT_EQ(count, 50);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  busy.join();
}

}  // namespace
}  // namespace mx_rmq::api
