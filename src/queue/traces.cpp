#include "queue/traces.hpp"

#include <cxxabi.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <typeinfo>
#include <utility>

#include "runtime/log.hpp"

namespace mx_rmq::queue {

namespace log = runtime::log;

namespace {

// A tracer may fail as it likes: messages go their way.
template <class F>
void guarded(const char* what, F call) noexcept {
  try {
    call();
  } catch (const std::exception& error) {
    log::warn("the tracer threw", "in", what, "error", error.what());
  } catch (...) {
    log::warn("the tracer threw something that is no std::exception", "in", what);
  }
}

// The name of the type of the exception that is being handled: `std::runtime_error`.
std::string current_type() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
  return name != nullptr ? name.get() : type->name();
}

// Inside a catch clause.
std::string current_text() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

void fail_span(Span* span) noexcept {
  if (span == nullptr) return;
  guarded("Span::fail", [&] {
    const std::string type = current_type();
    const std::string text = current_text();
    span->set({"error.type", type});
    span->fail(type, text);
  });
}

// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
SpanStart start_of(SpanKind kind, const char* operation, const std::string& topic) {
  SpanStart start;
  start.kind = kind;
  start.name = std::string(operation) + " " + topic;
  start.attributes.emplace_back("messaging.system", std::string("mx_rmq"));
  start.attributes.emplace_back("messaging.operation.name", std::string(operation));
  start.attributes.emplace_back("messaging.operation.type", std::string(operation));
  start.attributes.emplace_back("messaging.destination.name", topic);
  return start;
}

}  // namespace

TracedRun::TracedRun(const Hooks& hooks, Context& context) : context_(context) {
  if (hooks.tracer == nullptr) return;
  guarded("Tracer::start", [&] {
    SpanStart start = start_of(SpanKind::consumer, "process", context.topic());
    start.attributes.emplace_back("messaging.message.id", context.id());
    start.attributes.emplace_back("mx_rmq.attempt", std::int64_t{context.attempt()});
    TraceContext sent(context.headers());
    if (!sent.empty() && hooks.spans == ProcessSpans::child) start.parent = sent;
    if (!sent.empty() && hooks.spans == ProcessSpans::linked)
      start.links.push_back(std::move(sent));
    span_ = hooks.tracer->start(start);
    if (span_ != nullptr) context_.set_trace_context(span_->context());
  });
}

TracedRun::~TracedRun() {
  if (span_ == nullptr) return;
  guarded("Span::~Span", [&] { span_.reset(); });
  context_.set_trace_context(TraceContext());  // the object serves the next run, too
}

void TracedRun::run(const std::function<void()>& work) {
  if (span_ == nullptr) return work();
  span_->run(work);
}

void TracedRun::fail() noexcept { fail_span(span_.get()); }

TracedSend::TracedSend(Tracer& tracer, OutgoingMessage& message) {
  guarded("Tracer::start", [&] {
    SpanStart start = start_of(SpanKind::producer, "send", message.topic);
    start.parent = TraceContext(message.options.headers());
    span_ = tracer.start(start);
    if (span_ == nullptr) return;
    TraceContext context = span_->context();
    if (context.empty()) return;
    message.options.header("traceparent", std::move(context.traceparent));
    if (!context.tracestate.empty())
      message.options.header("tracestate", std::move(context.tracestate));
  });
}

void TracedSend::sent_as(const std::string& id) noexcept {
  if (span_ == nullptr) return;
  guarded("Span::set", [&] { span_->set({"messaging.message.id", id}); });
  guarded("Span::~Span", [&] { span_.reset(); });
}

void TracedSend::fail() noexcept {
  fail_span(span_.get());
  guarded("Span::~Span", [&] { span_.reset(); });
}

}  // namespace mx_rmq::queue
