#include "runtime/http_listener.hpp"

#include <memory>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "loop_test.hpp"
#include "mx_rmq/async.hpp"
#include "runtime/event.hpp"
#include "support/http_call.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::HttpListener;
using runtime::HttpRequest;
using runtime::HttpResponse;

class HttpListenerTest : public LoopTest {
 protected:
  void TearDown() override {
    close();
    LoopTest::TearDown();
  }
  void close() {
    if (!listener_) return;
    call([this] {
      listener_->close();
      return 0;
    });
    run(join(listener_.get()));
    call([this] {
      listener_.reset();
      return 0;
    });
  }
  std::uint16_t listen(HttpListener::Answer answer, HttpListener::Limits limits = {}) {
    return call([&] {
      listener_ = std::make_unique<HttpListener>(loop(), "127.0.0.1", 0, std::move(answer), limits);
      return listener_->port();
    });
  }
  static Task<> join(HttpListener* listener) { return listener->join(); }
  static Task<HttpResponse> echo(HttpRequest request) {
    co_return HttpResponse(200, "text/plain", request.method + ' ' + request.target);
  }
  std::size_t connections() {
    return call([this] { return listener_->connections(); });
  }

  std::unique_ptr<HttpListener> listener_;
};

TEST_F(HttpListenerTest, AnswersGetAndHeadAndRefusesTheRest) {
  const std::uint16_t port = listen(&echo);
  const std::string got = http_get(port, "/a?b");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
  EXPECT_NE(got.find("\r\nContent-Length: 8\r\n"), std::string::npos) << got;
  EXPECT_EQ(http_body(got), "GET /a?b");
  const std::pair<const char*, const char*> table[]{
      {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
      {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 "},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 413 "},
      {"nonsense\r\n\r\n", "HTTP/1.1 400 "},
  };
  for (const auto& [bytes, status] : table) {
    HttpCall asked(port);
    ASSERT_TRUE(asked.send(bytes));
    const std::string answer = asked.read_all();
    EXPECT_TRUE(answer.starts_with(status)) << bytes << answer;
    if (bytes[0] == 'H') {
      EXPECT_EQ(http_body(answer), "");
    }
  }
}

TEST_F(HttpListenerTest, ALargeAnswerComesWhole) {
  const std::uint16_t port = listen([](HttpRequest) -> Task<HttpResponse> {
    co_return HttpResponse(200, "text/plain", std::string(3'000'000, 'x'));
  });
  EXPECT_EQ(http_body(http_get(port, "/")).size(), 3'000'000U);
}

TEST_F(HttpListenerTest, WhatTheAnswerThrowsIsToldAsAnErrorAndReported) {
  const std::uint16_t port =
      listen([](HttpRequest) -> Task<HttpResponse> { throw std::runtime_error("secret"); });
  const std::string got = http_get(port, "/");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 500 ")) << got;
  EXPECT_EQ(got.find("secret"), std::string::npos);
  EXPECT_EQ(take_errors(), std::vector<std::string>{"secret"});
}

TEST_F(HttpListenerTest, WhoIsSlowOrTooManyIsClosed) {
  HttpListener::Limits limits;
  limits.time = 1s;
  limits.connections = 3;
  const std::uint16_t port = listen(&echo, limits);
  std::vector<std::unique_ptr<HttpCall>> slow;
  for (int i = 0; i < 3; ++i) slow.push_back(std::make_unique<HttpCall>(port));
  slow[0]->send("GET / HTT");
  EXPECT_EQ(HttpCall(port).read_all(), "") << "a fourth is closed, or the first ones were";
  for (const auto& each : slow) EXPECT_EQ(each->read_all(), "");
  ASSERT_TRUE(wait_for(30s, [&] { return connections() == 0; }));
  EXPECT_EQ(http_body(http_get(port, "/")), "GET /");
}

TEST_F(HttpListenerTest, ClosingEndsConnectionsAndWaitsForAnswers) {
  runtime::Event go(loop());
  std::atomic<bool> began{false};
  const std::uint16_t port = listen([&](HttpRequest) -> Task<HttpResponse> {
    began = true;
    co_await go.wait();
    co_return HttpResponse(200, "text/plain", "late");
  });
  HttpCall asked(port);
  ASSERT_TRUE(asked.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(wait_for(30s, [&] { return began.load(); }));
  call([this] {
    listener_->close();
    return 0;
  });
  EXPECT_EQ(asked.read_all(), "");
  EXPECT_THROW(HttpCall again(port), std::runtime_error);
  call([&] {
    go.set();
    return 0;
  });
}

TEST_F(HttpListenerTest, AnAddressThatCannotBeHadIsTold) {
  const std::uint16_t port = listen(&echo);
  const auto make = [&](const char* address) {
    return [this, address, port] {
      const HttpListener second(loop(), address, port, &echo, {});
      return 0;
    };
  };
  EXPECT_THROW(call(make("127.0.0.1")), std::system_error);
  EXPECT_THROW(call(make("localhost")), std::invalid_argument);
}

}  // namespace
}  // namespace mx_rmq::test
