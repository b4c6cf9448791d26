#include "broker/data/envelope.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <stdexcept>
#include <string>

namespace mx_rmq::broker {
namespace {

using namespace std::string_literals;

EnvelopeView sample() {
  EnvelopeView view;
  view.priority = MessagePriority::high;
  view.attempts = 2;
  view.recoveries = 1;
  view.max_recoveries = 3;
  view.created_at = 1'700'000'000'001;
  view.ttl = 86'400'000;
  view.expire_at = 1'700'086'400'001;
  view.id_until = 1'700'086'700'000;
  view.id = "order-7";
  view.headers = R"({"a":1})";
  view.history = R"(["boom",[1,2]])";
  view.payload = R"({"n":9007199254740993})";
  return view;
}

void expect_same(const EnvelopeView& got, const EnvelopeView& want) {
  EXPECT_EQ(got.priority, want.priority);
  EXPECT_EQ(got.attempts, want.attempts);
  EXPECT_EQ(got.recoveries, want.recoveries);
  EXPECT_EQ(got.max_recoveries, want.max_recoveries);
  EXPECT_EQ(got.created_at, want.created_at);
  EXPECT_EQ(got.ttl, want.ttl);
  EXPECT_EQ(got.expire_at, want.expire_at);
  EXPECT_EQ(got.id_until, want.id_until);
  EXPECT_EQ(got.id, want.id);
  EXPECT_EQ(got.headers, want.headers);
  EXPECT_EQ(got.history, want.history);
  EXPECT_EQ(got.payload, want.payload);
}

TEST(Envelope, IsTheTextOfTheProtocol) {
  EXPECT_EQ(encode_envelope(sample()),
            "mx1 h 2 1 3 1700000000001 86400000 1700086400001 1700086700000 7\norder-7\n"
            "{\"a\":1}\t[\"boom\",[1,2]]\n{\"n\":9007199254740993}");
  EnvelopeView plain;
  plain.id = "x";
  plain.payload = "[]";
  EXPECT_EQ(encode_envelope(plain), "mx1 n 0 0 0 0 0 0 0 1\nx\n\n[]");
  plain.headers = "{}";
  EXPECT_EQ(encode_envelope(plain), "mx1 n 0 0 0 0 0 0 0 1\nx\n{}\n[]");
}

TEST(Envelope, DecodesWhatItEncoded) {
  const std::string bytes = encode_envelope(sample());
  const auto view = parse_envelope(bytes);
  ASSERT_TRUE(view);
  expect_same(*view, sample());
  EXPECT_TRUE(view->chosen_id());
  EXPECT_EQ(bytes.substr(view->head_size), sample().payload);
  EXPECT_EQ(encode_head(*view), bytes.substr(0, view->head_size));
}

TEST(Envelope, IdAndPayloadMayHoldAnyBytes) {
  EnvelopeView view = sample();
  const std::string id = "a\nb\0c\t\r\xFF"s;
  const std::string payload = "\n\n\0mx1 h\n\xFE"s;
  view.id = id;
  view.payload = payload;
  const std::string bytes = encode_envelope(view);
  const auto got = parse_envelope(bytes);
  ASSERT_TRUE(got);
  expect_same(*got, view);
}

TEST(Envelope, EmptyIdAndPayloadAndTheLongestIdPass) {
  EnvelopeView view;
  auto got = parse_envelope(encode_envelope(view));
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->id.empty());
  const std::string id(max_id_size, 'i');
  view.id = id;
  const std::string bytes = encode_envelope(view);
  got = parse_envelope(bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->id, id);
  const std::string longer(max_id_size + 1, 'i');
  view.id = longer;
  EXPECT_THROW((void)encode_envelope(view), std::invalid_argument);
}

TEST(Envelope, RefusesALineThatWouldBreak) {
  for (const char* headers : {"{\n}", "{\t}"}) {
    EnvelopeView view;
    view.headers = headers;
    std::string out = "kept";
    EXPECT_THROW(append_envelope(out, view), std::invalid_argument);
    EXPECT_EQ(out, "kept");
  }
  EnvelopeView view;
  view.history = "[\n]";
  EXPECT_THROW((void)encode_head(view), std::invalid_argument);
}

TEST(Envelope, CutsNumbersToWhatTheFormatHolds) {
  EnvelopeView view = sample();
  view.attempts = INT32_MAX;
  view.recoveries = -1;
  view.expire_at = INT64_MAX;
  view.ttl = -5;
  const std::string bytes = encode_envelope(view);
  const auto got = parse_envelope(bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->attempts, max_envelope_count);
  EXPECT_EQ(got->recoveries, 0);
  EXPECT_EQ(got->expire_at, max_envelope_time);
  EXPECT_EQ(got->ttl, 0);
}

TEST(Envelope, RefusesWhatIsNone) {
  const std::string good = "mx1 n 0 0 0 0 0 0 0 1\nx\n\np";
  ASSERT_TRUE(parse_envelope(good));
  for (const std::string& bad : {""s, "mx1 "s, "garbage"s, "mx2 n 0 0 0 0 0 0 0 1\nx\n\np"s,
                                 "mx1 x 0 0 0 0 0 0 0 1\nx\n\np"s,                 // priority
                                 "mx1 n  0 0 0 0 0 0 0 1\nx\n\np"s,                // two spaces
                                 "mx1 n -1 0 0 0 0 0 0 1\nx\n\np"s,                // sign
                                 "mx1 n 0 0 0 0 0 0 1\nx\n\np"s,                   // a field less
                                 "mx1 n 0 0 0 0 0 0 0 0 1\nx\n\np"s,               // one more
                                 "mx1 n 1234567890 0 0 0 0 0 0 1\nx\n\np"s,        // 10 digits
                                 "mx1 n 0 0 0 1234567890123456 0 0 0 1\nx\n\np"s,  // 16 digits
                                 "mx1 n 0 0 0 0 0 0 0 00001\nx\n\np"s,             // 5 digits
                                 "mx1 n 0 0 0 0 0 0 0 2\nx\n\np"s,     // no newline behind the id
                                 "mx1 n 0 0 0 0 0 0 0 9999\nx\n\np"s,  // shorter than its id
                                 "mx1 n 0 0 0 0 0 0 0 1\nx"s, "mx1 n 0 0 0 0 0 0 0 1\nx\n"s,
                                 "mx1 n 0 0 0 0 0 0 0 1\nx\nno end of the rare line"s}) {
    EXPECT_FALSE(parse_envelope(bad)) << bad;
  }
}

TEST(Envelope, RandomOnesComeBackEqual) {
  std::mt19937_64 rng(7);
  const auto text = [&rng](std::size_t most, std::string_view without) {
    std::string out(rng() % (most + 1), '\0');
    for (char& c : out) {
      do {
        c = static_cast<char>(rng());
      } while (without.find(c) != std::string_view::npos);
    }
    return out;
  };
  for (int round = 0; round < 20'000; ++round) {
    EnvelopeView view;
    view.priority =
        std::array{MessagePriority::high, MessagePriority::normal, MessagePriority::low}[rng() % 3];
    view.attempts = static_cast<std::int32_t>(rng() % (max_envelope_count + 1));
    view.recoveries = static_cast<std::int32_t>(rng() % 5);
    view.max_recoveries = static_cast<std::int32_t>(rng() % 5);
    view.created_at = static_cast<std::int64_t>(rng() % 1'000'000'000'000'000);
    view.ttl = static_cast<std::int64_t>(rng() % 1'000'000'000'000'000);
    view.expire_at = static_cast<std::int64_t>(rng() % 1'000'000'000'000'000);
    view.id_until = static_cast<std::int64_t>(rng() % 3);
    const std::string id = text(40, "");
    const std::string headers = text(20, "\n\t");
    const std::string history = text(20, "\n");
    const std::string payload = text(60, "");
    view.id = id;
    view.headers = headers;
    view.history = history;
    view.payload = payload;
    const std::string bytes = encode_envelope(view);
    const auto got = parse_envelope(bytes);
    ASSERT_TRUE(got) << round;
    expect_same(*got, view);
    ASSERT_EQ(got->head_size + payload.size(), bytes.size());
  }
}

TEST(Envelope, DamagedOnesAreRefusedOrConsistent) {
  std::mt19937_64 rng(8);
  const std::string good = encode_envelope(sample());
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = good;
    for (std::size_t n = 1 + rng() % 3; n > 0; --n) {
      const std::size_t at = rng() % bytes.size();
      switch (rng() % 4) {
        case 0:
          bytes[at] = static_cast<char>(rng());
          break;
        case 1:
          bytes.erase(at, 1 + rng() % 4);
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>("0123456789 \n"[rng() % 12]));
          break;
        default:
          bytes.resize(at);
          break;
      }
      if (bytes.empty()) break;
    }
    const auto view = parse_envelope(bytes);
    if (!view) continue;
    ASSERT_LE(view->head_size, bytes.size());
    ASSERT_EQ(view->payload.data() + view->payload.size(), bytes.data() + bytes.size());
    ASSERT_GE(view->attempts, 0);
    ASSERT_LE(view->expire_at, max_envelope_time);
    const std::string again = encode_envelope(*view);
    const auto second = parse_envelope(again);
    ASSERT_TRUE(second);
    expect_same(*second, *view);
  }
}

}  // namespace
}  // namespace mx_rmq::broker
