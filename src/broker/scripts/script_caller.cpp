#include "broker/scripts/script_caller.hpp"

#include <string>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/call_end.hpp"

namespace mx_rmq::broker {

using redis::CallEnd;

namespace {

// An earlier copy of the call may have been executed, whatever became of the last one.
[[noreturn]] void throw_unknown(const lua::Script& script, const CallEnd& last) {
  throw OutcomeUnknown("script " + std::string(script.name) +
                       ": sent, no reply came; and again: " + last.what());
}

// Whether another copy is worth sending. `last`: there is no time for one.
bool worth_a_copy(const CallEnd& end, Resend resend, bool last, std::uint64_t only_epoch) {
  if (resend == Resend::never) return false;
  switch (end.kind()) {
    case CallEnd::Kind::no_reply:
      return resend == Resend::until_deadline;
    case CallEnd::Kind::not_sent:
      return only_epoch == 0;  // with it, there will be no other connection
    case CallEnd::Kind::too_late:
    case CallEnd::Kind::not_now:
      return !last;
    default:
      return false;
  }
}

}  // namespace

Task<ScriptCaller::Answer> ScriptCaller::ask(ScriptCaller self, const lua::Script* script,
                                             redis::Command command, TimePoint deadline,
                                             Resend resend, std::uint64_t only_epoch) {
  Answer answer;
  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    CallEnd end;
    answer.sent = self.loop().now();
    const bool last = resend == Resend::never || deadline - answer.sent <= self.copy_timeout_;
    const TimePoint limit = last ? deadline : answer.sent + self.copy_timeout_;
    try {
      answer.reply = co_await self.route_->eval(*script, command, limit, only_epoch);
    } catch (...) {
      end = CallEnd::caught();
    }
    answer.received = self.loop().now();
    if (end.answered()) co_return std::move(answer);
    if (end.kind() == CallEnd::Kind::half_done) end.rethrow();

    const Duration wait = pauses.next();
    if (!worth_a_copy(end, resend, last, only_epoch) || answer.received + wait >= deadline) {
      if (answer.repeated && !end.maybe_executed()) throw_unknown(*script, end);
      end.rethrow();
    }
    answer.repeated = answer.repeated || end.maybe_executed();
    end = CallEnd();
    try {
      co_await sleep_for(wait);
    } catch (...) {
      end = CallEnd::caught();  // the loop ends
    }
    if (end.answered()) continue;
    if (answer.repeated) throw_unknown(*script, end);
    end.rethrow();
  }
}

Task<redis::Reply> ScriptCaller::ask_plain(ScriptCaller self, redis::Command command,
                                           TimePoint deadline) {
  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    CallEnd end;
    redis::Reply reply;
    try {
      reply = co_await self.route_->send(command, deadline);
      if (reply.is_error()) throw redis::refusal(command.name(), reply.error_text());
    } catch (...) {
      end = CallEnd::caught();
    }
    if (end.answered()) co_return reply;
    const bool again = end.kind() == CallEnd::Kind::no_reply ||
                       end.kind() == CallEnd::Kind::not_sent ||
                       end.kind() == CallEnd::Kind::not_now;
    const Duration wait = pauses.next();
    if (!again || self.loop().now() + wait >= deadline) end.rethrow();
    co_await sleep_for(wait);
  }
}

}  // namespace mx_rmq::broker
