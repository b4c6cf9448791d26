#include "redis/connection/eval.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <optional>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/call_end.hpp"
#include "redis/wire/classify.hpp"
#include "redis/wire/script_error.hpp"
#include "runtime/backoff.hpp"
#include "runtime/event.hpp"
#include "runtime/planted.hpp"

// Running a script to a clear end: what each error reply means is classify()'s to say.
namespace mx_rmq::redis {

namespace {

using namespace std::chrono_literals;

constexpr auto shortest_pause = 10ms;
constexpr auto longest_pause = 1s;
constexpr auto longest_answer_time = 250ms;
// From node to node without a pause.
constexpr int most_hops = 5;

std::string called(const lua::Script& script) { return "the script " + std::string(script.name); }

/// What came of sending the script once.
struct Sending {
  CallEnd end;
  Reply reply;                      // if it was answered
  std::uint64_t number = 0;         // of its submission
  std::exception_ptr may_not_load;  // what SCRIPT LOAD was answered, when that cannot change
};

// What was sent behind a script that was answered. If that was not answered, neither was the whole.
Task<CallEnd> answer_behind(std::deque<Connection::Answer>* answers, Reply* last) {
  CallEnd end;
  for (Connection::Answer& each : *answers) {
    try {
      *last = co_await each.wait();
    } catch (const Error& error) {
      end = CallEnd(std::make_exception_ptr(
          OutcomeUnknown(std::string("what was sent behind the script: ") + error.what())));
    }
  }
  co_return end;
}

// Sends `command`, with SCRIPT LOAD in front of it in the same write if `load`, and ASKING right in
// front of it if `asking`.
Task<Sending> send_once(std::shared_ptr<Connection> connection, const lua::Script* script,
                        bool load, bool asking, Command command, const SentBehind* behind,
                        TimePoint deadline, std::uint64_t only_epoch) {
  Sending sending;
  Connection::Answer loaded(connection->group().loop);
  Connection::Answer asked(connection->group().loop);
  Connection::Answer answer(connection->group().loop);
  if (load) {
    Command load_command = Command::of("SCRIPT", "LOAD", script->source);
    const std::uint64_t number =
        connection->submit(loaded, std::move(load_command), deadline, only_epoch);
    connection->note_load(*script, number);
  }
  if (asking) {
    Command asking_command = Command::of("ASKING");
    connection->submit(asked, std::move(asking_command), deadline, only_epoch);
  }
  sending.number = connection->submit(answer, std::move(command), deadline, only_epoch);
  std::deque<Connection::Answer> after;
  for (const Command& each : behind->commands) {
    after.emplace_back(connection->group().loop);
    connection->submit(after.back(), each, deadline, only_epoch);
  }
  if (load) {
    try {
      const Reply reply = co_await loaded.wait();
      if (reply.is_error() && classify(reply.error_text()).remedy == Remedy::fatal) {
        sending.may_not_load =
            std::make_exception_ptr(refusal(called(*script), reply.error_text()));
      }
    } catch (const Error&) {
      // The script itself, sent on the same connection, tells what to do.
    }
  }
  if (asking) {
    try {
      co_await asked.wait();
    } catch (const Error&) {
      // As above.
    }
  }
  try {
    sending.reply = co_await answer.wait();
  } catch (...) {
    sending.end = CallEnd::caught();
  }
  if (!after.empty()) {
    CallEnd end = co_await answer_behind(&after, behind->last);
    if (sending.end.answered() && !sending.reply.is_error()) sending.end = std::move(end);
  }
  co_return sending;
}

/// One run of a script: what has been tried, and what to try next. Its members throw what the run
/// ends with.
class ScriptRun {
 public:
  ScriptRun(const lua::Script& script, Command evalsha)
      : script_(script),
        evalsha_(std::move(evalsha)),
        command_(evalsha_),
        backoff_(shortest_pause, longest_pause) {}

  // What to send next: a command, with the script's source in front of it or not.
  [[nodiscard]] const Command& command() const noexcept { return command_; }
  [[nodiscard]] bool load() const noexcept { return load_; }

  /// It goes over this connection next.
  void over(std::shared_ptr<Connection> connection) {
    if (connection_ == connection) return;
    if (connection_ != nullptr) {
      plainly_again();
      unknown_ = 0;
    }
    connection_ = std::move(connection);
  }
  [[nodiscard]] const std::shared_ptr<Connection>& connection() const noexcept {
    return connection_;
  }
  /// Not over what the bearings say, but, this once, over this one, as the node that knows of the
  /// slot's being on the move has said. It may not know the script, and forgets the asking when it
  /// says so: the source goes along.
  [[nodiscard]] std::shared_ptr<Connection> take_ask() { return std::exchange(ask_, nullptr); }

  /// It was not answered. Goes on only if it surely was not written, and may go over another
  /// connection.
  void not_answered(const CallEnd& end, bool bound) {
    plainly_again();
    switch (end.kind()) {
      case CallEnd::Kind::not_sent:
        if (bound) end.rethrow();
        // What the server said last tells more than that it is not there now.
        error_ = refusal_ != nullptr ? refusal_ : end.error();
        return;
      case CallEnd::Kind::too_late:
        std::rethrow_exception(refusal_ != nullptr ? refusal_ : end.error());
      case CallEnd::Kind::no_reply:
        throw OutcomeUnknown(called(script_) + ": " + end.what());
      default:
        end.rethrow();
    }
  }

