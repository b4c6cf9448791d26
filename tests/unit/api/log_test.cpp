#include "runtime/log.hpp"

#include <gtest/gtest.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/text.hpp"
#include "runtime/utf8.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
namespace log = runtime::log;

/// Collects lines and puts level and sink back at the end.
class LogTest : public testing::Test {
 protected:
  LogTest() {
    set_log_sink([this](LogLevel level, std::string_view line) {
      lines_.push_back(std::string(to_string(level)) + ": " + std::string(line));
    });
  }
  ~LogTest() override {
    set_log_sink({});
    set_log_level(LogLevel::info);
  }

  std::vector<std::string> lines_;
};

using Lines = std::vector<std::string>;

TEST_F(LogTest, DefaultLevelIsInfo) {
  EXPECT_EQ(log_level(), LogLevel::info);
  log::debug("not this");
  log::info("this");
  EXPECT_EQ(lines_, Lines{"info: this"});
}

TEST_F(LogTest, EachLevelLetsThroughItselfAndWhatIsAboveIt) {
  const LogLevel levels[] = {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warn,
                             LogLevel::error};
  for (const LogLevel level : levels) {
    lines_.clear();
    set_log_level(level);
    log::trace("x");
    log::debug("x");
    log::info("x");
    log::warn("x");
    log::error("x");
    EXPECT_EQ(lines_.size(), 5 - static_cast<std::size_t>(level));
    EXPECT_EQ(lines_.front(), std::string(to_string(level)) + ": x");
  }
  lines_.clear();
  silence_log();
  EXPECT_EQ(log_level(), LogLevel::off);
  log::error("x");
  EXPECT_TRUE(lines_.empty());
}

TEST_F(LogTest, ValuesOfEveryKindBecomePairs) {
  const std::string text = "two words";
  const char* null = nullptr;
  log::info("all kinds", "word", "orders.eu", "text", text, "empty", "", "null", null, "int", -5,
            "big", std::numeric_limits<std::uint64_t>::max(), "flag", true, "real", 0.25, "wait",
            1500us);
  EXPECT_EQ(lines_.at(0),
            "info: all kinds word=orders.eu text=\"two words\" empty=\"\" null=(null) int=-5 "
            "big=18446744073709551615 flag=true real=0.25 wait=1.5ms");
}

TEST_F(LogTest, ValuesCannotForgeALineOrMoveTheCursor) {
  log::warn("refused", "id", std::string("a\n[error] forged\r\t\x1b[2J\x7f\0z", 25), "quote",
            "say \"hi\" \\ k=v", "bad", "\xff\xc0\xaf", "c1", "\xc2\x9b", "bidi", "\xe2\x80\xae");
  EXPECT_EQ(lines_.at(0),
            "warn: refused id=\"a\\n[error] forged\\r\\t\\x1b[2J\\x7f\\x00z\" "
            "quote=\"say \\\"hi\\\" \\\\ k=v\" bad=\"\\xff\\xc0\\xaf\" c1=\"\\xc2\\x9b\" "
            "bidi=\"\\xe2\\x80\\xae\"");
}

TEST_F(LogTest, ReadableTextOfOtherScriptsStaysReadable) {
  log::info("топик создан", "topic", "заказы", "emoji", "\U0001F600");
  EXPECT_EQ(lines_.at(0), "info: топик создан topic=\"заказы\" emoji=\"\U0001F600\"");
}

TEST_F(LogTest, NothingIsFormattedBelowTheLevel) {
  struct Counting {
    std::atomic<int>* count;
    operator log::Value() const {  // NOLINT: how values are made
      ++*count;
      return log::Value(1);
    }
  };
  std::atomic<int> made{0};
  log::debug("x", "k", Counting{&made});
  EXPECT_EQ(made, 0);
  log::info("x", "k", Counting{&made});
  EXPECT_EQ(made, 1);
}

TEST_F(LogTest, ASinkThatThrowsLosesItsLineOnly) {
  const auto before = log::lost_lines();
  set_log_sink([](LogLevel, std::string_view) { throw std::runtime_error("full"); });
  log::info("lost");
  EXPECT_EQ(log::lost_lines(), before + 1);
  std::string seen;
  set_log_sink([&](LogLevel, std::string_view line) { seen = line; });
  log::info("kept");
  EXPECT_EQ(seen, "kept");
}

TEST_F(LogTest, ASinkMayMakeTheLibraryLogAndMayReplaceItself) {
  int calls = 0;
  std::string second;
  set_log_sink([&](LogLevel, std::string_view) {
    ++calls;
    log::error("from inside");  // dropped, no endless recursion
    set_log_sink([&](LogLevel, std::string_view line) { second = line; });
  });
  log::info("one");
  log::info("two");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(second, "two");
}

TEST_F(LogTest, SinksAreCalledOneAtATimeAndNeverAfterTheyWereReplaced) {
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  std::atomic<bool> stop{false};
  auto alive = std::make_unique<std::atomic<int>>(0);
  set_log_sink([&, target = alive.get()](LogLevel, std::string_view) {
    if (++inside != 1) overlapped = true;
    ++*target;
    --inside;
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) log::info("line", "n", 1);
    });
  while (alive->load() < 100) std::this_thread::yield();
  set_log_sink([](LogLevel, std::string_view) {});
  alive.reset();  // a late call of the first sink would write to freed memory
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(overlapped);
}

struct Capture : spdlog::sinks::base_sink<std::mutex> {
  std::vector<std::string> lines;
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines.emplace_back(message.payload.data(), message.payload.size());
  }
  void flush_() override {}
};

