#include "runtime/http_request.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::test {
namespace {

using runtime::HttpReader;

// 0: it was read; -1: more is expected; else the status it is refused with.
int read(const std::string& bytes, std::size_t piece = 100'000) {
  HttpReader reader;
  HttpReader::State state = HttpReader::State::more;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    state = reader.add(std::string_view(bytes).substr(at, piece));
  if (state == HttpReader::State::more) return -1;
  return state == HttpReader::State::ready ? 0 : reader.status();
}

TEST(HttpRequest, IsReadHoweverItIsCut) {
  const std::string bytes =
      "GET /metrics?a=b HTTP/1.1\r\nHOST: localhost:9476 \r\naccept:  text/plain\r\nX: y\r\n\r\n";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
    HttpReader reader;
    HttpReader::State state = HttpReader::State::more;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      EXPECT_EQ(state, HttpReader::State::more);
      state = reader.add(std::string_view(bytes).substr(at, piece));
    }
    ASSERT_EQ(state, HttpReader::State::ready) << piece;
    EXPECT_EQ(reader.request().method, "GET");
    EXPECT_EQ(reader.request().target, "/metrics?a=b");
    EXPECT_EQ(reader.request().host, "localhost:9476");
    EXPECT_EQ(reader.request().accept, "text/plain");
  }
}

TEST(HttpRequest, WhatIsNotExactlyAsItMustBeIsRefused) {
  const std::string host = "Host: x\r\n";
  const std::pair<std::string, int> table[]{
      {"GET / HTTP/1.1\r\n" + host + "\r\n", 0},
      {"GET / HTTP/1.0\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no host
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 505},
      {"GET / FTP/1.1\r\n" + host + "\r\n", 400},
      {"GET http://x/ HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /\x01 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"G(T / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + " folded: 1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "a: b\nc: d\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 0},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", 413},
      {"\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host, -1},
  };
  for (const auto& [bytes, status] : table) {
    EXPECT_EQ(read(bytes), status) << bytes;
    EXPECT_EQ(read(bytes, 1), status) << bytes;
  }
}

TEST(HttpRequest, NoMoreThanItsLimitIsKept) {
  const std::string begin = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
  const std::string end = "\r\n\r\n";
  const std::size_t room = HttpReader::most_bytes - begin.size() - end.size();
  EXPECT_EQ(read(begin + std::string(room, 'a') + end), 0);
  EXPECT_EQ(read(begin + std::string(room + 1, 'a') + end), 431);
  EXPECT_EQ(read(begin + std::string(1'000'000, 'a'), 1'000), 431);
}

}  // namespace
}  // namespace mx_rmq::test
