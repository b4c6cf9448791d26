#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// @file
/// The errors that operations on a queue can end with.
///
/// All of them derive from `mx_rmq::Error`. Their texts never contain a password. A mistake in an
/// argument (a bad topic, a payload that is too large, a null handler, a second handler for a
/// topic) is a `std::invalid_argument` instead: it is thrown before anything is sent, and `what()`
/// names the argument.
///
/// The type of an error says what happened at Redis:
///
/// - Nothing was sent, so nothing happened: `ConfigError` (correct the configuration),
///   `ConnectionError` (call again when Redis is back), its `TlsError` (correct certificates or
///   fields), `TimeoutError` (call again, or allow more time), `Overloaded` (produce more slowly),
///   `ShutdownError` (the queue has been stopped).
/// - It was sent and may have happened: `OutcomeUnknown` (look, or repeat with a chosen message
///   id).
/// - Redis refused, so nothing happened: `ServerError` (what to do depends on its `code()`).
/// - The message belongs to another consumer by now: `LeaseLost` (stop working on it).
/// - The chosen id is in use, and the caller asked to be told: `Duplicate` (nothing was added).
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

/// There is a server, and no TLS connection to it that may be used: its certificate has expired, is
/// not trusted or names somebody else, it refuses ours, a file of the tls_ fields cannot be used,
/// or what is there does not speak TLS. `what()` says which, and what to do. Nothing of this
/// operation was sent. The library tries again by itself, reading the files anew, so that a
/// certificate that is replaced is enough; nothing is ever sent unencrypted instead. Calls that
/// have waited for something better until their own deadline end with `TimeoutError`, whose text
/// has all this too.
class TlsError : public ConnectionError {
 public:
  using ConnectionError::ConnectionError;
};

/// The deadline passed before anything of this operation was sent, or something that it waited for
/// (a connection, the end of a stop) did not come in time. The operation surely did not happen at
/// Redis, and calling again is safe. A command that *was* sent and was not answered in time ends
/// with `OutcomeUnknown` instead.
class TimeoutError : public Error {
 public:
  using Error::Error;
};

/// The operation was sent and no reply came: it may or may not have happened. Where sending again
/// does no harm (produce, acknowledgements) the library does that by itself, and throws this only
/// when the time for it has run out. It also throws this for cancel, requeue and remove, when a
/// call that was sent again finds nothing: the lost first one may have done it. To be sure about a
/// produce, choose the message's id (`ProduceOptions::message_id`) and produce it again: it is
/// enqueued at most once.
class OutcomeUnknown : public Error {
 public:
  using Error::Error;
};

/// A produced message is at the master, but fewer replicas than MQConfig::wait_replicas had it
/// within wait_replicas_timeout: if the master fails now, it may be lost; as long as the master
/// lives, it will be handled. To produce it again, choose its id: it is enqueued at most once.
class NotReplicated : public OutcomeUnknown {
 public:
  using OutcomeUnknown::OutcomeUnknown;
};

/// Redis refused the operation and did nothing. Either waiting cannot help, or the reason for the
/// refusal had not passed by the deadline. `code()` is the first word of the reply, as Redis wrote
/// it; `what()` has the full text. Common codes: `OOM` (memory limit: drain the queue or raise
/// maxmemory), `NOPERM` (a right is missing: see the ACL line in docs/operations.md), `NOAUTH` and
/// `WRONGPASS` (credentials), `READONLY` (a replica), `LOADING`, `BUSY`, `CLUSTERDOWN`, `MISCONF`
/// (still so at the deadline). `SETTINGS` comes from the library's own scripts: a change that what
/// is set for the topic does not allow (TopicSettings), or settings in Redis that cannot be read.
class ServerError : public Error {
 public:
  /// `code` is the first word of Redis's reply (for instance "OOM"), `text` the whole message.
  ServerError(std::string code, const std::string& text)
      : Error(text), code_(std::make_shared<const std::string>(std::move(code))) {}
  /// A copy; never throws. There is no move, so code() stays valid.
  ServerError(const ServerError&) = default;
  /// Never throws.
  ServerError& operator=(const ServerError&) = default;

  /// The first word of Redis's reply, as Redis wrote it: upper case, "ERR" where Redis has no code.
  [[nodiscard]] const std::string& code() const noexcept { return *code_; }

 private:
  // Shared, so that copying the exception cannot throw.
  std::shared_ptr<const std::string> code_;
};

/// The consumer does not hold the message any more. Its lease ran out (the loop was blocked, the
/// process suspended, or Redis away for longer than the lease), and the message was, or will be,
/// given to another worker. Nothing was changed at Redis. A handler that learns of it, from
/// `Context::extend` or by its stop token, should stop: whatever it returns is ignored.
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

/// As many produce calls as `MQConfig::max_pending_produces` allows are under way already. Nothing
/// was sent. Await some of them, then call again.
class Overloaded : public Error {
 public:
  using Error::Error;
};

/// A message of the topic with the same chosen id is there already: it waits, is delayed, in work
/// or dead. The new one was not added, and nothing was changed. Thrown only where
/// ProduceOptions::throw_if_duplicate asks for it. When the library sends a call again after a lost
/// reply, that is never a duplicate of itself. When you repeat a call after OutcomeUnknown it may
/// be: the first call may have added the message.
class Duplicate : public Error {
 public:
  /// `ids` has one id or more.
  Duplicate(std::vector<std::string> ids, const std::string& text)
      : Error(text), ids_(std::make_shared<const std::vector<std::string>>(std::move(ids))) {}
  /// A copy; never throws. There is no move, so ids() stays valid.
  Duplicate(const Duplicate&) = default;
  /// Never throws.
  Duplicate& operator=(const Duplicate&) = default;

  /// The ids that were in use already: one for produce(), one or more for produce_batch(), in the
  /// order of its messages.
  [[nodiscard]] const std::vector<std::string>& ids() const noexcept { return *ids_; }

 private:
  // Shared, so that copying the exception cannot throw.
  std::shared_ptr<const std::vector<std::string>> ids_;
};

}  // namespace mx_rmq
