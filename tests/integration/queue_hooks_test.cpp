// Headers, middleware and traces: what goes along with a message and around its handler.
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <thread>

#include "mx_rmq/async.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

using Headers = std::map<std::string, std::string>;

// Thread-safe: what happened, in order.
class Lines {
 public:
  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  Strings get() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  Strings lines_;
};

Middleware noting(std::shared_ptr<Lines> lines, std::string name) {
  return [lines, name](Context& context, Next next) -> Task<> {
    lines->add(name + " before " + context.message().payload.dump());
    co_await next();
    lines->add(name + " after");
  };
}

class QueueHooks : public QueueTest {
 protected:
  // Handled and acknowledged, or dead.
  static void wait_done(const char* topic, std::int64_t completed) {
    ASSERT_TRUE(wait_for(patience, [&] {
      return stat(server(), topic, "completed") + stat(server(), topic, "dead") >= completed;
    }));
  }
};

// --- headers ---

TEST_F(QueueHooks, HeadersReachTheHandlerAtEachAttemptAndTheDeadLetterAndItsNextLife) {
  const Headers headers{{"tenant", "ü 7"}, {"schema", "order\tv2\n"}};
  const auto lines = std::make_shared<Lines>();
  const auto fail = std::make_shared<std::atomic<bool>>(true);
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t",
      [lines, fail](Context& context) -> Task<> {
        lines->add(json(context.headers()).dump());
        if (*fail) throw std::runtime_error("not yet");
        co_return;
      },
      HandlerOptions{}.max_retries(1));
  ProduceOptions options;
  for (const auto& [name, value] : headers) options.header(name, value);
  const std::string id = produce(queue, "t", 1, options.header("tenant", "ü 7"));
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  const auto letter = sync_wait(queue.dead_letters().get("t", id));
  ASSERT_TRUE(letter);
  EXPECT_EQ(letter->message.headers, headers);
  *fail = false;
  EXPECT_TRUE(sync_wait(queue.dead_letters().requeue("t", id)));
  wait_done("t", 2);
  EXPECT_EQ(lines->get(), Strings(3, json(headers).dump()));
}

TEST_F(QueueHooks, AMessageWithoutHeadersHasNoneAfterOneThatHadSome) {
  const auto lines = std::make_shared<Lines>();
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t", [lines](Context& context) { lines->add(json(context.headers()).dump()); },
      HandlerOptions{}.max_concurrency(1));
  produce(queue, "t", 1, ProduceOptions{}.header("a", "b"));
  produce(queue, "t", 2);
  produce(queue, "t", 3, ProduceOptions{}.delay(1ms).message_id("x").header("c", "d"));
  start(queue);
  wait_done("t", 3);
  EXPECT_EQ(lines->get(), (Strings{R"({"a":"b"})", "{}", R"({"c":"d"})"}));
}

TEST_F(QueueHooks, HeadersThatCannotBeReadMakeADeadLetterThatKeepsThem) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  const std::string id = produce(queue, "t", 7, ProduceOptions{}.header("a", "b"));
  const std::string list = key_of("t", "ready:normal");
  std::string envelope = server().command({"LPOP", list}).text;
  const std::size_t place = envelope.find(R"({"a":"b"})");
  ASSERT_NE(place, std::string::npos);
  envelope.replace(place, 9, R"(["a","b"])");
  server().command({"RPUSH", list, envelope});
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  const auto letter = sync_wait(queue.dead_letters().get("t", id));
  ASSERT_TRUE(letter);
  EXPECT_EQ(letter->reason, "decode");
  EXPECT_EQ(letter->last_error, "headers: they are no JSON object");
  EXPECT_NE(letter->raw.find(R"(["a","b"])"), std::string::npos);
  EXPECT_EQ(journal->size(), 0U);
}

TEST_F(QueueHooks, ABadHeaderIsToldByTheCall) {
  RedisMessageQueue queue(config());
  EXPECT_EQ(thrown_by([&] { (void)queue.produce("t", 1, ProduceOptions{}.header("a b", "x")); }),
            "header \"a b\": this name is not allowed; allowed are 1 to 128 characters out of A-Z "
            "a-z 0-9 . _ : / -");
}

// --- middleware ---

