#include "redis/wire/reply_reader.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace mx_rmq::redis {
namespace {

using Status = ReplyReader::Status;

struct Read {
  std::vector<Reply> replies;
  std::string error;
  friend bool operator==(const Read&, const Read&) = default;
};

// Feeds the bytes in pieces that end at `cuts`.
Read read(const std::string& bytes, const std::vector<std::size_t>& cuts = {},
          const ReplyLimits& limits = {}) {
  ReplyReader reader(limits);
  Read result;
  std::size_t begin = 0;
  std::vector<std::size_t> ends = cuts;
  ends.push_back(bytes.size());
  for (const std::size_t end : ends) {
    reader.feed(std::string_view(bytes).substr(begin, end - begin));
    begin = end;
    Reply reply;
    Status status;
    while ((status = reader.next(reply)) == Status::reply) {
      result.replies.push_back(std::move(reply));
    }
    if (status == Status::error) {
      result.error = reader.error();
      break;
    }
  }
  return result;
}

std::string whole_protocol() {
  std::string bytes = "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nhe\r\nl\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n";
  bytes += "*3\r\n:1\r\n$3\r\ntwo\r\n*2\r\n+three\r\n*1\r\n$-1\r\n";
  bytes += std::string("$3\r\n\0\r\n\r\n", 9);
  bytes += "*2\r\n*1\r\n:7\r\n*1\r\n:8\r\n:9\r\n";
  return bytes;
}

TEST(ReplyReader, ReadsEveryKind) {
  const Read result = read(whole_protocol());
  EXPECT_EQ(result.error, "");
  ASSERT_EQ(result.replies.size(), 12U);
  EXPECT_EQ(result.replies[0], Reply::status("OK"));
  EXPECT_EQ(result.replies[1], Reply::error("ERR no"));
  EXPECT_EQ(result.replies[2], Reply::integer(-42));
  EXPECT_EQ(result.replies[3], Reply::string("he\r\nl"));
  EXPECT_EQ(result.replies[4], Reply::string(""));
  EXPECT_EQ(result.replies[5], Reply::nil());
  EXPECT_EQ(result.replies[6], Reply::nil());
  EXPECT_EQ(result.replies[7], Reply::array());
  EXPECT_EQ(result.replies[8].at(0), Reply::integer(1));
  EXPECT_EQ(result.replies[8].at(1), Reply::string("two"));
  EXPECT_EQ(result.replies[8].at(2).at(0), Reply::status("three"));
  EXPECT_EQ(result.replies[8].at(2).at(1).at(0), Reply::nil());
  EXPECT_EQ(result.replies[9], Reply::string(std::string("\0\r\n", 3)));
  EXPECT_EQ(result.replies[10].at(1).at(0), Reply::integer(8));
  EXPECT_EQ(result.replies[11], Reply::integer(9));
}

TEST(ReplyReader, EverySplitGivesTheSame) {
  const std::string bytes = whole_protocol();
  const Read whole = read(bytes);
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    for (std::size_t second = first; second <= bytes.size(); ++second) {
      ASSERT_EQ(read(bytes, {first, second}), whole) << first << " " << second;
    }
  }
  std::vector<std::size_t> each_byte;
  for (std::size_t i = 1; i < bytes.size(); ++i) each_byte.push_back(i);
  EXPECT_EQ(read(bytes, each_byte), whole);
}

TEST(ReplyReader, WhatIsNotResp2IsAnError) {
  const std::vector<std::string> table{
      "hello\r\n",                     // inline text
      "HTTP/1.1 400 Bad Request\r\n",  // not Redis at all
      "\x15\x03\x01\x02\x02",          // a TLS alert
      "\r\n",                          // nothing
      "*-5\r\n",
      "$-2\r\n",
      "$x\r\n",
      "$\r\n",
      "*\r\n",
      "*x\r\n",
      ":x\r\n",
      ":\r\n",
      ":99999999999999999999\r\n",
      "$99999999999999999999\r\n",
      "*99999999999999999999\r\n",
      "_\r\n",  // RESP3 from here on
      "#t\r\n",
      ",1.5\r\n",
      "(12345\r\n",
      "=5\r\ntxt:x\r\n",
      "%1\r\n:1\r\n:2\r\n",
      "~1\r\n:1\r\n",
      ">1\r\n:1\r\n",
      "|1\r\n:1\r\n:2\r\n",
      "!5\r\nERR x\r\n",
  };
  for (const std::string& bytes : table) {
    SCOPED_TRACE(bytes);
    const Read result = read(bytes);
    EXPECT_TRUE(result.replies.empty());
    EXPECT_NE(result.error, "");
    std::vector<std::size_t> each_byte;
    for (std::size_t i = 1; i < bytes.size(); ++i) each_byte.push_back(i);
    EXPECT_NE(read(bytes, each_byte).error, "");
  }
}

