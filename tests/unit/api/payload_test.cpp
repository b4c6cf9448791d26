#include "api/payload.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>

#include "mx_rmq/detail/payload_decode_error.hpp"
#include "runtime/utf8.hpp"

namespace mx_rmq {
namespace {

using api::decode_payload;
using api::encode_payload;
using detail::PayloadDecodeError;
using nlohmann::json;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

std::string refusal(const json& payload, std::size_t cap = mebibyte) {
  try {
    const std::string text = encode_payload(payload, cap);
    return "accepted: " + text.substr(0, 40);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

std::string decode_error(std::string_view text) {
  try {
    return "accepted: " + decode_payload(text).dump().substr(0, 40);
  } catch (const PayloadDecodeError& error) {
    return error.what();
  }
}

/// `depth` arrays around nothing, or objects; built from inside out, so without recursion.
json nested(int depth, bool objects) {
  json value = objects ? json::object() : json::array();
  for (int i = 1; i < depth; ++i) {
    json outer = objects ? json::object() : json::array();
    if (objects)
      outer["a"] = std::move(value);
    else
      outer.push_back(std::move(value));
    value = std::move(outer);
  }
  return value;
}

TEST(Payload, SurvivesToTheByte) {
  const char* texts[] = {"{}",
                         "[]",
                         "null",
                         "\"\"",
                         "{\"a\":[],\"b\":{},\"c\":[[]]}",
                         "18446744073709551615",
                         "-9223372036854775808",
                         "9223372036854775807",
                         "[9007199254740993,-9007199254740993]",
                         "0.1",
                         "-0.0",
                         "1e-300",
                         "\"\\u0000\"",
                         "\"\\u0001\\n\\\"\\\\/\"",
                         "\"жλ\U0001F600\""};
  for (const char* text : texts) EXPECT_EQ(encode_payload(decode_payload(text), mebibyte), text);
}

TEST(Payload, KeepsNulAndBigStrings) {
  const std::string with_nul("a\0b", 3);
  json payload = {{"id", with_nul}, {"n", std::numeric_limits<std::uint64_t>::max()}};
  EXPECT_EQ(decode_payload(encode_payload(payload, mebibyte)), payload);
  const json big = std::string(mebibyte - 2, 'x');
  EXPECT_EQ(decode_payload(encode_payload(big, mebibyte)), big);
}

TEST(Payload, RefusesOneByteOverTheCapAndSaysWhichLimit) {
  const json payload = std::string(98, 'x');  // 100 with its quotes
  EXPECT_EQ(encode_payload(payload, 100).size(), 100U);
  EXPECT_EQ(refusal(payload, 99),
            "payload: it has 100 bytes as JSON, over the limit of 99 (max_payload_bytes)");
}

TEST(Payload, RefusesWhatJsonCannotTell) {
  EXPECT_EQ(refusal(std::nan("")), "payload: NaN and infinity are not JSON");
  EXPECT_EQ(refusal({{"a", {1, 2, -std::numeric_limits<double>::infinity()}}}),
            "payload: NaN and infinity are not JSON");
  EXPECT_EQ(refusal({{"k", json::binary({1, 2})}}),
            "payload: binary values are not JSON; send them as text, for instance in base64");
  EXPECT_EQ(refusal(json(json::value_t::discarded)),
            "payload: it holds a discarded value, which a failed parse leaves");
  EXPECT_EQ(refusal("\xff"), "payload: a string in it is invalid UTF-8");
  json key = json::object();
  key["\xc0\xaf"] = 1;
  EXPECT_EQ(refusal(key), "payload: a string in it is invalid UTF-8");
}

TEST(Payload, DepthOfOneHundredIsAllowedAndNoMore) {
  for (const bool objects : {false, true}) {
    const json deepest = nested(api::max_json_depth, objects);
    EXPECT_EQ(decode_payload(encode_payload(deepest, mebibyte)), deepest);
    EXPECT_EQ(refusal(nested(api::max_json_depth + 1, objects)),
              "payload: it is nested deeper than 100 arrays and objects");
  }
  const std::string text = std::string(101, '[') + std::string(101, ']');
  EXPECT_EQ(decode_error(text),
            "payload: not readable as JSON: it is nested deeper than 100 arrays and objects");
}

TEST(Payload, ADepthOfAMillionIsRefusedWithoutACrash) {
  constexpr int million = 1'000'000;
  EXPECT_EQ(refusal(nested(million, false)),
            "payload: it is nested deeper than 100 arrays and objects");
  for (const std::string& text :
       {std::string(million, '['), std::string(million, '[') + std::string(million, ']')})
    EXPECT_EQ(decode_error(text),
              "payload: not readable as JSON: it is nested deeper than 100 arrays and objects");
  std::string objects;
  for (int i = 0; i < million; ++i) objects += "{\"a\":";
  EXPECT_EQ(decode_error(objects),
            "payload: not readable as JSON: it is nested deeper than 100 arrays and objects");
}

TEST(Payload, BracketsInStringsAreNoDepth) {
  const std::string text = "\"" + std::string(500, '[') + "\\\"" + std::string(500, '{') + "\"";
  EXPECT_EQ(decode_payload(text).get<std::string>().size(), 1001U);
}

TEST(Payload, WideAndManyAreNoDepth) {
  json wide = json::array();
  for (int i = 0; i < 10'000; ++i) wide.push_back(json::array({json::object(), i}));
  EXPECT_EQ(decode_payload(encode_payload(wide, mebibyte)), wide);
}

TEST(Payload, WhatIsNoJsonIsADecodeErrorOfItsOwnType) {
  for (const std::string_view text :
       {std::string_view(""), std::string_view("{"), std::string_view("nul"),
        std::string_view("1 2"), std::string_view("{'a':1}"), std::string_view("\"\xff\""),
        std::string_view("NaN"), std::string_view("1e400"), std::string_view("[1,]"),
        std::string_view("\"a\nb\""), std::string_view("// c\n1")})
    EXPECT_TRUE(decode_error(text).starts_with("payload: not readable as JSON: "))
        << testing::PrintToString(text) << ": " << decode_error(text);
}

TEST(Payload, WhatFollowsANulIsNotSilentlyIgnored) {
  EXPECT_EQ(decode_error(std::string_view("{\"a\":1}\0garbage", 15)),
            "payload: not readable as JSON: a NUL byte at 7");
  EXPECT_TRUE(decode_error(std::string_view("\"\\\0\"", 4)).starts_with("payload: not readable"));
}

TEST(Payload, ADecodeErrorIsShortAndHasNoRawControlBytes) {
  const std::string error = decode_error("\"" + std::string(mebibyte, 'x') + "\x01");
  EXPECT_LT(error.size(), 300U);
  EXPECT_EQ(error.find('\x01'), std::string::npos);
}

TEST(Payload, RandomBytesEitherDecodeToTheSameTextAgainOrAreRefused) {
  std::mt19937 random(20240607);
  const std::string_view alphabet = "[]{}\",:\\u0019aeE+-.truefalsn \t\n\xc3\xa9\xff";
  int accepted = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string text;
    for (auto length = random() % 12; length > 0; --length)
      text += alphabet[random() % alphabet.size()];
    try {
      const json value = decode_payload(text);
      ++accepted;
      const std::string again = encode_payload(value, mebibyte);
      ASSERT_EQ(decode_payload(again), value) << testing::PrintToString(text);
      ASSERT_EQ(value, json::parse(text));
    } catch (const PayloadDecodeError&) {
      ASSERT_FALSE(json::accept(text)) << testing::PrintToString(text);
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(Payload, RandomStringsAreTakenExactlyIfTheyAreUtf8) {
  std::mt19937 random(7);
  int valid = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string text;
    for (auto length = 1 + random() % 4; length > 0; --length)
      text += static_cast<char>(random() % 3 == 0 ? random() % 128 : 0xC0 - 64 + random() % 128);
    const bool is_utf8 = runtime::utf8::valid(text);
    valid += is_utf8 ? 1 : 0;
    if (is_utf8) {
      ASSERT_EQ(decode_payload(encode_payload(text, mebibyte)), json(text));
    } else {
      ASSERT_EQ(refusal(text), "payload: a string in it is invalid UTF-8")
          << testing::PrintToString(text);
    }
  }
  EXPECT_GT(valid, 1000);
  EXPECT_LT(valid, 39'000);
}

}  // namespace
}  // namespace mx_rmq