TEST_F(QueueHooks, MiddlewareRunsAroundHandlersOfBothKindsTheFirstOutermost) {
  for (const bool blocking : {false, true}) {
    SCOPED_TRACE(blocking ? "blocking" : "coroutine");
    TestRedis::get().clear();
    const auto lines = std::make_shared<Lines>();
    RedisMessageQueue queue(config());
    queue.use(noting(lines, "outer"));
    if (blocking) {
      queue.register_handler("t", [lines](const json&) { lines->add("handler"); });
    } else {
      queue.register_handler("t", [lines](const json&) -> Task<> {
        lines->add("handler");
        co_return;
      });
    }
    queue.use(noting(lines, "inner"));
    produce(queue, "t", 5);
    start(queue);
    wait_done("t", 1);
    EXPECT_EQ(lines->get(), (Strings{"outer before 5", "inner before 5", "handler", "inner after",
                                     "outer after"}));
  }
}

TEST_F(QueueHooks, WhatMiddlewareThrowsEndsTheRunAsIfTheHandlerHadThrownIt) {
  for (const bool blocking : {false, true}) {
    SCOPED_TRACE(blocking ? "blocking" : "coroutine");
    TestRedis::get().clear();
    const auto journal = std::make_shared<Journal>();
    RedisMessageQueue queue(config());
    queue.use([](Context& context, Next next) -> Task<> {
      if (context.message().payload == 1) throw Reject("by middleware");
      try {
        co_await next();
      } catch (const std::logic_error&) {
        throw Reject("the handler was wrong");
      }
    });
    if (blocking) {
      queue.register_handler("t", [journal](Context& context) {
        journal->add(context);
        throw std::logic_error("no");
      });
    } else {
      queue.register_handler("t", [journal](Context& context) -> Task<> {
        journal->add(context);
        throw std::logic_error("no");
        co_return;
      });
    }
    const std::string first = produce(queue, "t", 1);
    const std::string second = produce(queue, "t", 2);
    start(queue);
    ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 2; }));
    EXPECT_EQ(sync_wait(queue.dead_letters().get("t", first))->last_error, "by middleware");
    EXPECT_EQ(sync_wait(queue.dead_letters().get("t", second))->last_error,
              "the handler was wrong");
    EXPECT_EQ(journal->payloads(), std::vector<json>{2});
  }
}

TEST_F(QueueHooks, AHandlerThatMiddlewareLeavesOutIsAcknowledgedAndOneThatItCallsTwiceRunsTwice) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.use([](Context& context, Next next) -> Task<> {
    const int times = context.message().payload.get<int>();
    for (int i = 0; i < times; ++i) co_await next();
  });
  queue.register_handler("coroutine", recorder(journal));
  queue.register_handler("blocking", [journal](Context& context) { journal->add(context); });
  for (const char* topic : {"coroutine", "blocking"})
    for (const int times : {0, 2}) produce(queue, topic, times);
  start(queue);
  wait_done("coroutine", 2);
  wait_done("blocking", 2);
  EXPECT_EQ(journal->payloads(), std::vector<json>(4, 2));
}

TEST_F(QueueHooks, ABlockingHandlerRunsOnItsThreadWhereverMiddlewareHasGone) {
  // Thread-safe: on which threads each message was, in order.
  struct Threads {
    void add(const std::string& id) {
      const std::lock_guard lock(mutex);
      of[id].push_back(std::this_thread::get_id());
    }
    std::mutex mutex;
    std::map<std::string, std::vector<std::thread::id>> of;
  };
  const auto threads = std::make_shared<Threads>();
  RedisMessageQueue queue(config());
  queue.use([threads](Context& context, Next next) -> Task<> {
    threads->add(context.id());
    co_await sleep_for(1ms);  // goes on on the loop thread
    threads->add(context.id());
    co_await next();
    threads->add(context.id());
  });
  queue.register_handler("t", [threads](Context& context) { threads->add(context.id()); });
  for (int i = 0; i < 20; ++i) produce(queue, "t", i);
  start(queue);
  wait_done("t", 20);
  EXPECT_EQ(stat(server(), "t", "completed"), 20);
  const std::lock_guard lock(threads->mutex);
  for (const auto& [id, were] : threads->of) {
    ASSERT_EQ(were.size(), 4U);  // begin, after sleeping, handler, after it
    EXPECT_NE(were[1], were[0]);
    EXPECT_EQ(were[2], were[0]);
    EXPECT_EQ(were[3], were[0]);
  }
}

