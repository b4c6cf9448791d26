#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Every error that an operation on a queue can end with.
///
/// All of them derive from `mx_rmq::Error`. Mistakes in an argument (a bad topic, a payload over
/// the cap, a null handler, a second handler for a topic ...) are `std::invalid_argument` instead,
/// thrown before anything is sent, with the argument named in `what()`. No message of any error ever
/// contains a password.
///
/// The type tells what is known about Redis:
///
/// - Nothing was sent, so nothing happened: `ConfigError` (correct the configuration),
///   `ConnectionError` (call again when Redis is back), `TimeoutError` (call again, or allow more
///   time), `Overloaded` (produce more slowly), `ShutdownError` (the queue has been stopped).
/// - It was sent and may have happened: `OutcomeUnknown` (look, or repeat with a chosen message id).
/// - Redis refused, so nothing happened: `ServerError` (what to do depends on its `code()`).
/// - The message is somebody else's by now: `LeaseLost` (stop working on it).
/// - The chosen id is in use, and who produced wanted to know: `Duplicate` (nothing was added).
namespace mx_rmq {

/// Base of all errors of this library; catching it catches every type below.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A configuration cannot be used: a field out of its range, fields that contradict each other, a
/// malformed or unknown environment variable, or a URL scheme that is not built in. `what()` names
/// the field or variable, the value (never a password) and what is allowed. Nothing was sent to
/// Redis. Correct the configuration; repeating the call does not help.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// There is no usable connection to Redis. Nothing of this operation was sent, so it surely did not
/// happen, and calling again is safe. The library keeps reconnecting by itself in the meantime.
class ConnectionError : public Error {
 public:
  using Error::Error;
};

/// The deadline passed before anything of this operation was sent, or what was waited for (a
/// connection, the end of a stop) did not come in time. The operation surely did not happen at
/// Redis; calling again is safe. A command that *was* sent and not answered in time is
/// `OutcomeUnknown` instead.
class TimeoutError : public Error {
 public:
  using Error::Error;
};

/// The operation was sent, no reply came, and a safe re-send was not possible before the deadline:
/// it may or may not have happened. The library re-sends by itself whatever is idempotent (numbered
/// produce batches, settlements) and throws this only when the time for that has run out, or for
/// operations that cannot tell "I did it before" from "there was nothing to do" (cancel, requeue,
/// remove). To be sure about a produce, choose the message's id (`ProduceOptions::message_id`) and
/// produce it again: it is enqueued at most once.
class OutcomeUnknown : public Error {
 public:
  using Error::Error;
};

/// Redis answered with an error that says that it did not do it, and that waiting does not mend
/// before the deadline. `code()` is the first word of the reply, as Redis wrote it; `what()` is the
/// full text. Common codes: `OOM` (memory limit: drain the queue or raise maxmemory), `NOPERM` (a
/// right is missing: see the ACL line in the documentation), `NOAUTH` and `WRONGPASS`
/// (credentials), `READONLY` (a replica), `LOADING`, `BUSY`, `CLUSTERDOWN`, `MISCONF` (still so at
/// the deadline).
class ServerError : public Error {
 public:
  /// `code` is the first word of Redis's reply (for instance "OOM"), `text` the whole message.
  ServerError(std::string code, const std::string& text)
      : Error(text), code_(std::make_shared<const std::string>(std::move(code))) {}
  // Copied, never moved: code() stays valid.
  ServerError(const ServerError&) = default;
  ServerError& operator=(const ServerError&) = default;

  /// First word of Redis's reply, upper case as Redis wrote it; "ERR" where Redis gave no better.
  [[nodiscard]] const std::string& code() const noexcept { return *code_; }

 private:
  // Shared, so that copying the exception cannot throw.
  std::shared_ptr<const std::string> code_;
};

/// The consumer no longer holds the message: its lease ran out (a blocked loop, a suspended
/// process, Redis away for longer than the lease) and the message was, or will be, given to another
/// worker. Nothing was changed at Redis by the refused settlement. A handler that learns of it
/// (from `Context::extend` or by its stop token) should stop: whatever it returns is ignored.
class LeaseLost : public Error {
 public:
  using Error::Error;
};

/// The queue (or its runtime) is stopping or has been stopped, so the operation was refused.
/// Nothing was sent. Operations that were sent already are awaited within the shutdown time and do
/// not end with this.
class ShutdownError : public Error {
 public:
  using Error::Error;
};

/// The client's own bound is full (`MQConfig::max_pending_produces`): more produce calls are under
/// way than memory was set aside for. Nothing was sent. Await some of the calls under way, then
/// call again.
class Overloaded : public Error {
 public:
  using Error::Error;
};

/// A message of the topic with the same chosen id waits, is delayed, in work or dead, so this one was not
/// added and nothing was changed. Thrown only where ProduceOptions::throw_if_duplicate asks for it. A call
/// whose reply was lost, and that was sent again, is never a duplicate of itself; but a call that you
/// repeat after OutcomeUnknown may be one of what the call before it has added.
class Duplicate : public Error {
 public:
  /// `ids` has one id or more.
  Duplicate(std::vector<std::string> ids, const std::string& text)
      : Error(text), ids_(std::make_shared<const std::vector<std::string>>(std::move(ids))) {}
  // Copied, never moved: ids() stays valid.
  Duplicate(const Duplicate&) = default;
  Duplicate& operator=(const Duplicate&) = default;

  /// The ids that are in use: of produce() its one, of produce_batch() those among its messages, in their
  /// order.
  [[nodiscard]] const std::vector<std::string>& ids() const noexcept { return *ids_; }

 private:
  // Shared, so that copying the exception cannot throw.
  std::shared_ptr<const std::vector<std::string>> ids_;
};

}  // namespace mx_rmq
