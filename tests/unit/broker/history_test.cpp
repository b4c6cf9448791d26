#include "broker/data/history.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <string>

#include "broker/data/envelope.hpp"
#include "broker/dead_letter_store.hpp"

namespace mx_rmq::broker {
namespace {

using namespace std::string_literals;

std::string encoded(const std::string& error, std::size_t most) {
  History history;
  history.last_error = error;
  return encode_history(history, most);
}

TEST(History, GrowsByOneAttemptAndKeepsTheLastError) {
  History history;
  add_failure(history, "first", 1'000, 1'500);
  EXPECT_EQ(encode_history(history, 100), R"(["first",[1000],{"ended":1500}])");
  add_failure(history, "second", 2'000, 2'001);
  const std::string text = encode_history(history, 100);
  EXPECT_EQ(text, R"(["second",[1000,2000],{"ended":2001}])");
  EXPECT_EQ(parse_history(text), history);
}

TEST(History, AnInterruptionIsNoAttemptAndLeavesTheLastErrorAlone) {
  History history;
  add_interruption(history, 7);
  EXPECT_EQ(encode_history(history, 100), R"([null,[],{"interrupted":1,"begun":7}])");
  add_failure(history, "boom", 8, 9);
  add_interruption(history, 10);
  const std::string text = encode_history(history, 100);
  EXPECT_EQ(text, R"(["boom",[8],{"ended":9,"interrupted":2,"begun":10}])");
  EXPECT_EQ(parse_history(text), history);
}

TEST(History, EveryMemberSurvives) {
  History history;
  add_failure(history, "e", 1, 2);
  add_interruption(history, 3);
  history.requeued_at = 4;
  history.first_began = 1;
  history.failures = 5;
  history.max_retries = 0;
  history.retry_delays = {std::chrono::milliseconds(0), std::chrono::hours(24 * 365)};
  EXPECT_EQ(parse_history(encode_history(history, 100)), history);
}

TEST(History, ReadsWhatWasWrittenBeforeAndWhatIsWrittenByScripts) {
  const auto old = parse_history(R"(["second",[1000,2000]])");
  ASSERT_TRUE(old);
  EXPECT_EQ(old->last_error, "second");
  EXPECT_EQ(old->started_at, (std::vector<std::int64_t>{1'000, 2'000}));
  EXPECT_FALSE(old->ended_at);
  EXPECT_EQ(old->interruptions, 0);
  EXPECT_EQ(encode_history(*old, 100), R"(["second",[1000,2000]])");
  const auto requeued = parse_history(R"([null,[],{"requeued":1795372060445}])");
  ASSERT_TRUE(requeued);
  EXPECT_FALSE(requeued->last_error);
  EXPECT_EQ(requeued->requeued_at, 1'795'372'060'445);
  EXPECT_TRUE(parse_history(R"(["e",[1],{"of a later version":{"a":[1]}}])"));
}

TEST(History, KeepsTheNewest64Times) {
  History history;
  for (int i = 1; i <= 200; ++i) {
    add_failure(history, "e", i, i);
    history = parse_history(encode_history(history, 100)).value();
  }
  std::vector<std::int64_t> want(64);
  std::iota(want.begin(), want.end(), 137);
  EXPECT_EQ(history.started_at, want);
  EXPECT_EQ(first_began(history, 200), 1);
}

TEST(History, KnowsWhenTheFirstOfTheFailedAttemptsBegan) {
  History history;
  EXPECT_FALSE(first_began(history, 0));
  EXPECT_FALSE(first_began(history, 1));
  for (int i = 1; i <= 64; ++i) add_failure(history, "e", i, i);
  EXPECT_EQ(first_began(history, 64), 1);
  EXPECT_EQ(first_began(history, 3), 62);
  EXPECT_FALSE(history.first_began) << "it is among those that are kept";
  EXPECT_EQ(first_began(parse_history(R"(["e",[5,6]])").value(), 70), 5);
}

TEST(History, ErrorsOfAnyBytesStayInOneLine) {
  const std::string error = "a\n\t\r\0\x1B[1m\x7F \"q\" \\ [9,9]] \xC3\xA4 \xFF\xC3"s;
  History history;
  add_failure(history, error, 5, 6);
  const std::string text = encode_history(history, 1'000);
  for (const char c : text) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << text;
  const auto read = parse_history(text);
  ASSERT_TRUE(read) << text;
  EXPECT_EQ(read->last_error,
            "a\n\t\r\0\x1B[1m\x7F \"q\" \\ [9,9]] \xC3\xA4 \xEF\xBF\xBD\xEF\xBF\xBD"s);
  EXPECT_EQ(read->started_at, (std::vector<std::int64_t>{5}));
}

TEST(History, CutsLongErrorsBetweenCharacters) {
  const std::string error = "ab\xC3\xA4\xC3\xA4";
  EXPECT_EQ(parse_history(encoded(error, 5))->last_error, "ab\xC3\xA4");
  EXPECT_EQ(parse_history(encoded(error, 4))->last_error, "ab\xC3\xA4");
  EXPECT_EQ(parse_history(encoded(error, 3))->last_error, "ab");
  EXPECT_EQ(parse_history(encoded(error, 0))->last_error, "");
}

// Replacement characters are three times, and escaped controls six times, as long as what they
// stand for.
TEST(History, CapsWhatIsStoredAndNotWhatWasGiven) {
  for (const char c : {'x', '\xFF', '\x01', '\n', '"', '\\', '\x7F'}) {
    const std::string text = encoded(std::string(10'000, c), 4096);
    EXPECT_LE(text.size(), 4096 + R"(["",[]])"s.size()) << int{c};
    EXPECT_GT(text.size(), 4000U) << int{c};
    const auto read = parse_history(text);
    ASSERT_TRUE(read) << int{c};
    EXPECT_LE(read->last_error->size(), 4096U) << int{c};
  }
}

TEST(History, WhatIsUnreadableIsDroppedNotPassedOn) {
  for (const char* bad : {"",
                          "x",
                          "[]",
                          "[1,2]",
                          R"(["e",[1,"2"]])",
                          R"(["e",[1.5]])",
                          R"(["e",[-1]])",
                          R"(["e",[18446744073709551615]])",
                          R"(["e",[1],3])",
                          R"(["e",[1],{},{}])",
                          "[[[[[[[[",
                          R"(["e",[007]])",
                          R"(["e",[1,]])",
                          R"(["e",[,1]])",
                          R"(["e",[1,,2]])",
                          R"(["e",["1"]])",
                          "garbage]]",
                          R"(["e",[1],{"ended":-1}])",
                          R"(["e",[1],{"interrupted":2147483648}])",
                          R"(["e",[1],{"requeued":"1"}])",
                          R"(["e",[1],{"delays":3}])",
                          R"(["e",[1],{"delays":[1,null]}])"}) {
    EXPECT_FALSE(parse_history(bad)) << bad;
  }
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
  EXPECT_EQ(record.history.last_error, "last");
  EXPECT_EQ(record.history.started_at, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(record.envelope, envelope);
}

TEST(DeadLetterRecord, TakesThemFromTheEnvelopeIfAScriptBuriedIt) {
  EnvelopeView view;
  view.history = R"(["boom",[4]])";
  const auto record = read_dead_letter(stored("expired\t\n" + encode_envelope(view)));
  EXPECT_EQ(record.reason, "expired");
  EXPECT_EQ(record.history.last_error, "boom");
  EXPECT_EQ(record.history.started_at, (std::vector<std::int64_t>{4}));
}

TEST(DeadLetterRecord, KeepsWhatIsNoEnvelopeByteForByte) {
  const std::string garbage = "\xFF\n\0 mx1"s;
  const auto record = read_dead_letter(stored("decode\t\n"s + garbage));
  EXPECT_EQ(record.reason, "decode");
  EXPECT_EQ(record.envelope, garbage);
  EXPECT_EQ(record.history, History());
  EXPECT_TRUE(read_dead_letter(stored("no newline at all")).envelope.empty());
  EXPECT_EQ(read_dead_letter(stored("")).reason, "");
}

}  // namespace
}  // namespace mx_rmq::broker