TEST_F(QueueHooks, MiddlewareThatComesTooLateOrIsNullIsRefused) {
  RedisMessageQueue queue(config());
  queue.register_handler("t", [](const json&) {});
  EXPECT_THROW(queue.use(nullptr), std::invalid_argument);
  EXPECT_THROW(queue.use_produce(nullptr), std::invalid_argument);
  start(queue);
  const auto nothing = [](Context&, Next next) -> Task<> { co_await next(); };
  EXPECT_EQ(thrown_by([&] { queue.use(nothing); }),
            "use: the queue consumes already; call it before start()");
  EXPECT_EQ(thrown_by([&] { queue.set_tracer(nullptr); }),
            "set_tracer: the queue consumes already; call it before start()");
  sync_wait(queue.stop());
  EXPECT_EQ(thrown_by([&] { queue.use(nothing); }), "");
}

// Whether it came before the start or after it nobody can tell, but it is not ignored.
TEST_F(QueueHooks, MiddlewareAndHandlersThatComeDuringTheStartCountOrAreRefused) {
  for (int round = 0; round < 10; ++round) {
    RedisMessageQueue queue(config());
    const auto seen = std::make_shared<std::atomic<int>>(0);
    const auto handled = std::make_shared<std::atomic<int>>(0);
    const auto handler = [handled](const json&) { ++*handled; };
    queue.register_handler("t", handler);
    std::atomic<bool> go{false};
    int counts = 0;
    std::thread other([&] {
      while (!go) std::this_thread::yield();
      const auto count = [seen](Context&, Next next) -> Task<> {
        ++*seen;
        co_await next();
      };
      while (counts < 300 && thrown_by([&] { queue.use(count); }).empty()) {
        ++counts;
        std::this_thread::sleep_for(50us);  // so that some come before the start, some in it
      }
      queue.register_handler("late", handler);
    });
    go = true;
    start(queue);
    other.join();
    produce(queue, "t", 1);
    produce(queue, "late", 1);
    EXPECT_TRUE(wait_for(patience, [&] { return *handled == 2; }));
    EXPECT_EQ(*seen, 2 * counts) << "in round " << round;
    stop(queue);
  }
}

TEST_F(QueueHooks, ProduceMiddlewareSeesAndChangesEachMessageInOrder) {
  const auto lines = std::make_shared<Lines>();
  RedisMessageQueue queue(config());
  queue.use_produce([](OutgoingMessage& message) { message.options.header("a", "first"); });
  queue.use_produce([](OutgoingMessage& message) {
    message.options.header("a", message.options.headers().at("a") + ", second");
    message.payload = message.payload.get<int>() + 100;
  });
  queue.register_handler(
      "t",
      [lines](Context& context) {
        lines->add(context.message().payload.dump() + " " + context.headers().at("a"));
      },
      HandlerOptions{}.max_concurrency(1));
  produce(queue, "t", 1);
  sync_wait(queue.produce_batch({OutgoingMessage("t", 2), OutgoingMessage("t", 3)}));
  start(queue);
  wait_done("t", 3);
  EXPECT_EQ(lines->get(), (Strings{"101 first, second", "102 first, second", "103 first, second"}));
}

TEST_F(QueueHooks, WhatProduceMiddlewareThrowsIsThrownByTheCallAndNothingIsSent) {
  RedisMessageQueue queue(config());
  queue.use_produce([](OutgoingMessage& message) {
    if (message.payload == 2) throw std::runtime_error("not this one");
  });
  EXPECT_EQ(thrown_by([&] { (void)queue.produce("t", 2); }), "not this one");
  EXPECT_EQ(thrown_by([&] {
              (void)queue.produce_batch({OutgoingMessage("t", 1), OutgoingMessage("t", 2)});
            }),
            "not this one");
  produce(queue, "t", 1);
  EXPECT_EQ(stat(server(), "t", "produced"), 1);
}

// --- traces ---

struct Recorded {
  SpanStart start;
  Headers attributes;  // those that were set later
  std::string failure;
  std::string number;  // of its context
  bool ended = false;
};

// Keeps what it was told. Its contexts count up.
class RecordingTracer : public Tracer, public std::enable_shared_from_this<RecordingTracer> {
 public:
  std::unique_ptr<Span> start(const SpanStart& start) override;

