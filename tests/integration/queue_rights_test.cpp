// The rights that docs/operations.md tells users to grant: they suffice, and each one that is
// missing is told, hangs nothing and loses nothing.
#include <atomic>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "mx_rmq/log.hpp"
#include "support/build_kind.hpp"
#include "support/paths.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

// "+ping", "+time" ...: what is granted in docs/operations.md.
Strings documented_rights() {
  std::ifstream in(test::source_path("docs/operations.md"));
  std::ostringstream text;
  text << in.rdbuf();
  const std::string document = text.str();
  const std::size_t at = document.find("\nuser mxrmq on ");
  std::istringstream words(document.substr(at + 1, document.find("```", at) - at - 1));
  Strings rights;
  for (std::string word; words >> word;) {
    if (word.front() == '+') rights.push_back(word);
  }
  return rights;
}

// Sent, but not needed. Without them a connection has no name, tools do not list a topic, it is not
// known whether the server is a master, or consumers look for messages instead of being woken.
const std::set<std::string> dispensable{"client|setname", "client|id", "sadd",  "role",
                                        "publish",        "subscribe", "pubsub"};

// A user of its own, and all that the library does for it.
class Tour {
 public:
  // `missing`, as "hset", is not granted; empty: all is.
  Tour(RedisServer& server, const Strings& rights, std::string name, std::string missing)
      : server_(server), name_(std::move(name)), missing_(std::move(missing)) {
    Strings line{"ACL", "SETUSER", name_, "reset", "on", ">secret", "~" + name_ + ":*"};
    line.insert(line.end(), {"resetchannels", "&" + name_ + ":*", "-@all"});
    for (const std::string& right : rights) {
      if (right != "+" + missing_) line.push_back(right);
    }
    server_.command(line);
  }

  // Does everything once. Returns when it has all been done, or a denial was seen and the rest
  // given up.
  void go() {
    RedisMessageQueue queue(config());
    queue.register_handler(topic(), handler());
    attempt([&] { sync_wait(queue.initialize()); });
    accept(queue, topic(), "plain", ProduceOptions());
    accept(queue, topic(), "plain", ProduceOptions().message_id(name_ + "-chosen"));
    accept(queue, topic(), "plain", ProduceOptions().message_id(name_ + "-chosen"));
    accept(queue, topic(), "retry", ProduceOptions().delay(5ms));
    accept(queue, topic(), "reject", ProduceOptions());
    accept(queue, topic(), "plain", ProduceOptions().ttl(1ms));
    accept(queue, "idle", "waits", ProduceOptions());
    const std::string later = accept(queue, topic(), "later", ProduceOptions().delay(1h));
    leave_a_dead_consumer();
    attempt([&] { sync_wait(queue.start_background()); });
    EXPECT_TRUE(wait_for(patience, [&] { return (denied() && told()) || quiet(); })) << missing_;
    attempt([&] {
      if (later.empty()) return;
      accepted_.erase(later);  // whatever comes of it, it was to go
      static_cast<void>(sync_wait(queue.cancel(topic(), later)));
    });
    attempt([&] { static_cast<void>(sync_wait(queue.cancel("idle", "no such id"))); });
    attempt([&] { static_cast<void>(sync_wait(queue.dead_letters().count(topic()))); });
    attempt([&] {
      for (const DeadLetter& each : sync_wait(queue.dead_letters().list(topic()))) {
        sync_wait(queue.dead_letters().get(topic(), each.message.id));
        sync_wait(queue.dead_letters().requeue(topic(), each.message.id));
      }
    });
    attempt([&] { static_cast<void>(sync_wait(queue.dead_letters().requeue_all(topic()))); });
    attempt([&] { static_cast<void>(sync_wait(queue.dead_letters().remove(topic(), "none"))); });
    attempt([&] { static_cast<void>(sync_wait(queue.dead_letters().purge("idle"))); });
    attempt([&] { sync_wait(queue.configure("set", TopicSettings{}.partitions(2))); });
    attempt([&] { static_cast<void>(sync_wait(queue.settings("set"))); });
    attempt([&] { static_cast<void>(sync_wait(queue.admin().pause("set"))); });
    attempt([&] { sync_wait(queue.admin().resume("set")); });
    attempt([&] { static_cast<void>(sync_wait(queue.interrupt(topic(), "no such id"))); });
    attempt([&] { static_cast<void>(sync_wait(queue.forget("idle"))); });
    attempt([&] { static_cast<void>(sync_wait(queue.metrics().collect({topic()}))); });
    const auto began = WaitClock::now();
    attempt([&] { sync_wait(queue.stop()); });
    EXPECT_LT(WaitClock::now() - began, 20s) << missing_;
  }

