// The figures that a queue serves over HTTP: what they say, who may ask, how often Redis is asked.
#include <cstdlib>
#include <fstream>
#include <set>

#include "support/http_call.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class MetricsServer : public QueueTest {
 protected:
  static std::uint16_t serve(RedisMessageQueue& queue, MetricsScope scope,
                             std::chrono::milliseconds max_age = 0ms) {
    return sync_wait(queue.serve_metrics(MetricsServerOptions().scope(scope).max_age(max_age)));
  }
  // Its lines.
  static std::set<std::string> lines(std::uint16_t port, const std::string& headers = "") {
    std::istringstream text(
        http_body(http_get(port, "/metrics", "Host: 127.0.0.1:1\r\n" + headers)));
    std::set<std::string> out;
    for (std::string line; std::getline(text, line);) out.insert(line);
    return out;
  }
  // Empty if promtool finds nothing.
  static std::string complaints(std::uint16_t port) {
    const std::string base = server().directory() + "/metrics";
    std::ofstream(base) << http_body(http_get(port, "/metrics"));
    const int code =
        std::system(("promtool check metrics <" + base + " >" + base + ".out 2>&1").c_str());
    std::ifstream in(base + ".out");
    std::string said((std::istreambuf_iterator<char>(in)), {});
    if (code != 0 && said.empty()) said = "it failed";
    return said;
  }
};

TEST_F(MetricsServer, OfAProcessTellsRunsAndWaitsWithoutAskingRedis) {
  RedisMessageQueue queue(config());
  queue.register_handler("jobs", [](const json& payload) -> Task<> {
    if (payload == "bad") throw Reject("no");
    if (payload == "later") throw std::runtime_error("fails");
    co_return;
  });
  start(queue);
  const std::uint16_t port = serve(queue, MetricsScope::process);
  for (const char* what : {"good", "good", "bad", "later"}) produce(queue, "jobs", what);
  const auto has = [&](const std::string& line) { return lines(port).contains(line); };
  ASSERT_TRUE(wait_for(patience, [&] {
    return has("mx_rmq_handler_duration_seconds_count{topic=\"jobs\",outcome=\"failed\"} 4");
  })) << http_get(port, "/metrics");
  EXPECT_TRUE(has("mx_rmq_handler_duration_seconds_count{topic=\"jobs\",outcome=\"completed\"} 2"));
  EXPECT_TRUE(has("mx_rmq_handler_duration_seconds_count{topic=\"jobs\",outcome=\"rejected\"} 1"));
  EXPECT_TRUE(has("mx_rmq_message_wait_seconds_count{topic=\"jobs\"} 4"))
      << "first runs only:\n"
      << http_get(port, "/metrics");
  EXPECT_TRUE(has("mx_rmq_message_wait_seconds_bucket{topic=\"jobs\",le=\"+Inf\"} 4"));
  EXPECT_EQ(complaints(port), "");
  const std::string open =
      http_get(port, "/metrics", "Host: [::1]\r\nAccept: application/openmetrics-text\r\n");
  EXPECT_NE(open.find("Content-Type: application/openmetrics-text; version=1.0.0"),
            std::string::npos);
  EXPECT_TRUE(open.ends_with("\n# EOF\n")) << open;
  EXPECT_TRUE(http_get(port, "/healthz").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(http_get(port, "/else").starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(http_get(port, "/metrics", "Host: evil.example\r\n").starts_with("HTTP/1.1 421 "));
  sync_wait(queue.cleanup());
  EXPECT_THROW(HttpCall again(port), std::runtime_error) << "cleanup() ends it";
  EXPECT_THROW(sync_wait(queue.serve_metrics(0)), ShutdownError);
}

TEST_F(MetricsServer, OfTheClusterTellsAllTopicsAndAsksOnceForAllWhoAsk) {
  RedisMessageQueue queue(config());
  produce(queue, "here", 1, ProduceOptions().priority(MessagePriority::high));
  produce(queue, "here", 1, ProduceOptions().delay(1h));
  produce(queue, "there", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return sync_wait(queue.admin().topics()).size() == 2; }));
  const std::uint16_t port = serve(queue, MetricsScope::cluster, 1h);
  const std::set<std::string> first = lines(port);
  for (const char* line : {"mx_rmq_up 1", "mx_rmq_messages{topic=\"here\",state=\"waiting\"} 1",
                           "mx_rmq_messages{topic=\"here\",state=\"delayed\"} 1",
                           "mx_rmq_messages{topic=\"there\",state=\"waiting\"} 1",
                           "mx_rmq_messages_produced_total{topic=\"here\"} 2",
                           "mx_rmq_oldest_message_age_seconds{topic=\"here\",priority=\"low\"} 0",
                           "mx_rmq_build_info{version=\"0.1.0\"} 1"})
    EXPECT_TRUE(first.contains(line)) << line << "\n" << http_get(port, "/metrics");
  EXPECT_NE(http_get(port, "/metrics").find("\nmx_rmq_redis_memory_used_bytes "),
            std::string::npos);
  EXPECT_EQ(complaints(port), "");
  produce(queue, "here", 1);
  EXPECT_EQ(lines(port), first) << "it is kept for an hour";
  const std::uint16_t fresh = serve(queue, MetricsScope::cluster);
  EXPECT_TRUE(lines(fresh).contains("mx_rmq_messages_produced_total{topic=\"here\"} 3"));
}

TEST(MetricsServerAlone, SaysThatRedisDoesNotAnswer) {
  auto server = std::make_unique<RedisServer>();
  MQConfig config = quick_config(server->url());
  config.connect_timeout = config.command_timeout = 500ms;
  RedisMessageQueue queue(config);
  const std::uint16_t port = sync_wait(
      queue.serve_metrics(MetricsServerOptions().scope(MetricsScope::cluster).max_age(0ms)));
  ASSERT_TRUE(wait_for(patience, [&] {
    return http_get(port, "/metrics").find("\nmx_rmq_up 1\n") != std::string::npos;
  }));
  server.reset();
  const std::string got = http_get(port, "/metrics");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ")) << got;
  EXPECT_NE(got.find("\nmx_rmq_up 0\n"), std::string::npos) << got;
  EXPECT_EQ(got.find("mx_rmq_messages"), std::string::npos) << "nothing is made up";
  EXPECT_TRUE(http_get(port, "/healthz").starts_with("HTTP/1.1 503 "));
}

}  // namespace
}  // namespace mx_rmq::test
