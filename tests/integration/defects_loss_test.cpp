// Faults of the Python original that lost messages, or stopped consuming them.
#include <atomic>
#include <set>

#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class Defects : public QueueTest {};

// Not of the set-up of a connection, and no hello: what a queue is made of.
bool counts(const SeenCommand& command) {
  return !command.script.empty() || command.arguments[0] == "SUBSCRIBE";
}

TEST_F(Defects, P01_every_script_loads) {
  for (const lua::Script* script : lua::all()) {
    const Value sha = server().command({"SCRIPT", "LOAD", std::string(script->source)});
    EXPECT_EQ(sha.str(), script->sha1) << script->name;
  }
}

TEST_F(Defects, P01_a_garbage_envelope_becomes_a_dead_letter_byte_for_byte) {
  std::string garbage("not\0an envelope\r\n\xff{}", 21);
  RedisMessageQueue queue(config());
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  server().command({"RPUSH", key_of("t", "ready:normal"), garbage});
  const std::string id = produce(queue, "t", 1);
  start(queue);
  ASSERT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(journal->payloads(), std::vector<json>{1}) << "it does not stop the others";
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].reason, "decode");
  EXPECT_EQ(letters[0].raw, garbage);
}

// A message of each kind: at once, delayed, failing once, expired, rejected.
Strings produce_each_kind(RedisMessageQueue& queue) {
  std::vector<OutgoingMessage> messages;
  messages.emplace_back("t", "plain");
  messages.emplace_back("t", "fails once");
  messages.emplace_back("t", "rejected");
  messages.emplace_back("t", "delayed", ProduceOptions{}.delay(5ms));
  messages.emplace_back("t", "expired", ProduceOptions{}.ttl(1ms));
  messages.emplace_back("t", "chosen", ProduceOptions{}.message_id("mine"));
  return sync_wait(queue.produce_batch(std::move(messages)));
}

auto treat_each_kind(std::shared_ptr<Journal> journal) {
  return [journal](const json& payload, Context& context) -> Task<> {
    journal->add(context);
    if (payload == "rejected") throw Reject("no");
    if (payload == "fails once" && context.attempt() == 1) throw std::runtime_error("once");
    co_return;
  };
}

// The whole life of a few messages, with the k-th command lost; false if there were fewer than k.
bool survives(RedisServer& server, FaultProxy& proxy, int k, CommandFate fate) {
  server.command({"FLUSHALL"});
  std::atomic<int> seen{0};
  proxy.judge_commands([&seen, k, fate](const SeenCommand& command) {
    if (!counts(command)) return CommandFate::pass;
    return ++seen == k ? fate : CommandFate::pass;
  });
  const auto journal = std::make_shared<Journal>();
  std::set<std::string> ids;
  {
    RedisMessageQueue queue(quick_config(proxy.url()));
    queue.register_handler("t", treat_each_kind(journal));
    for (auto& id : produce_each_kind(queue)) ids.insert(std::move(id));
    sync_wait(queue.start_background());
    EXPECT_TRUE(wait_drained(server, "t")) << "k=" << k;
    sync_wait(queue.cleanup());
  }
  proxy.judge_commands(nullptr);
  EXPECT_TRUE(sound(audit(server, "t"))) << "k=" << k;
  EXPECT_EQ(stat(server, "t", "produced"), 6) << "k=" << k;
  // Redis itself decides what expired: a slow start of the worker may lose the short ttl only.
  EXPECT_EQ(stat(server, "t", "completed") + stat(server, "t", "dead"), 6) << "k=" << k;
  for (const Handled& run : journal->runs())
    EXPECT_TRUE(ids.contains(run.id)) << "k=" << k << ' ' << run.id;
  EXPECT_EQ(server.command({"HLEN", key_of("t", "ids")}).num(), 0) << "k=" << k;
  return seen >= k;
}

TEST_F(Defects, P02_P11_a_cut_before_any_command_loses_nothing) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  FaultProxy proxy(server().socket_path(), server().directory() + "/p1.sock");
  int k = 1;
  while (survives(server(), proxy, k, CommandFate::lose) && !HasFailure()) ++k;
  EXPECT_GT(k, 8) << "the scenario is larger than that";
}

TEST_F(Defects, P02_P11_a_cut_after_any_command_loses_nothing) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  FaultProxy proxy(server().socket_path(), server().directory() + "/p2.sock");
  int k = 1;
  while (survives(server(), proxy, k, CommandFate::lose_reply) && !HasFailure()) ++k;
  EXPECT_GT(k, 8) << "the scenario is larger than that";
}

