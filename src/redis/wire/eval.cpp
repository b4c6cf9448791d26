#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/connection/backoff.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/classify.hpp"
#include "redis/wire/script_error.hpp"
#include "runtime/event.hpp"

// Running a script to a clear end: what each error reply means is classify()'s to say.
namespace mx_rmq::redis {

namespace {

using namespace std::chrono_literals;

constexpr auto shortest_pause = 10ms;
constexpr auto longest_pause = 1s;
constexpr auto longest_answer_time = 250ms;

/// What came of sending the script once.
struct Attempt {
  std::optional<Reply> reply;
  std::exception_ptr not_written;  // ConnectionError: may be sent again
  std::exception_ptr too_late;     // TimeoutError: not written either
  std::uint64_t number = 0;
  std::string load_refused;  // what SCRIPT LOAD was answered, when that cannot change
};

// Sends `command`, with SCRIPT LOAD in front of it in the same write if `load`.
Task<Attempt> attempt(std::shared_ptr<Connection> connection, const lua::Script* script, bool load,
                      Command command, TimePoint deadline, std::uint64_t only_epoch) {
  Attempt result;
  Connection::Answer loaded(connection->context().loop);
  Connection::Answer answer(connection->context().loop);
  if (load) {
    Command load_command = Command::of("SCRIPT", "LOAD", script->source);
    const std::uint64_t number =
        connection->submit(loaded, std::move(load_command), deadline, only_epoch);
    connection->note_load(*script, number);
  }
  result.number = connection->submit(answer, std::move(command), deadline, only_epoch);
  if (load) {
    try {
      const Reply reply = co_await loaded.wait();
      if (reply.is_error() && classify(reply.error_text()).remedy == Remedy::fatal) {
        result.load_refused = reply.error_text();
      }
    } catch (const Error&) {
      // The script itself, sent on the same connection, tells what to do.
    }
  }
  try {
    result.reply = co_await answer.wait();
  } catch (const ConnectionError&) {
    result.not_written = std::current_exception();
  } catch (const TimeoutError&) {
    result.too_late = std::current_exception();
  } catch (const OutcomeUnknown& error) {
    throw OutcomeUnknown("the script " + std::string(script->name) + ": " + error.what());
  }
  co_return result;
}

ServerError server_error(const lua::Script& script, const Verdict& verdict,
                         const std::string& text) {
  std::string what = "Redis refused the script " + std::string(script.name) + ": " + text;
  what += explained(text);
  return ServerError(std::string(verdict.code), what);
}

}  // namespace

Task<Reply> eval_on(std::shared_ptr<Connection> connection, const lua::Script* script,
                    Command evalsha, TimePoint deadline, std::uint64_t only_epoch) {
  runtime::EventLoop& loop = connection->context().loop;
  Backoff backoff(shortest_pause, longest_pause);
  runtime::Event never(loop);
  std::exception_ptr refusal;  // the last error reply
  int unknown = 0;             // times the server did not know the script
  bool load = false;
  Command command = evalsha;
  for (;;) {
    Attempt result = co_await attempt(connection, script, load, command, deadline, only_epoch);
    load = false;
    command = evalsha;
    bool pause = true;
    std::exception_ptr error;
    if (result.too_late != nullptr) {
      std::rethrow_exception(refusal != nullptr ? refusal : result.too_late);
    } else if (result.not_written != nullptr) {
      if (only_epoch != 0) std::rethrow_exception(result.not_written);
      // What the server said last tells more than that it is not there now.
      error = refusal != nullptr ? refusal : result.not_written;
    } else if (!result.reply->is_error()) {
      co_return std::move(*result.reply);
    } else {
      const std::string& text = result.reply->error_text();
      const Verdict verdict = classify(text);
      if (verdict.executed != Executed::no) {
        throw ScriptError("the script " + std::string(script->name) +
                          " failed on its way: " + text);
      }
      error = std::make_exception_ptr(server_error(*script, verdict, text));
      refusal = error;
      switch (verdict.remedy) {
        case Remedy::load_script:
          ++unknown;
          // Somebody keeps flushing, or we may not load: take the source along. Then load again, and
          // slower.
          if (unknown == 2) {
            command = eval_instead(*script, evalsha);
          } else if (!result.load_refused.empty()) {
            throw server_error(*script, classify(result.load_refused), result.load_refused);
          } else {
            load = !connection->load_queued_after(*script, result.number);
          }
          pause = unknown > 2;
          break;
        case Remedy::wait:
          break;
        case Remedy::reconnect:
          // The connection has seen to it, with all others of the queue.
          break;
        case Remedy::fatal:
          // EVAL may be forbidden where EVALSHA is not.
          if (unknown == 2 && verdict.code == "NOPERM") {
            ++unknown;
            load = true;
            break;
          }
          std::rethrow_exception(error);
        default:
          std::rethrow_exception(error);
      }
    }
    if (!pause) continue;
    const runtime::Duration rest = backoff.next(*connection->context().seams.rng);
    const TimePoint until = loop.now() + rest;
    // A last try needs time for its answer: better the refusal that is known than an unknown outcome.
    const runtime::Duration answer_time =
        std::min<runtime::Duration>(rest / 2, longest_answer_time);
    if (until + answer_time >= deadline) std::rethrow_exception(error);
    co_await never.wait_until(until);
  }
}

}  // namespace mx_rmq::redis
