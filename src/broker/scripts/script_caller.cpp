#include "broker/scripts/script_caller.hpp"

#include <exception>
#include <string>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/classify.hpp"
#include "redis/wire/script_error.hpp"

namespace mx_rmq::broker {

namespace {

[[noreturn]] void throw_unknown(const lua::Script& script, const std::exception_ptr& last) {
  std::string text = "script ";
  text.append(script.name).append(": sent, no reply came; and again: ");
  try {
    std::rethrow_exception(last);
  } catch (const std::exception& error) {
    text += error.what();
  }
  throw OutcomeUnknown(text);
}

}  // namespace

Task<ScriptCaller::Answer> ScriptCaller::ask(ScriptCaller self, const lua::Script* script,
                                             redis::Command command, TimePoint deadline,
                                             Resend resend, std::uint64_t only_epoch) {
  Answer answer;
  ResendPause pause;
  for (;;) {
    std::exception_ptr error;
    bool again = resend != Resend::never;
    bool unknown = false;
    answer.sent = self.loop_->now();
    const bool last = !again || deadline - answer.sent <= self.attempt_timeout_;
    const TimePoint limit = last ? deadline : answer.sent + self.attempt_timeout_;
    try {
      answer.reply = co_await self.lane_->eval(*script, command, limit, only_epoch);
    } catch (const redis::ScriptError&) {
      throw;
    } catch (const OutcomeUnknown&) {
      error = std::current_exception();
      unknown = true;
      again = resend == Resend::until_deadline;
    } catch (const ConnectionError&) {
      error = std::current_exception();
      again = again && only_epoch == 0;  // with it, there will be no other connection
    } catch (const TimeoutError&) {
      error = std::current_exception();
      again = !last;
    } catch (const ServerError& refusal) {
      error = std::current_exception();
      again = !last && redis::passing(refusal.code());
    } catch (const Error&) {
      error = std::current_exception();
      again = false;
    }
    answer.received = self.loop_->now();
    if (error == nullptr) co_return std::move(answer);

    const Duration wait = pause.next();
    again = again && answer.received + wait < deadline;
    if (!again) {
      if (answer.repeated && !unknown) throw_unknown(*script, error);
      std::rethrow_exception(error);
    }
    answer.repeated = answer.repeated || unknown;
    bool stopped = false;
    try {
      co_await sleep_for(wait);
    } catch (const ShutdownError&) {
      error = std::current_exception();
      stopped = true;
    }
    if (stopped && answer.repeated) throw_unknown(*script, error);
    if (stopped) std::rethrow_exception(error);
  }
}

Task<redis::Reply> ScriptCaller::ask_plain(ScriptCaller self, redis::Command command,
                                           TimePoint deadline) {
  ResendPause pause;
  for (;;) {
    std::exception_ptr error;
    redis::Reply reply;
    try {
      reply = co_await self.lane_->send(command, deadline);
    } catch (const OutcomeUnknown&) {
      error = std::current_exception();
    } catch (const ConnectionError&) {
      error = std::current_exception();
    }
    if (error == nullptr && !reply.is_error()) co_return reply;
    if (error == nullptr) {
      const std::string& text = reply.error_text();
      const redis::Verdict verdict = redis::classify(text);
      error = std::make_exception_ptr(ServerError(
          std::string(verdict.code), "Redis refused " + std::string(command.name()) + ": " + text +
                                         std::string(redis::explained(text))));
      const bool passes =
          verdict.remedy == redis::Remedy::wait || verdict.remedy == redis::Remedy::reconnect;
      if (!passes) std::rethrow_exception(error);
    }
    const Duration wait = pause.next();
    if (self.loop_->now() + wait >= deadline) std::rethrow_exception(error);
    co_await sleep_for(wait);
  }
}

}  // namespace mx_rmq::broker