  std::vector<std::shared_ptr<Recorded>> of(SpanKind kind) const {
    const std::lock_guard lock(mutex);
    std::vector<std::shared_ptr<Recorded>> found;
    for (const auto& each : spans)
      if (each->start.kind == kind && each->ended) found.push_back(each);
    return found;
  }
  bool wait_ended(SpanKind kind, std::size_t count) const {
    return wait_for(patience, [&] { return of(kind).size() >= count; });
  }

  mutable std::mutex mutex;
  std::vector<std::shared_ptr<Recorded>> spans;
  static thread_local std::string current;
};

thread_local std::string RecordingTracer::current;

class RecordingSpan : public Span {
 public:
  RecordingSpan(std::shared_ptr<RecordingTracer> tracer, std::shared_ptr<Recorded> kept)
      : tracer_(std::move(tracer)), kept_(std::move(kept)) {}
  ~RecordingSpan() override {
    const std::lock_guard lock(tracer_->mutex);
    kept_->ended = true;
  }
  TraceContext context() const override {
    TraceContext context;
    context.traceparent = kept_->number;
    context.tracestate = "test=1";
    return context;
  }
  void set(SpanAttribute attribute) override {
    const std::lock_guard lock(tracer_->mutex);
    kept_->attributes[attribute.name] = std::get<std::string>(attribute.value);
  }
  void fail(const std::string& type, const std::string& text) override {
    const std::lock_guard lock(tracer_->mutex);
    kept_->failure = type + ": " + text;
  }
  void run(const std::function<void()>& work) override {
    RecordingTracer::current = kept_->number;
    try {
      work();
    } catch (...) {
      RecordingTracer::current.clear();
      throw;
    }
    RecordingTracer::current.clear();
  }

 private:
  std::shared_ptr<RecordingTracer> tracer_;
  std::shared_ptr<Recorded> kept_;
};

std::unique_ptr<Span> RecordingTracer::start(const SpanStart& start) {
  const std::lock_guard lock(mutex);
  auto kept = std::make_shared<Recorded>();
  kept->start = start;
  std::string digits = std::to_string(spans.size() + 1);
  digits.insert(0, 16 - digits.size(), '0');
  kept->number = "00-0af7651916cd43dd8448eb211c80319c-" + digits + "-01";
  spans.push_back(kept);
  return std::make_unique<RecordingSpan>(shared_from_this(), kept);
}

std::string text_of(const SpanStart& start, const std::string& name) {
  for (const SpanAttribute& each : start.attributes) {
    if (each.name != name) continue;
    if (const auto* number = std::get_if<std::int64_t>(&each.value)) return std::to_string(*number);
    return std::get<std::string>(each.value);
  }
  return "(missing)";
}

TEST_F(QueueHooks, EachMessageAndEachRunHasASpanAndTheRunIsLinkedToTheMessage) {
  for (const bool blocking : {false, true}) {
    SCOPED_TRACE(blocking ? "blocking" : "coroutine");
    TestRedis::get().clear();
    const auto tracer = std::make_shared<RecordingTracer>();
    const auto lines = std::make_shared<Lines>();
    RedisMessageQueue queue(config());
    queue.set_tracer(tracer);
    const auto handle = [lines](Context& context) {
      lines->add(context.trace_context().traceparent);
      lines->add(RecordingTracer::current);
      if (context.attempt() == 1) throw std::out_of_range("once");
    };
    if (blocking) {
      queue.register_handler("t", handle);
    } else {
      queue.register_handler("t", [handle](Context& context) -> Task<> {
        handle(context);
        co_return;
      });
    }
    const std::string id = produce(queue, "t", 1);
    start(queue);
    wait_done("t", 1);
    ASSERT_TRUE(tracer->wait_ended(SpanKind::consumer, 2));
    const auto sends = tracer->of(SpanKind::producer);
    ASSERT_EQ(sends.size(), 1U);
    EXPECT_EQ(sends[0]->start.name, "send t");
    EXPECT_EQ(text_of(sends[0]->start, "messaging.system"), "mx_rmq");
    EXPECT_EQ(text_of(sends[0]->start, "messaging.operation.type"), "send");
    EXPECT_EQ(text_of(sends[0]->start, "messaging.destination.name"), "t");
    EXPECT_TRUE(sends[0]->start.parent.empty());
    EXPECT_EQ(sends[0]->attributes.at("messaging.message.id"), id);
    EXPECT_EQ(sends[0]->failure, "");
    const auto runs = tracer->of(SpanKind::consumer);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(runs[i]->start.name, "process t");
      EXPECT_EQ(text_of(runs[i]->start, "messaging.operation.type"), "process");
      EXPECT_EQ(text_of(runs[i]->start, "messaging.message.id"), id);
      EXPECT_EQ(text_of(runs[i]->start, "mx_rmq.attempt"), std::to_string(i + 1));
      EXPECT_TRUE(runs[i]->start.parent.empty());
      ASSERT_EQ(runs[i]->start.links.size(), 1U);
      EXPECT_EQ(runs[i]->start.links[0].traceparent, sends[0]->number);
      EXPECT_EQ(runs[i]->start.links[0].tracestate, "test=1");
      EXPECT_EQ(lines->get()[2 * i], runs[i]->number);
      EXPECT_EQ(lines->get()[2 * i + 1], blocking ? runs[i]->number : "");
    }
    EXPECT_EQ(runs[0]->failure, "std::out_of_range: once");
    EXPECT_EQ(runs[0]->attributes.at("error.type"), "std::out_of_range");
    EXPECT_EQ(runs[1]->failure, "");
  }
}

