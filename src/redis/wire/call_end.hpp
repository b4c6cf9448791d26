#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

/// How a call to Redis ended, said in one place for all who call:
///
///     CallEnd end;  // answered, as long as nothing else is known
///     try {
///       reply = co_await lane.eval(...);
///     } catch (...) {
///       end = CallEnd::caught();
///     }
///     if (!end.answered()) ...
class CallEnd {
 public:
  enum class Kind : std::uint8_t {
    answered,
    not_sent,   ///< ConnectionError: the connection ended before anything of it was written
    too_late,   ///< TimeoutError: not written by its deadline
    refused,    ///< ServerError: not executed, and sending it again cannot help
    not_now,    ///< ServerError: not executed, for a reason that passes by itself
    no_reply,   ///< OutcomeUnknown: written, and no reply came
    half_done,  ///< ScriptError: raised inside the script; no copy may be sent
    bad_reply,  ///< ProtocolError: executed, but the reply has another shape than the command's
    shut_down,  ///< ShutdownError: the connections or the loop are closed; not sent
    broken      ///< anything else, as std::bad_alloc: it may have come at any time
  };

  /// Answered.
  CallEnd() = default;
  /// Of a call that ended with this exception.
  explicit CallEnd(std::exception_ptr error);
  /// Of the call whose exception is being handled; to be used in a handler.
  [[nodiscard]] static CallEnd caught() { return CallEnd(std::current_exception()); }

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool answered() const noexcept { return kind_ == Kind::answered; }
  /// Redis may have executed it, or a part of it.
  [[nodiscard]] bool maybe_executed() const noexcept {
    return kind_ == Kind::no_reply || kind_ == Kind::half_done || kind_ == Kind::bad_reply ||
           kind_ == Kind::broken;
  }
  /// What to do about a ServerError; `refuse` for everything else.
  [[nodiscard]] Remedy remedy() const noexcept { return remedy_; }

  /// The exception; nullptr if it was answered.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  /// Throws it. Only for a call that was not answered.
  [[noreturn]] void rethrow() const;
  /// Its text; empty if it was answered.
  [[nodiscard]] std::string what() const;

 private:
  Kind kind_ = Kind::answered;
  Remedy remedy_ = Remedy::refuse;
  std::exception_ptr error_;
};

}  // namespace mx_rmq::redis
