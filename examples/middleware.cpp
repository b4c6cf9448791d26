// What goes along with messages and around handlers: headers, middleware, and a tracer that prints
// how a message went from one service to the next.
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <mx_rmq/mx_rmq.hpp>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::Context;
using mx_rmq::Next;
using mx_rmq::OutgoingMessage;
using mx_rmq::ProduceOptions;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

std::string random_hex(int digits) {
  static std::random_device device;
  std::ostringstream text;
  for (int i = 0; i < digits; i += 8)
    text << std::hex << std::setw(8) << std::setfill('0') << (device() | 1U);
  return text.str();
}

/// Prints each span when it ends. That of a tracing system would send it there.
class PrintedSpan : public mx_rmq::Span {
 public:
  explicit PrintedSpan(const mx_rmq::SpanStart& start) : name_(start.name) {
    // Part of the parent's trace, or a trace of its own.
    trace_ = start.parent.empty() ? random_hex(32) : start.parent.traceparent.substr(3, 32);
    for (const mx_rmq::TraceContext& link : start.links)
      linked_ += ", linked to " + link.traceparent.substr(3, 4);
  }
  ~PrintedSpan() override {
    const std::chrono::duration<double, std::milli> took =
        std::chrono::steady_clock::now() - began_;
    std::ostringstream line;
    line << "span    " << std::left << std::setw(17) << name_ << " trace " << trace_.substr(0, 4)
         << ", " << std::fixed << std::setprecision(1) << took.count() << " ms" << linked_ << how_;
    example::say(line.str());
  }
  mx_rmq::TraceContext context() const override {
    mx_rmq::TraceContext context;
    context.traceparent = "00-" + trace_ + "-" + span_ + "-01";
    return context;
  }
  void set(mx_rmq::SpanAttribute) override {}
  void fail(const std::string& type, const std::string& text) override {
    how_ = ", failed: " + type + ", " + text;
  }

 private:
  const std::string name_;
  const std::string span_ = random_hex(16);
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::string trace_;
  std::string linked_;
  std::string how_;
};

class PrintingTracer : public mx_rmq::Tracer {
 public:
  std::unique_ptr<mx_rmq::Span> start(const mx_rmq::SpanStart& start) override {
    const std::lock_guard lock(mutex_);
    ++spans_[start.name.substr(0, start.name.find(' '))];
    return std::make_unique<PrintedSpan>(start);
  }
  int count(const std::string& operation) {
    const std::lock_guard lock(mutex_);
    return spans_[operation];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, int> spans_;
};

void add_middleware(RedisMessageQueue& queue) {
  // Who is asked for what, said once for all messages ...
  queue.use_produce([](OutgoingMessage& message) { message.options.header("tenant", "acme"); });
  // ... and looked at once for all handlers.
  queue.use([](Context& context, Next next) -> Task<> {
    if (context.headers().at("tenant") != "acme") throw mx_rmq::Reject("not our customer");
    example::say("begin   " + context.topic() + ", attempt " + std::to_string(context.attempt()));
    co_await next();
    example::say("done    " + context.topic());
  });
}

void register_handlers(RedisMessageQueue& queue, example::Countdown& done) {
  queue.register_handler("orders", [&queue](const json& order, Context& context) -> Task<> {
    if (context.attempt() == 1) throw std::runtime_error("the database was restarted");
    json invoice = {{"for", order["item"]}};
    ProduceOptions options;
    options.header("traceparent", context.trace_context().traceparent);
    co_await queue.produce("invoices", invoice, options);
  });
  queue.register_handler("invoices", [&done](Context& context) {
    if (context.headers().at("tenant") == "acme") done.count_down();
  });
}

int run() {
  const example::PrivateRedis redis;
  const auto tracer = std::make_shared<PrintingTracer>();
  example::Countdown done(1);
  mx_rmq::MQConfig config = redis.config();
  config.retry_delays = {50ms};
  RedisMessageQueue queue(config);
  add_middleware(queue);
  queue.set_tracer(tracer);
  register_handlers(queue, done);
  mx_rmq::sync_wait(queue.start_background());
  const json order = {{"item", "tea"}};
  mx_rmq::sync_wait(queue.produce("orders", order));
  const bool handled = done.wait_for(20s);
  mx_rmq::sync_wait(queue.cleanup());

  example::Checks checks;
  checks.expect(handled, "the invoice has the tenant that middleware gave it");
  checks.expect(tracer->count("send") == 2, "two messages were sent, each with a span");
  checks.expect(tracer->count("process") == 3, "three runs have spans, that of the retry too");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "middleware: headers, middleware around handlers and before produce, a tracer that prints.\n"
      "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