  /// It was answered with an error. Goes on if that can be mended, or passes.
  void refused(const Sending& sending, Bearings* bearings) {
    const std::string& text = sending.reply.error_text();
    const ErrorMeaning meaning = classify(text);
    if (meaning.executed != Executed::no) {
      throw ScriptError(called(script_) + " failed on its way: " + text);
    }
    plainly_again();
    refusal_ = std::make_exception_ptr(refusal(called(script_), text));
    error_ = refusal_;
    switch (meaning.remedy) {
      case Remedy::load_script:
        if (MX_RMQ_PLANTED("does_not_load_scripts")) std::rethrow_exception(error_);
        unknown_to_server(sending);
        return;
      case Remedy::follow:
        follow(text, bearings);
        return;
      case Remedy::wait:
      case Remedy::reconnect:  // the connection has seen to it, with all others of the queue
        return;
      case Remedy::fatal:
        // EVAL may be forbidden where EVALSHA is not.
        if (unknown_ != 2 || meaning.code != "NOPERM") std::rethrow_exception(error_);
        ++unknown_;
        load_ = true;
        return;
      default:
        std::rethrow_exception(error_);
    }
  }

  /// Until when to pause before the next try; none: not at all.
  [[nodiscard]] std::optional<TimePoint> pause_until(TimePoint now, TimePoint deadline) {
    if (at_once_) return std::nullopt;
    hops_ = 0;
    const runtime::Duration rest = backoff_.next(connection_->group().seams.rng->next());
    // A last try needs time for its answer: better the refusal that is known than an unknown
    // outcome.
    const runtime::Duration answer_time =
        std::min<runtime::Duration>(rest / 2, longest_answer_time);
    if (now + rest + answer_time >= deadline) std::rethrow_exception(error_);
    return now + rest;
  }

 private:
  // MOVED, ASK. Where nobody knows where that is, and after too many in a row, it goes on as with
  // what passes by itself: the map of the Cluster will be another one.
  void follow(const std::string& text, Bearings* bearings) {
    if (bearings == nullptr) std::rethrow_exception(error_);
    Bearings::Turn turn = bearings->redirected(*connection_, text);
    if (++hops_ > most_hops) return;
    at_once_ = turn.known;
    ask_ = std::move(turn.ask);
  }

  void plainly_again() {
    command_ = evalsha_;
    load_ = false;
    at_once_ = false;
  }

  // The first time it is loaded. The second time somebody keeps flushing, or we may not load: the
  // source goes along. Then it is loaded again, with pauses.
  void unknown_to_server(const Sending& sending) {
    ++unknown_;
    at_once_ = unknown_ <= 2;
    if (unknown_ == 2) {
      command_ = eval_instead(script_, evalsha_);
    } else if (sending.may_not_load != nullptr) {
      std::rethrow_exception(sending.may_not_load);
    } else {
      load_ = !connection_->load_queued_after(script_, sending.number);
    }
  }

  std::shared_ptr<Connection> connection_;
  const lua::Script& script_;
  const Command evalsha_;
  Command command_;
  bool load_ = false;
  bool at_once_ = false;
  int unknown_ = 0;  // times that the server did not know the script
  int hops_ = 0;     // MOVED and ASK since the last pause
  std::shared_ptr<Connection> ask_;
  std::exception_ptr refusal_;  // the server's last
  std::exception_ptr error_;    // what the run ends with if there is no time left
  runtime::Backoff backoff_;
};

// Over `connection`, or if there are bearings over what they say before each try.
Task<Reply> run_script(std::shared_ptr<Connection> connection, std::shared_ptr<Bearings> bearings,
                       const lua::Script* script, Command evalsha, TimePoint deadline,
                       std::uint64_t only_epoch, SentBehind behind) {
  ScriptRun run(*script, std::move(evalsha));
  Bearings::Here here{std::move(connection), only_epoch};
  for (;;) {
    std::shared_ptr<Connection> ask = run.take_ask();
    const bool asking = ask != nullptr;
    if (asking) {
      here = Bearings::Here{};
      here.connection = std::move(ask);
    } else if (bearings != nullptr) {
      here = co_await bearings->find(deadline, only_epoch);
    }
    run.over(here.connection);
    const bool load = asking || run.load();
    Sending sending = co_await send_once(run.connection(), script, load, asking, run.command(),
                                         &behind, deadline, here.only_epoch);
    if (!sending.end.answered()) {
      run.not_answered(sending.end, only_epoch != 0);
    } else if (sending.reply.is_error()) {
      run.refused(sending, bearings.get());
    } else {
      co_return std::move(sending.reply);
    }
    runtime::EventLoop& loop = run.connection()->group().loop;
    const auto until = run.pause_until(loop.now(), deadline);
    if (!until) continue;
    runtime::Event never(loop);
    co_await never.wait_until(*until);
  }
}

}  // namespace

Task<Reply> eval_on(std::shared_ptr<Connection> connection, const lua::Script* script,
                    Command evalsha, TimePoint deadline, std::uint64_t only_epoch,
                    SentBehind behind) {
  return run_script(std::move(connection), nullptr, script, std::move(evalsha), deadline,
                    only_epoch, std::move(behind));
}

Task<Reply> eval_by(std::shared_ptr<Bearings> bearings, const lua::Script* script, Command evalsha,
                    TimePoint deadline, std::uint64_t only_epoch, SentBehind behind) {
  return run_script(nullptr, std::move(bearings), script, std::move(evalsha), deadline, only_epoch,
                    std::move(behind));
}

}  // namespace mx_rmq::redis
