#include "broker/history.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "broker/dead_letter_store.hpp"
#include "broker/envelope.hpp"

namespace mx_rmq::broker {
namespace {

using namespace std::string_literals;

TEST(History, GrowsByOneAttemptAndKeepsTheLastError) {
  std::string history = append_history("", "first", 1'000, 100);
  EXPECT_EQ(history, R"(["first",[1000]])");
  history = append_history(history, "second", 2'000, 100);
  EXPECT_EQ(history, R"(["second",[1000,2000]])");
  const auto read = parse_history(history);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->last_error, "second");
  EXPECT_EQ(read->started_at, (std::vector<std::int64_t>{1'000, 2'000}));
  EXPECT_EQ(with_error(history, "expired", 100), R"(["expired",[1000,2000]])");
  EXPECT_EQ(with_error("", "bad", 100), R"(["bad",[]])");
}

TEST(History, KeepsTheNewest64Times) {
  std::string history;
  for (int i = 1; i <= 200; ++i) history = append_history(history, "e", i, 100);
  const auto read = parse_history(history);
  ASSERT_TRUE(read);
  std::vector<std::int64_t> want(64);
  std::iota(want.begin(), want.end(), 137);
  EXPECT_EQ(read->started_at, want);
}

TEST(History, ErrorsOfAnyBytesStayInOneLine) {
  const std::string error = "a\n\t\r\0\x1B[1m\x7F \"q\" \\ [9,9]] \xC3\xA4 \xFF\xC3"s;
  const std::string history = append_history(append_history("", error, 5, 1'000), error, 6, 1'000);
  for (const char c : history) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << history;
  const auto read = parse_history(history);
  ASSERT_TRUE(read) << history;
  EXPECT_EQ(read->last_error,
            "a\n\t\r\0\x1B[1m\x7F \"q\" \\ [9,9]] \xC3\xA4 \xEF\xBF\xBD\xEF\xBF\xBD"s);
  EXPECT_EQ(read->started_at, (std::vector<std::int64_t>{5, 6}));
}

TEST(History, CutsLongErrorsBetweenCharacters) {
  const std::string error = "ab\xC3\xA4\xC3\xA4";
  EXPECT_EQ(parse_history(append_history("", error, 1, 5))->last_error, "ab\xC3\xA4");
  EXPECT_EQ(parse_history(append_history("", error, 1, 4))->last_error, "ab\xC3\xA4");
  EXPECT_EQ(parse_history(append_history("", error, 1, 3))->last_error, "ab");
  EXPECT_EQ(parse_history(append_history("", error, 1, 0))->last_error, "");
}

TEST(History, WhatIsUnreadableIsDroppedNotPassedOn) {
  for (const char* bad : {"", "x", "[]", "[1,2]", R"(["e",[1,"2"]])", R"(["e",[1.5]])",
                          R"(["e",[18446744073709551615]])", R"(["e",[1],3])", "[[[[[[[[",
                          R"(["e",[007]])", R"(["e",[1,]])", R"(["e",[,1]])", R"(["e",[1,,2]])"}) {
    EXPECT_FALSE(parse_history(bad)) << bad;
    EXPECT_EQ(append_history(bad, "n", 3, 10), R"(["n",[3]])") << bad;
  }
  EXPECT_EQ(append_history(R"(["e",["1"]])", "n", 3, 10), R"(["n",[3]])");
  EXPECT_EQ(append_history("garbage]]", "n", 3, 10), R"(["n",[3]])");
  const std::string deep(200'000, '[');
  EXPECT_FALSE(parse_history(deep));
}

StoredDeadLetter stored(std::string value) {
  StoredDeadLetter out;
  out.member = "m";
  out.dead_at = 9;
  out.value = std::move(value);
  return out;
}

TEST(DeadLetterRecord, TakesErrorAndTimesFromTheLine) {
  EnvelopeView view;
  view.id = "m";
  view.history = R"(["older",[1]])";
  view.payload = "1\n2";
  const std::string envelope = encode_envelope(view);
  const auto record =
      read_dead_letter(stored(dead_line("retries", R"(["last",[1,2]])") + "\n" + envelope));
  EXPECT_EQ(record.member, "m");
  EXPECT_EQ(record.dead_at, 9);
  EXPECT_EQ(record.reason, "retries");
  EXPECT_EQ(record.last_error, "last");
  EXPECT_EQ(record.started_at, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(record.envelope, envelope);
}

TEST(DeadLetterRecord, TakesThemFromTheEnvelopeIfAScriptBuriedIt) {
  EnvelopeView view;
  view.history = R"(["boom",[4]])";
  const auto record = read_dead_letter(stored("expired\t\n" + encode_envelope(view)));
  EXPECT_EQ(record.reason, "expired");
  EXPECT_EQ(record.last_error, "boom");
  EXPECT_EQ(record.started_at, (std::vector<std::int64_t>{4}));
}

TEST(DeadLetterRecord, KeepsWhatIsNoEnvelopeByteForByte) {
  const std::string garbage = "\xFF\n\0 mx1"s;
  const auto record = read_dead_letter(stored("decode\t\n"s + garbage));
  EXPECT_EQ(record.reason, "decode");
  EXPECT_EQ(record.envelope, garbage);
  EXPECT_TRUE(record.last_error.empty());
  EXPECT_TRUE(read_dead_letter(stored("no newline at all")).envelope.empty());
  EXPECT_EQ(read_dead_letter(stored("")).reason, "");
}

}  // namespace
}  // namespace mx_rmq::broker