  // With all rights: whatever was accepted is handled or a dead letter.
  void recover() {
    server_.command({"ACL", "SETUSER", name_, "+" + missing_});
    RedisMessageQueue queue(config());
    queue.register_handler(topic(), handler());
    queue.register_handler("idle", handler());
    sync_wait(queue.start_background());
    for (const std::string& id : accepted_) {
      const bool there = wait_for(patience, [&] {
        if (handled(id)) return true;
        return sync_wait(queue.dead_letters().get(topic(), id)).has_value();
      });
      EXPECT_TRUE(there) << id << " was lost without " << missing_;
    }
    sync_wait(queue.stop());
    // What a refused removal leaves is a copy, which is handled once more; nothing is left where
    // nobody finds it.
    Audit numbers;
    EXPECT_TRUE(wait_for(patience, [&] {
      numbers = audit(server_, topic(), name_);
      return !numbers.empty();
    }));
    for (const char* bad : {"stray_index", "unowned", "unreadable", "holes"}) {
      EXPECT_EQ(numbers[bad], 0) << bad << " without " << missing_;
    }
  }

  bool denied() { return !denials().empty(); }
  // The commands that were refused to it.
  std::set<std::string> denials() {
    std::set<std::string> out;
    const Value log = server_.command({"ACL", "LOG", "1000"});
    for (const Value& entry : log.list()) {
      std::map<std::string, std::string> fields;
      for (std::size_t i = 0; i + 1 < entry.list().size(); i += 2) {
        if (entry[i + 1].kind == Value::Kind::string) fields[entry[i].str()] = entry[i + 1].str();
      }
      if (fields["username"] != name_) continue;
      // The log names the subcommand, also where the whole command is missing.
      const std::string& what = fields["object"];
      out.insert(what.starts_with(missing_ + "|") ? missing_ : what);
    }
    return out;
  }
  const std::string& missing() const { return missing_; }
  // Each in a topic of its own, by which its lines in the log are known.
  std::string topic() const { return "of-" + name_ + "-"; }
  void tell(std::string_view text) {
    const std::lock_guard lock(mutex_);
    told_.emplace_back(text);
  }
  // Somebody was told of a right that is missing.
  bool told() const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(told_, [](const std::string& text) {
      return text.find("NOPERM") != std::string::npos ||
             text.find("can't run this command") != std::string::npos;
    });
  }
  std::string all_told() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const std::string& each : told_) out += "\n  " + each;
    return out;
  }

 private:
  MQConfig config() const {
    MQConfig config = quick_config(server_.url());
    config.redis_username = name_;
    config.redis_password = "secret";
    config.queue_prefix = name_;
    config.connection_pool_size = 1;
    config.connect_timeout = 3s;
    config.command_timeout = 3s;
    config.produce_timeout = 3s;
    config.lease = 1s;
    config.shutdown_timeout = 1s;
    config.max_recoveries = 100;
    return config;
  }

  template <class Call>
  void attempt(Call call) {
    try {
      call();
    } catch (const Error& e) {
      tell(e.what());
    }
  }

  std::string accept(RedisMessageQueue& queue, const std::string& topic, const std::string& what,
                     ProduceOptions options) {
    std::string id;
    attempt([&] {
      id = sync_wait(queue.produce(topic, what, std::move(options)));
      accepted_.insert(id);
    });
    return id;
  }

  // As one that was killed leaves it, with a message that waits in vain elsewhere.
  void leave_a_dead_consumer() {
    const Value envelope = server_.command({"LINDEX", key_of("idle", "ready:normal", name_), "0"});
    if (envelope.is_nil()) return;
    server_.command({"HSET", key_of(topic(), "processing:gone.1", name_), "1.1", envelope.str()});
    server_.command({"ZADD", key_of(topic(), "consumers", name_), "1", "gone.1"});
    server_.command({"LPOP", key_of("idle", "ready:normal", name_)});
  }

  bool quiet() {
    const Audit numbers = audit(server_, topic(), name_);
    return !numbers.empty() && numbers.at("ready") == 0 && numbers.at("processing") == 0 &&
           numbers.at("delayed") <= 1;
  }

  bool handled(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    return handled_.contains(id);
  }

  std::function<Task<>(Context&)> handler() {
    return [this](Context& context) -> Task<> { return handle(this, &context); };
  }
  static Task<> handle(Tour* self, Context* context) {
    const std::string what = context->message().payload.get<std::string>();
    if (what == "retry" && context->attempt() == 1) throw std::runtime_error("once more");
    if (what == "reject") throw Reject("as asked");
    const std::lock_guard lock(self->mutex_);
    self->handled_.insert(context->id());
    co_return;
  }

  RedisServer& server_;
  const std::string name_;
  const std::string missing_;
  std::set<std::string> accepted_;
  mutable std::mutex mutex_;
  Strings told_;
  std::set<std::string> handled_;
};