TEST_F(LogTest, AnEmptySinkGoesToTheProgramsLoggerOfThatNameIfThereIsOne) {
  const auto capture = std::make_shared<Capture>();
  spdlog::register_logger(std::make_shared<spdlog::logger>("mx_rmq", capture));
  set_log_sink({});
  log::warn("for the program's own logger", "n", 1);
  spdlog::drop("mx_rmq");
  EXPECT_EQ(capture->lines, Lines{"for the program's own logger n=1"});
}

TEST_F(LogTest, TheProgramsLoggerMayBeRegisteredDroppedAndReplacedAtAnyTime) {
  set_log_sink({});
  testing::internal::CaptureStderr();
  log::warn("before");
  const auto first = std::make_shared<Capture>();
  spdlog::register_logger(std::make_shared<spdlog::logger>("mx_rmq", first));
  log::warn("registered");
  spdlog::drop("mx_rmq");
  log::warn("dropped");
  const auto second = std::make_shared<Capture>();
  spdlog::register_logger(std::make_shared<spdlog::logger>("mx_rmq", second));
  log::warn("replaced");
  spdlog::drop("mx_rmq");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(first->lines, Lines{"registered"});
  EXPECT_EQ(second->lines, Lines{"replaced"});
  EXPECT_NE(text.find("before\n"), std::string::npos) << text;
  EXPECT_NE(text.find("dropped\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("registered"), std::string::npos) << text;
  EXPECT_EQ(text.find("replaced"), std::string::npos) << text;
}

/// Logs in static destruction, after spdlog's registry has gone if that was made later.
struct LogsAtTheEnd {
  ~LogsAtTheEnd() { log::warn("at the end of the process"); }
};

TEST(LogDeathTest, StaticObjectsMayLogAfterTheRegistryHasGone) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        static const LogsAtTheEnd late{};  // destroyed after what is made below
        log::warn("makes the registry");   // in a program of its own it is the first to do so
        std::exit(0);
      },
      testing::ExitedWithCode(0), "makes the registry\n.*at the end of the process\n");
}

TEST_F(LogTest, WithoutASinkLinesGoToStderrUnderTheLibrarysName) {
  set_log_sink({});
  testing::internal::CaptureStderr();
  log::warn("to stderr {} %s", "n", 1);  // braces are not a format
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("[mx_rmq]"), std::string::npos) << text;
  EXPECT_NE(text.find("to stderr {} %s n=1\n"), std::string::npos) << text;
  EXPECT_NE(spdlog::default_logger()->name(), "mx_rmq");
}

TEST_F(LogTest, AFloodIsOneLineAnIntervalWithTheNumberLeftOut) {
  log::Every gate(1h);
  for (int i = 0; i < 1000; ++i) log::warn(gate, "refused", "code", "OOM");
  EXPECT_EQ(lines_, Lines{"warn: refused code=OOM"});
  EXPECT_EQ(gate.take_suppressed(), 999U);

  log::Every fast(0ns);
  log::info(fast, "a");
  log::error(fast, "b");
  EXPECT_EQ(lines_.size(), 3U);
}

TEST_F(LogTest, TheNextLineAfterAFloodTellsHowManyWereLeftOut) {
  log::Every gate(50ms);
  log::warn(gate, "refused");
  log::warn(gate, "refused");
  log::warn(gate, "refused");
  while (lines_.size() < 2) log::warn(gate, "refused");
  EXPECT_EQ(lines_[0], "warn: refused");
  EXPECT_TRUE(lines_[1].starts_with("warn: refused suppressed=")) << lines_[1];
}

TEST(LogEvery, AllowsOncePerIntervalByTheGivenTime) {
  log::Every gate(10s);
  const log::Every::Clock::time_point start{};
  EXPECT_TRUE(gate.allow_at(start));
  EXPECT_FALSE(gate.allow_at(start + 9'999ms));
  EXPECT_TRUE(gate.allow_at(start + 10s));
  EXPECT_FALSE(gate.allow_at(start + 19s));
  EXPECT_EQ(gate.take_suppressed(), 2U);
  EXPECT_EQ(gate.take_suppressed(), 0U);
}

TEST(Utf8, AcceptsExactlyWhatRfc3629Allows) {
  using runtime::utf8::valid;
  EXPECT_TRUE(valid(""));
  EXPECT_TRUE(valid(std::string_view("\0", 1)));
  EXPECT_TRUE(
      valid("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf",
                          "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80", "\xff", "\xc2", "\xe2\x82", "\xf0\x9f\x98", "a\xc2z"})
    EXPECT_FALSE(valid(bad)) << testing::PrintToString(bad);
  EXPECT_EQ(runtime::utf8::find_invalid("ab\xff"), 2U);
}

TEST(Text, QuotedCutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(runtime::text::quoted("a\"b"), "\"a\\\"b\"");
  EXPECT_EQ(runtime::text::quoted("ж", 1), "\"\"...");
  EXPECT_EQ(runtime::text::quoted("aж", 2), "\"a\"...");
  EXPECT_EQ(runtime::text::quoted("aжb", 3), "\"aж\"...");
  // What is shown is capped, though escapes are longer than what they stand for.
  EXPECT_EQ(runtime::text::quoted("\xff\xff\xff", 9), "\"\\xff\\xff\"...");
  EXPECT_EQ(runtime::text::quoted("\xff\xff", 8), "\"\\xff\\xff\"");
  EXPECT_EQ(runtime::text::quoted(std::string(1'000, '\x01')).size(), 100 + 5U);
}

}  // namespace
}  // namespace mx_rmq
