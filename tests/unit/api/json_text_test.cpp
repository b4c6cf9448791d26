// The fast paths of JSON text against nlohmann's own parser and serializer.
#include "api/json_text.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace mx_rmq::api {
namespace {

using nlohmann::json;

constexpr int depth = 100;

std::string written(const json& value) {
  std::string out;
  EXPECT_EQ(append_json(out, value, depth), std::nullopt);
  return out;
}

/// Text of pieces that matter to JSON.
std::string random_text(std::mt19937_64& random) {
  static const std::string pieces[] = {"a",
                                       "order",
                                       " ",
                                       "\"",
                                       "\\",
                                       "\n",
                                       "\t",
                                       "\b",
                                       "\f",
                                       "\r",
                                       "\x1f",
                                       "\x7f",
                                       "/",
                                       "ж",
                                       "€",
                                       "\U0001F600",
                                       std::string(1, '\0'),
                                       "0123456789abcdef"};
  std::string out;
  for (auto left = random() % 6; left > 0; --left) out += pieces[random() % std::size(pieces)];
  return out;
}

json random_value(std::mt19937_64& random, int left) {
  switch (random() % (left > 0 ? 9 : 7)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random()) >> (random() % 64);
    case 3:
      return random() >> (random() % 64);
    case 4:
      return static_cast<double>(static_cast<std::int64_t>(random())) / 1e9;
    case 5:
    case 6:
      return random_text(random);
    case 7: {
      json out = json::array();
      for (auto i = random() % 4; i > 0; --i) out.push_back(random_value(random, left - 1));
      return out;
    }
    default: {
      json out = json::object();
      for (auto i = random() % 4; i > 0; --i)
        out[random_text(random)] = random_value(random, left - 1);
      return out;
    }
  }
}

TEST(JsonText, WritesTheBytesOfDump) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 50'000; ++i) {
    const json value = random_value(random, 4);
    ASSERT_EQ(written(value), value.dump());
  }
}

TEST(JsonText, EveryByteIsPlainOrNotAtEveryPlaceOfAWord) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
    for (std::size_t place = 0; place < 20; ++place) {
      std::string text(20, 'x');
      text[place] = static_cast<char>(byte);
      EXPECT_EQ(plain_prefix(text), plain ? text.size() : place) << byte;
    }
  }
}

TEST(JsonText, WhatItParsesIsWhatNlohmannParses) {
  std::mt19937_64 random(2);
  int taken = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text = random_value(random, 4).dump(i % 2 == 0 ? -1 : 2);
    // A spoiled byte: refused by both, or the same to both.
    if (i % 3 == 0 && !text.empty())
      text[random() % text.size()] = "\"\\{}[],:0e.- nt\x01\xff"[random() % 18];
    json value;
    if (!parse_plain_json(text, value, depth)) continue;
    ++taken;
    ASSERT_TRUE(json::accept(text)) << text;
    const json reference = json::parse(text);
    ASSERT_EQ(value, reference) << text;
    ASSERT_EQ(value.dump(), reference.dump()) << text;
  }
  EXPECT_GT(taken, 10'000);
}

TEST(JsonText, LeavesTheRareToNlohmann) {
  for (const char* text :
       {"1.5", "-0", "1e3", "\"\\n\"", "1234567890123456789", "", " ", "01", "-", "[1,]",
        "{\"a\":1,}", "[1 2]", "nul", "\"a", "\"\xff\"", "1 2", "[", "{"})
    for (json value; const char* each : {text})
      EXPECT_FALSE(parse_plain_json(each, value, depth)) << each;
}

TEST(JsonText, OfEqualKeysTheLastCounts) {
  json value;
  ASSERT_TRUE(parse_plain_json("{\"b\":1,\"a\":[2],\"b\":{\"c\":3}}", value, depth));
  EXPECT_EQ(value, json::parse("{\"b\":1,\"a\":[2],\"b\":{\"c\":3}}"));
}

TEST(JsonText, IsAsDeepAsAllowedAndNoDeeper) {
  const auto nested = [](int levels) {
    return std::string(static_cast<std::size_t>(levels), '[') +
           std::string(static_cast<std::size_t>(levels), ']');
  };
  json value;
  EXPECT_TRUE(parse_plain_json(nested(5), value, 5));
  EXPECT_FALSE(parse_plain_json(nested(6), value, 5));
  std::string out;
  EXPECT_EQ(append_json(out, json::parse(nested(5)), 5), std::nullopt);
  EXPECT_EQ(append_json(out, json::parse(nested(6)), 5), JsonFault::too_deep);
}

}  // namespace
}  // namespace mx_rmq::api