TEST_F(Defects, P15_a_lost_reply_to_an_acknowledgement_runs_nothing_again) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  std::atomic<int> acks{0};
  FaultProxy proxy(server().socket_path(), server().directory() + "/p3.sock");
  proxy.judge_commands([&acks](const SeenCommand& command) {
    if (command.script != "ack") return CommandFate::pass;
    const int number = ++acks;
    if (number == 1) return CommandFate::lose;
    return number == 2 ? CommandFate::lose_reply : CommandFate::pass;
  });
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(quick_config(proxy.url()));
  queue.register_handler("t", recorder(journal));
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return acks >= 3; }));
  ASSERT_TRUE(wait_drained(server(), "t"));
  stop(queue);
  EXPECT_EQ(journal->size(), 1u);
  EXPECT_EQ(stat(server(), "t", "completed"), 1);
  EXPECT_EQ(stat(server(), "t", "retried"), 0);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(Defects, P33_consuming_goes_on_after_every_connection_is_killed_again_and_again) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  start(queue);
  std::set<std::string> ids;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 20; ++i) ids.insert(produce(queue, "t", i));
    server().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  }
  ASSERT_TRUE(wait_drained(server(), "t"));
  stop(queue);
  std::set<std::string> handled;
  for (const Handled& run : journal->runs()) handled.insert(run.id);
  EXPECT_EQ(handled, ids);
  EXPECT_EQ(stat(server(), "t", "completed"), 200);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST(DefectsRestart, P33_consuming_goes_on_after_a_restart_of_redis) {
  RedisOptions options;
  options.appendonly = true;
  options.appendfsync = "always";
  RedisServer server(options);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(quick_config(server.url()));
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  std::set<std::string> ids;
  const auto produce_some = [&] {
    for (int i = 0; i < 20; ++i) ids.insert(sync_wait(queue.produce("t", i)));
  };
  produce_some();
  server.kill9();
  server.restart();
  produce_some();
  server.restart();
  produce_some();
  ASSERT_TRUE(wait_drained(server, "t"));
  sync_wait(queue.stop());
  std::set<std::string> handled;
  for (const Handled& run : journal->runs()) handled.insert(run.id);
  EXPECT_EQ(handled, ids);
  EXPECT_TRUE(sound(audit(server, "t")));
}

TEST_F(Defects, P34_connections_do_not_grow_with_handlers) {
  MQConfig many = config();
  many.max_workers = 200;
  many.task_queue_size = 50;
  many.connection_pool_size = 4;
  const auto running = std::make_shared<std::atomic<int>>(0);
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(many);
  queue.register_handler("t", [running, go](const json&) -> Task<> {
    ++*running;
    while (!*go) co_await sleep_for(5ms);
  });
  start(queue);
  std::vector<OutgoingMessage> messages(200, OutgoingMessage("t", 1));
  sync_wait(queue.produce_batch(std::move(messages)));
  ASSERT_TRUE(wait_for(patience, [&] { return *running == 200; }));
  const std::string clients = server().command({"CLIENT", "LIST"}).str();
  EXPECT_LE(occurrences(clients, "name=mx-rmq"), 5u * TestRedis::get().nodes())
      << "4 and one that waits, of each node\n"
      << clients;
  *go = true;
  ASSERT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(stat(server(), "t", "completed"), 200);
}

TEST(DefectsReadonly, P21_a_read_only_server_causes_no_storm_and_work_goes_on_after_it) {
  RedisServer server;
  const auto lines = std::make_shared<std::atomic<int>>(0);
  set_log_sink([lines](LogLevel, std::string_view) { ++*lines; });
  const auto journal = std::make_shared<Journal>();
  MQConfig config = quick_config(server.url());
  config.produce_timeout = 500ms;
  RedisMessageQueue queue(config);
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_NE(thrown_by([&] { sync_wait(queue.produce("t", 0)); }), "");
  const auto processed = [&] {
    const std::string info = server.command({"INFO", "stats"}).str();
    const std::string name = "total_commands_processed:";
    return std::stol(info.substr(info.find(name) + name.size()));
  };
  const long commands_before = processed();
  const int lines_before = *lines;
  const auto began = WaitClock::now();
  // The window itself is what is measured.
  wait_until(
      began + 3s, [] { return false; }, 20ms);
  const double seconds = std::chrono::duration<double>(WaitClock::now() - began).count();
  EXPECT_LT(static_cast<double>(processed() - commands_before) / seconds, 300);
  EXPECT_LT(static_cast<double>(*lines - lines_before) / seconds, 10);
  server.command({"REPLICAOF", "NO", "ONE"});
  const auto produced = [&] {
    return thrown_by([&] { sync_wait(queue.produce("t", 1)); }).empty();
  };
  ASSERT_TRUE(wait_for(patience, produced));
  EXPECT_TRUE(journal->wait_size(1));
  sync_wait(queue.cleanup());
  set_log_sink({});
}

}  // namespace
}  // namespace mx_rmq::test
