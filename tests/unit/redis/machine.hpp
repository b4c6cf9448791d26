// Drives a ConnectionFsm without a socket and shows what it answers as text.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq_scripts.hpp"
#include "redis/connection/connection_fsm.hpp"

namespace mx_rmq::redis {

using namespace std::chrono_literals;

// No jitter: always the longest or the shortest pause.
class FixedRng final : public Rng {
 public:
  explicit FixedRng(bool longest = true) : longest_(longest) {}
  // Backoff takes this modulo (half the pause + 1).
  std::uint64_t next() override { return longest_ ? wanted_ : 0; }
  void want(std::chrono::nanoseconds half) { wanted_ = static_cast<std::uint64_t>(half.count()); }

 private:
  bool longest_;
  std::uint64_t wanted_ = 0;
};

inline const lua::Script test_script{"answer", "0123456789abcdef0123456789abcdef01234567",
                                     "return 42"};

class Machine {
 public:
  explicit Machine(ConnectionOptions options = {}, Endpoint connect = {}, bool with_script = true)
      : options_(options),
        plan_(std::make_shared<const SetupPlan>(make_setup_plan(
            connect, with_script ? std::span(scripts_) : std::span(scripts_).first(0)))),
        local_(!connect.unix_path.empty()),
        fsm(options,
            local_ ? std::optional<Address>(Address{true, connect.unix_path, 0}) : std::nullopt,
            plan_, rng) {}

  // What was answered since the last call, one action a "; ".
  std::string trace() {
    std::string text;
    for (const Action& action : out) {
      if (!text.empty()) text += "; ";
      text += show(action);
    }
    out.clear();
    return text;
  }

  void submit(WaiterToken waiter, std::chrono::milliseconds timeout = 5s,
              std::uint64_t only_epoch = 0, std::string_view text = "PING", bool only_fit = false) {
    fsm.submit(now, waiter, Command::of(text), now + timeout, only_epoch, out, only_fit);
  }
  void after(std::chrono::nanoseconds span) {
    now += span;
    fsm.on_timer(now, out);
  }
  // Goes to the time the machine asks for.
  void wake() {
    now = fsm.next_wake();
    fsm.on_timer(now, out);
  }
  void resolved(std::vector<std::string> hosts = {"1.1.1.1"}) {
    Resolver::Result result;
    for (std::string& host : hosts) result.addresses.push_back({false, host, 6379});
    fsm.on_resolved(now, attempt, std::move(result), out);
  }
  // Takes at most `most` bytes of what there is to write; returns them.
  std::string write(std::size_t most = SIZE_MAX) {
    std::string all;
    while (fsm.wants_write() && most > 0) {
      std::vector<SharedBytes> buffers;
      const std::size_t skip = fsm.gather(buffers, 4, 100);
      std::string bytes;
      for (const SharedBytes& each : buffers) bytes += each.view();
      bytes = bytes.substr(skip, most);
      most -= bytes.size();
      all += bytes;
      fsm.on_written(bytes.size());
    }
    return all;
  }
  void reply(Reply reply) {
    fsm.on_heard(now);
    fsm.on_reply(now, std::move(reply), out);
  }
  static Reply time(std::string seconds = "1700000000", std::string micros = "123999") {
    std::vector<Reply> items;
    items.push_back(Reply::string(std::move(seconds)));
    items.push_back(Reply::string(std::move(micros)));
    return Reply::array(std::move(items));
  }
  static Reply role(std::vector<std::string> words = {"master", "0"}) {
    std::vector<Reply> items;
    for (std::string& each : words) items.push_back(Reply::string(std::move(each)));
    return Reply::array(std::move(items));
  }
  void answer_setup() {
    for (const SetupStep& step : *plan_) {
      switch (step.kind) {
        case SetupStep::Kind::client_id:
          reply(Reply::integer(77));
          break;
        case SetupStep::Kind::time:
          reply(time());
          break;
        case SetupStep::Kind::role:
          reply(role());
          break;
        case SetupStep::Kind::replication_info:
          break;  // not asked
        case SetupStep::Kind::load_script:
          reply(Reply::string(std::string(step.sha1)));
          break;
        default:
          reply(Reply::status("OK"));
      }
    }
  }
  // From idle, or a pause, to ready.
  void make_ready() {
    if (fsm.state() == LaneState::idle) {
      fsm.start(now, out);
    } else {
      wake();
    }
    note_attempt();
    if (!local_) resolved();
    fsm.on_connected(now, out);
    write();
    answer_setup();
    out.clear();
  }
  void note_attempt() {
    for (const Action& action : out) {
      if (action.kind == Action::Kind::resolve) attempt = action.number;
    }
  }

  static std::string show(const Action& action) {
    using Kind = Action::Kind;
    switch (action.kind) {
      case Kind::resolve:
        return "resolve";
      case Kind::connect:
        return "connect " + action.address.text();
      case Kind::close:
        return "close";
      case Kind::reply:
        return "reply " + std::to_string(action.waiter) + " " + action.reply.describe();
      case Kind::push:
        return "push " + action.reply.describe();
      case Kind::fail: {
        static constexpr std::array names{"not_written", "timed_out", "outcome_unknown",
                                          "untrusted",   "refused",   "shut_down"};
        return "fail " + std::to_string(action.waiter) + " " +
               names[static_cast<std::size_t>(action.failure)] +
               (action.code.empty() ? "" : " " + action.code);
      }
      case Kind::server_time:
        return "time " + std::to_string(action.number);
      case Kind::client_id:
        return "id " + std::to_string(action.number);
      case Kind::ready:
        return "ready " + std::to_string(action.number);
      case Kind::lost:
        return action.idle ? "lost idle" : "lost";
      case Kind::attempt_failed:
        return std::string("attempt_failed") + (action.unfit ? " unfit" : "") +
               (action.silent ? " silent" : "");
      case Kind::ask:
        return "ask " + action.address.text();
      case Kind::silent:
        return "silent";
      case Kind::refused:
        return "refused " + action.code + (action.unfit ? " unfit" : "");
      case Kind::closed:
        return "closed";
    }
    return "?";
  }

 private:
  ConnectionOptions options_;
  std::array<const lua::Script*, 1> scripts_{&test_script};
  std::shared_ptr<const SetupPlan> plan_;
  bool local_;

 public:
  FixedRng rng{false};
  ConnectionFsm fsm;
  Actions out;
  TimePoint now{std::chrono::hours(1)};
  std::int64_t attempt = 1;
};

}  // namespace mx_rmq::redis