RedisOptions with_a_long_log() {
  RedisOptions options;
  options.config = {"acllog-max-len 10000"};
  return options;
}

TEST(QueueRights, ThoseInTheReadmeSuffice) {
  RedisServer server(with_a_long_log());
  Tour tour(server, documented_rights(), "all", "");
  tour.go();
  EXPECT_EQ(tour.denials(), std::set<std::string>()) << tour.all_told();
  EXPECT_EQ(tour.all_told(), "");
}

TEST(QueueRights, EachThatIsMissingIsToldAndNothingIsLost) {
  RedisServer server(with_a_long_log());
  const Strings rights = documented_rights();
  ASSERT_GT(rights.size(), 40U);
  std::vector<std::unique_ptr<Tour>> tours;
  // A sanitizer needs only some of them.
  const std::size_t step = optimized ? 1 : 9;
  for (std::size_t i = 0; i < rights.size(); i += step) {
    const std::string name = "u" + std::to_string(i);
    tours.push_back(std::make_unique<Tour>(server, rights, name, rights[i].substr(1)));
  }
  set_log_sink([&tours](LogLevel, std::string_view line) {
    for (const auto& tour : tours) {
      const auto has = [&](const std::string& part) {
        return line.find(part) != std::string_view::npos;
      };
      // A wait is for many topics, and names the command.
      if (has(tour->topic()) || has('\'' + tour->missing() + '\'')) tour->tell(line);
    }
  });
  std::vector<std::thread> threads;
  for (const auto& tour : tours) threads.emplace_back([&tour] { tour->go(); });
  for (auto& thread : threads) thread.join();
  threads.clear();
  std::string unused;
  std::size_t needed = 0;
  for (const auto& tour : tours) {
    if (!tour->denied()) {
      unused += " " + tour->missing();
      continue;
    }
    ++needed;
    std::set<std::string> denials = tour->denials();
    if (tour->missing() == "role") denials.erase("info");  // asked instead
    EXPECT_EQ(denials, std::set<std::string>{tour->missing()});
    if (dispensable.contains(tour->missing())) continue;
    EXPECT_TRUE(tour->told()) << tour->missing() << tour->all_told();
  }
  std::printf("%zu rights are needed; never asked for:%s\n", needed, unused.c_str());
  for (const auto& tour : tours) threads.emplace_back([&tour] { tour->recover(); });
  for (auto& thread : threads) thread.join();
  set_log_sink(nullptr);
  EXPECT_GE(needed * 5, tours.size() * 3);
}

TEST(QueueRights, OperatorsNeedNoOthersToLookAtMessagesAndToChangeThem) {
  RedisServer server;
  Strings line{"ACL", "SETUSER", "operator", "reset", "on", ">secret", "~mx:*", "resetchannels"};
  line.insert(line.end(), {"&mx:*", "-@all"});
  for (const std::string& right : documented_rights()) line.push_back(right);
  server.command(line);
  MQConfig config = quick_config(server.url());
  config.redis_username = "operator";
  config.redis_password = "secret";
  RedisMessageQueue queue(config);
  Admin admin = queue.admin();
  const auto put = [&](const char* id, ProduceOptions options) {
    sync_wait(queue.produce("t", id, options.message_id(id)));
  };
  put("a", ProduceOptions().delay(1h));
  put("b", ProduceOptions());
  for (const MessageState state : {MessageState::waiting, MessageState::suspect,
                                   MessageState::delayed, MessageState::held, MessageState::dead})
    sync_wait(admin.list("t", state));
  EXPECT_FALSE(sync_wait(admin.find("t", "nobody")).message);
  SearchRequest request;
  request.text = "b";
  EXPECT_EQ(sync_wait(admin.search("t", request)).messages.size(), 1U);
  const auto at = std::chrono::system_clock::now() + 2h;
  Strings ids{"a"};
  const auto promoted = sync_wait(admin.promote("t", ids));
  EXPECT_EQ(promoted[0].outcome, ChangeOutcome::done);
  for (const MessageChange& each :
       {sync_wait(admin.reprioritise("t", "a", MessagePriority::high)),
        sync_wait(admin.reschedule("t", "a", at)), sync_wait(admin.reschedule("t", "a", at + 1h)),
        sync_wait(admin.move("t", "a", "u"))})
    EXPECT_EQ(each.outcome, ChangeOutcome::done);
  EXPECT_EQ(sync_wait(admin.purge("t", MessageState::waiting)), 1);
  EXPECT_EQ(sync_wait(admin.purge("u", MessageState::delayed)), 1);
  EXPECT_TRUE(server.command({"ACL", "LOG"}).list().empty());
}