TEST(ReplyReader, NothingIsReadAfterAnError) {
  ReplyReader reader({});
  reader.feed("+OK\r\nx\r\n+OK\r\n");
  Reply reply;
  EXPECT_EQ(reader.next(reply), Status::reply);
  EXPECT_EQ(reader.next(reply), Status::error);
  reader.feed("+OK\r\n");
  EXPECT_EQ(reader.next(reply), Status::error);
}

// Bytes of the heap in use.
std::size_t in_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(ReplyReader, AnAnnouncedSizeTakesNoMemory) {
  for (const std::string bytes : {"*1000000000\r\n", "*1048577\r\n", "*1048576\r\n",
                                  "$536870912\r\n", "$536870913\r\n", "*2\r\n*1000000\r\n"}) {
    SCOPED_TRACE(bytes);
    const std::size_t before = in_use();
    ReplyReader reader({});
    reader.feed(bytes);
    Reply reply;
    const Status status = reader.next(reply);
    EXPECT_LT(in_use(), before + (std::size_t{1} << 20));
    const bool over =
        bytes == "*1000000000\r\n" || bytes == "*1048577\r\n" || bytes == "$536870913\r\n";
    EXPECT_EQ(status, over ? Status::error : Status::more);
  }
}

TEST(ReplyReader, LimitsAreExact) {
  ReplyLimits limits;
  limits.max_bulk = 10;
  limits.max_elements = 4;
  limits.max_bytes = 16;
  limits.max_depth = 2;
  const auto accepted = [&](const std::string& bytes) {
    return read(bytes, {}, limits).error.empty();
  };
  EXPECT_TRUE(accepted("$10\r\n0123456789\r\n"));
  EXPECT_FALSE(accepted("$11\r\n"));
  EXPECT_TRUE(accepted("*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n"));
  EXPECT_FALSE(accepted("*5\r\n"));
  EXPECT_TRUE(accepted("*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n"));
  EXPECT_FALSE(accepted("*2\r\n*3\r\n")) << "elements count on all levels together";
  EXPECT_TRUE(accepted("*2\r\n$8\r\n01234567\r\n$8\r\n01234567\r\n"));
  EXPECT_FALSE(accepted("*2\r\n$8\r\n01234567\r\n$9\r\n012345678\r\n"));
  EXPECT_TRUE(accepted("*1\r\n*1\r\n:1\r\n"));
  EXPECT_FALSE(accepted("*1\r\n*1\r\n*1\r\n"));
  // Each reply has the limits anew.
  EXPECT_TRUE(accepted("*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n"));
}

TEST(ReplyReader, ManyNestedArraysAreRefused) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += "*1\r\n";
  EXPECT_NE(read(bytes).error, "");
  bytes.clear();
  for (int i = 0; i < 7; ++i) bytes += "*1\r\n";
  EXPECT_EQ(read(bytes + ":1\r\n").error, "");
}

TEST(ReplyReader, ALineThatDoesNotEndIsRefused) {
  for (const char mark : {'+', '-', ':', '$', '*'}) {
    SCOPED_TRACE(mark);
    ReplyReader reader({});
    reader.feed(std::string(1, mark));
    Reply reply;
    Status status = reader.next(reply);
    std::size_t fed = 0;
    while (status == Status::more && fed < (std::size_t{1} << 20)) {
      reader.feed(std::string(1024, '1'));
      fed += 1024;
      status = reader.next(reply);
    }
    EXPECT_EQ(status, Status::error);
    EXPECT_LE(fed, std::size_t{128} << 10);
  }
}

TEST(ReplyReader, GarbageNeverCrashesAndEndsInErrorsOrReplies) {
  std::mt19937_64 random(7);
  const std::string protocol = whole_protocol();
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = protocol;
    const int changes = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < changes; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const std::size_t cut = random() % bytes.size();
    const Read whole = read(bytes);
    const Read split = read(bytes, {cut});
    EXPECT_EQ(whole.replies, split.replies) << round;
    EXPECT_EQ(whole.error.empty(), split.error.empty()) << round;
  }
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& c : bytes) c = "*$+-:0123456789\r\nx"[random() % 18];
    // Where a length does not end, the words depend on who saw it first.
    const Read whole = read(bytes);
    const Read split = read(bytes, {bytes.size() / 2});
    EXPECT_EQ(whole.replies, split.replies) << round;
    EXPECT_EQ(whole.error.empty(), split.error.empty()) << round;
  }
}

TEST(ReplyReader, ALargeStringArrivesWhole) {
  const std::string body(std::size_t{8} << 20, 'x');
  const std::string bytes = "$" + std::to_string(body.size()) + "\r\n" + body + "\r\n+OK\r\n";
  std::vector<std::size_t> cuts;
  for (std::size_t at = 16384; at < bytes.size(); at += 16384) cuts.push_back(at);
  const Read result = read(bytes, cuts);
  ASSERT_EQ(result.replies.size(), 2U);
  EXPECT_EQ(result.replies[0].as_string(), body);
}

}  // namespace
}  // namespace mx_rmq::redis