TEST_F(QueueHooks, ARunMayBePartOfTheProducersTraceAndWhatItProducesToo) {
  const auto tracer = std::make_shared<RecordingTracer>();
  RedisMessageQueue queue(config());
  queue.set_tracer(tracer, ProcessSpans::child);
  queue.register_handler("first", [&queue](Context& context) -> Task<> {
    ProduceOptions options;
    options.header("traceparent", context.trace_context().traceparent);
    auto call = queue.produce("second", 2, options);
    co_await std::move(call);
  });
  queue.register_handler("second", [](const json&) {});
  produce(queue, "first", 1);
  start(queue);
  ASSERT_TRUE(tracer->wait_ended(SpanKind::consumer, 2));
  sync_wait(queue.cleanup());  // ends the handler that uses it
  ASSERT_EQ(tracer->spans.size(), 4U);
  // send first, process first, send second, process second: each below the one before.
  const auto& spans = tracer->spans;
  EXPECT_TRUE(spans[0]->start.parent.empty());
  for (std::size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(spans[i]->start.parent.traceparent, spans[i - 1]->number) << i;
    EXPECT_TRUE(spans[i]->start.links.empty()) << i;
  }
}

TEST_F(QueueHooks, ASendThatIsRefusedHasFailed) {
  const auto tracer = std::make_shared<RecordingTracer>();
  RedisMessageQueue queue(config());
  queue.set_tracer(tracer);
  EXPECT_THROW((void)queue.produce("t", std::nan("")), std::invalid_argument);
  produce(queue, "t", 1, ProduceOptions{}.message_id("same"));
  EXPECT_THROW(produce(queue, "t", 1, ProduceOptions{}.message_id("same").throw_if_duplicate()),
               Duplicate);
  sync_wait(queue.produce_batch({OutgoingMessage("t", 1), OutgoingMessage("t", 2)}));
  const auto spans = tracer->of(SpanKind::producer);
  ASSERT_EQ(spans.size(), 5U);
  EXPECT_EQ(spans[0]->failure, "std::invalid_argument: payload: NaN and infinity are not JSON");
  EXPECT_EQ(spans[1]->failure, "");
  EXPECT_EQ(spans[2]->failure.rfind("mx_rmq::Duplicate: ", 0), 0U) << spans[2]->failure;
  EXPECT_EQ(spans[3]->failure + spans[4]->failure, "");
  EXPECT_NE(spans[3]->attributes.at("messaging.message.id"),
            spans[4]->attributes.at("messaging.message.id"));
}

TEST_F(QueueHooks, ATracerThatThrowsDisturbsNobody) {
  class Broken : public Tracer {
   public:
    std::unique_ptr<Span> start(const SpanStart&) override { throw std::runtime_error("broken"); }
  };
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.set_tracer(std::make_shared<Broken>());
  queue.register_handler("t", recorder(journal));
  produce(queue, "t", 1);
  start(queue);
  wait_done("t", 1);
  EXPECT_EQ(journal->payloads(), std::vector<json>{1});
}

}  // namespace
}  // namespace mx_rmq::test