// The evalsha calls so far.
std::int64_t script_calls(RedisServer& server) {
  const std::string all = server.command({"INFO", "commandstats"}).str();
  const auto at = all.find("cmdstat_evalsha:calls=");
  return at == std::string::npos ? 0 : std::stoll(all.substr(at + 22));
}

TEST(QueueRights, WithoutSubscribeAWorkerLooksOnceASecondAndHealthSaysSo) {
  RedisServer server;
  Strings line{"ACL", "SETUSER", "deaf", "reset", "on", ">secret", "~mx:*", "resetchannels"};
  line.insert(line.end(), {"&mx:*", "-@all"});
  for (const std::string& right : documented_rights())
    if (right != "+subscribe") line.push_back(right);
  server.command(line);
  MQConfig config = quick_config(server.url());
  config.redis_username = "deaf";
  config.redis_password = "secret";
  config.expired_check_interval = 1h;  // no sweep finds the message
  config.processing_monitor_interval = 1h;
  RedisMessageQueue queue(config);
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  HealthReport report;
  EXPECT_TRUE(wait_for(patience, [&] {
    report = sync_wait(queue.health_check());
    return report.checks["consuming"].find("once a second") != std::string::npos;
  })) << report.checks["consuming"];
  EXPECT_FALSE(report.healthy);
  const std::int64_t before = script_calls(server);
  const auto began = WaitClock::now();
  for (std::size_t i = 1; i <= 3; ++i) {
    sync_wait(queue.produce("t", i));
    EXPECT_TRUE(journal->wait_size(i));
  }
  const auto took = std::chrono::duration<double>(WaitClock::now() - began).count();
  const auto calls = static_cast<double>(script_calls(server) - before);
  // Of each message a produce and an ack; the claims are a second apart, though each finds one.
  EXPECT_LE(calls, 3 * 2 + took + 3) << took << " s";
  sync_wait(queue.cleanup());
}

// One more right than the line has; without it each message is at the master, and that is said.
TEST(QueueRights, WaitingForReplicasNeedsWaitBesides) {
  RedisOptions options;
  options.tcp = true;
  options.config = {"repl-diskless-sync-delay 0", "repl-ping-replica-period 1"};
  RedisServer server(options);
  options.config.push_back("replicaof 127.0.0.1 " + std::to_string(server.port()));
  RedisServer replica(options);
  ASSERT_TRUE(wait_for(patience, [&] {
    // What is written reaches it after its first acknowledgement.
    const std::string info = server.command({"INFO", "replication"}).str();
    const auto at = info.find("state=online,offset=");
    return at != std::string::npos && info[at + 20] != '0';
  }));
  Strings line{"ACL", "SETUSER", "careful", "reset", "on", ">secret", "~mx:*", "resetchannels"};
  line.insert(line.end(), {"&mx:*", "-@all"});
  for (const std::string& right : documented_rights()) line.push_back(right);
  server.command(line);
  MQConfig config = quick_config(server.url());
  config.redis_username = "careful";
  config.redis_password = "secret";
  config.wait_replicas = 1;
  config.wait_replicas_timeout = 20s;
  config.produce_timeout = 60s;
  RedisMessageQueue queue(config);
  std::string told;
  try {
    sync_wait(queue.produce("t", 1));
  } catch (const NotReplicated& error) {
    told = error.what();
  }
  EXPECT_NE(told.find("Redis refused WAIT: NOPERM"), std::string::npos) << told;
  const std::string list = key_of("t", "ready:normal");
  EXPECT_EQ(server.command({"LLEN", list}).num(), 1) << "it is there";
  server.command({"ACL", "SETUSER", "careful", "+wait"});
  EXPECT_EQ(thrown_by([&] { sync_wait(queue.produce("t", 2)); }), "");
  EXPECT_EQ(replica.command({"LLEN", list}).num(), 2);
  sync_wait(queue.cleanup());
}

}  // namespace
}  // namespace mx_rmq::test
