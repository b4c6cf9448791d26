#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// @file
/// Traces: what a tracing system must offer so that a message can be followed from the service that
/// produced it to the handlers that had it. Set by RedisMessageQueue::set_tracer().
///
/// The library makes two kinds of spans, named and described by OpenTelemetry's conventions for
/// messaging (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/): `send TOPIC`
/// for each message that is produced, and `process TOPIC` for each run of a handler. The context of
/// the `send` span travels in the headers `traceparent` and `tracestate`, in the form of W3C Trace
/// Context (https://www.w3.org/TR/trace-context/), so that services in other languages read it too.
namespace mx_rmq {

/// Where in which trace something happened, as the headers of W3C Trace Context say it.
struct TraceContext {
  /// An empty one: no trace.
  TraceContext();
  /// The context in the headers of a message; empty if there is none, or it is malformed.
  explicit TraceContext(const std::map<std::string, std::string>& headers);

  /// `00-<32 hexadecimal digits of the trace>-<16 of the span>-<flags>`, or empty.
  std::string traceparent;
  /// What tracing systems add of their own, or empty.
  std::string tracestate;

  /// Whether there is no trace.
  [[nodiscard]] bool empty() const noexcept { return traceparent.empty(); }
  /// Whether both are equal.
  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

/// What a span is, for the systems that draw traces.
enum class SpanKind : std::uint8_t {
  producer,  ///< `send`
  consumer,  ///< `process`
};

/// Something that is said of a span: `{"messaging.destination.name", "orders"}`.
struct SpanAttribute {
  /// The name and what it is.
  SpanAttribute(std::string attribute_name, std::variant<std::int64_t, bool, std::string> is);

  std::string name;                                     ///< by OpenTelemetry's conventions
  std::variant<std::int64_t, bool, std::string> value;  ///< what it is
};

/// A span that begins.
struct SpanStart {
  /// Empty, of a producer.
  SpanStart();

  std::string name;                       ///< `send TOPIC` or `process TOPIC`
  SpanKind kind = SpanKind::producer;     ///< which of the two
  std::vector<SpanAttribute> attributes;  ///< what is known at the beginning
  /// What it is part of. Empty: of what the tracer itself takes for current on this thread (a
  /// `send`), or of nothing (a `process` that is linked).
  TraceContext parent;
  /// What led to it without being its parent.
  std::vector<TraceContext> links;
};

/// A span under way. It ends when it is destroyed, on any thread. The members are called by one
/// thread at a time. What they throw is logged and changes nothing else.
class Span {
 public:
  Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  virtual ~Span();

  /// Its context, to be sent along; empty: nothing is sent.
  [[nodiscard]] virtual TraceContext context() const = 0;
  /// Says something more of it.
  virtual void set(SpanAttribute attribute) = 0;
  /// It failed: `type` is a name that many failures share (an exception's type), `text` what it
  /// said. The attribute `error.type` has been set to the same.
  virtual void fail(const std::string& type, const std::string& text) = 0;
  /// Calls `work` with this span as the current one of this thread, so that what a handler calls
  /// becomes part of it. Called for handlers that block; a coroutine goes from thread to thread and
  /// has Context::trace_context() instead. As it comes it only calls `work`. What `work` throws
  /// must come out of it.
  virtual void run(const std::function<void()>& work);
};

/// A tracing system. Its members may be called on any thread, by several at once. What they throw
/// is logged, and the message goes its way without a span.
class Tracer {
 public:
  Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  virtual ~Tracer();

  /// Begins a span. A null pointer: none is wanted, because it is not sampled, say.
  virtual std::unique_ptr<Span> start(const SpanStart& span) = 0;
};

/// How the span of a run stands to the one that produced its message.
enum class ProcessSpans : std::uint8_t {
  /// A trace of its own, linked to the other: what OpenTelemetry advises, since a message may wait
  /// for days and be handled several times.
  linked,
  /// Part of the producer's trace, below its span.
  child,
};

}  // namespace mx_rmq
