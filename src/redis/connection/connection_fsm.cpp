#include "redis/connection/connection_fsm.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace mx_rmq::redis {

namespace {

// A reply was worth something, but the connection did not last: begin the pauses a few doublings
// up, so that a connection that keeps dying cannot be made anew all the time.
constexpr int failures_after_short_life = 2;

// A handshake that takes so long may be one with a server that knows nothing of TLS, and waits.
constexpr std::chrono::milliseconds ask_after{1000};

constexpr const char* connections_closed = "the connections to Redis are closed";

// In subscribe mode a server sends messages between its replies. That it has unsubscribed us looks
// as the answer to an UNSUBSCRIBE.
bool is_push(const Reply& reply, std::optional<WaiterToken> oldest) {
  if (!reply.is_array() || reply.size() < 3) return false;
  if (reply.at(0).kind() != Reply::Kind::string) return false;
  const std::string& what = reply.at(0).as_string();
  if (what == "message" || what == "smessage") return true;
  return (what == "unsubscribe" || what == "sunsubscribe") && oldest != unsubscribe_token;
}

std::string in_ms(std::chrono::milliseconds span) { return std::to_string(span.count()) + " ms"; }

}  // namespace

ConnectionFsm::ConnectionFsm(ConnectionOptions options, std::optional<Address> local,
                             std::shared_ptr<const SetupPlan> plan, Rng& rng)
    : options_(std::move(options)),
      local_(std::move(local)),
      plan_(std::move(plan)),
      rng_(rng),
      backoff_(options_.backoff_min, options_.backoff_max),
      setup_(plan_, false) {}

// --- an attempt to connect ---

void ConnectionFsm::start(TimePoint now, Actions& out) {
  if (state_ == LaneState::idle) begin_attempt(now, out);
}

void ConnectionFsm::begin_attempt(TimePoint now, Actions& out) {
  assert(commands_.in_flight() == 0 && "without a connection no reply is awaited");
  ++attempt_;
  attempt_since_ = now;
  attempt_deadline_ = now + options_.connect_timeout;
  if (local_) {
    addresses_.assign(1, *local_);
    address_ = 0;
    connect_next(now, out);
    return;
  }
  state_ = LaneState::resolving;
  out.push_back({.kind = Action::Kind::resolve, .number = attempt_});
}

void ConnectionFsm::on_resolved(TimePoint now, std::int64_t attempt, Resolver::Result result,
                                Actions& out) {
  if (state_ != LaneState::resolving || attempt != attempt_) return;
  if (result.addresses.empty()) {
    attempt_failed(now, (result.explained ? "" : "cannot resolve the host: ") + result.error, out,
                   result.unfit ? Found::nothing_fit : Found::something);
    return;
  }
  addresses_ = std::move(result.addresses);
  // After one that connected but did not get through its set-up, another one gets its chance.
  std::rotate(addresses_.begin(),
              addresses_.begin() + static_cast<std::ptrdiff_t>(first_address_ % addresses_.size()),
              addresses_.end());
  address_ = 0;
  connect_next(now, out);
}

void ConnectionFsm::connect_next(TimePoint now, Actions& out) {
  state_ = LaneState::connecting;
  securing_ = false;
  const auto left = std::max(attempt_deadline_ - now, runtime::Duration::zero());
  address_deadline_ = now + left / static_cast<std::int64_t>(addresses_.size() - address_);
  out.push_back({.kind = Action::Kind::connect, .address = addresses_[address_]});
}

// It has a deadline of its own, and neither takes from what is left to connect in.
void ConnectionFsm::on_securing(TimePoint now) {
  if (state_ != LaneState::connecting) return;
  securing_ = true;
  ask_at_ = now + std::min(ask_after, options_.connect_timeout / 4);
  attempt_since_ = now;
  attempt_deadline_ = now + options_.connect_timeout;
  address_deadline_ = attempt_deadline_;
}

void ConnectionFsm::on_connected(TimePoint now, Actions&) {
  if (state_ != LaneState::connecting) return;
  state_ = LaneState::setting_up;
  securing_ = false;
  attempt_since_ = now;
  attempt_deadline_ = now + options_.connect_timeout;
  setup_ = SetupRun(plan_, unfit_);
}

void ConnectionFsm::on_setup_reply(TimePoint now, const Reply& reply, Actions& out) {
  SetupVerdict verdict = setup_.on_reply(reply, out);
  switch (verdict.kind) {
    case SetupVerdict::Kind::refuse:
    case SetupVerdict::Kind::sentinel:
      return setup_refused(now, std::move(verdict), out);
    case SetupVerdict::Kind::try_later:
    case SetupVerdict::Kind::garbage:
      return setup_failed(now, std::move(verdict.text), out);
    case SetupVerdict::Kind::replica:
      return setup_failed(now, std::move(verdict.text), out, Found::nothing_fit,
                          std::move(verdict.master));
    case SetupVerdict::Kind::go_on:
      if (setup_.done()) become_ready(now, out);
      return;
  }
}

void ConnectionFsm::become_ready(TimePoint now, Actions& out) {
  assert(state_ == LaneState::setting_up && commands_.in_flight() == 0 &&
         "a set-up makes a connection usable, and nothing else was sent on it");
  state_ = LaneState::ready;
  recycling_ = false;
  renewed_ = false;
  unfit_ = false;
  untrusted_ = false;
  silence_.clear();
  ++epoch_;
  ready_since_ = now;
  useful_ = false;
  out.push_back({.kind = Action::Kind::ready, .number = static_cast<std::int64_t>(epoch_)});
  commands_.drop_unsent(Failure::not_written, std::string(bound_and_over), out,
                        [this](const CommandQueue::Unsent& each) {
                          return each.only_epoch != 0 && each.only_epoch != epoch_;
                        });
}

void ConnectionFsm::attempt_failed(TimePoint now, std::string why, Actions& out, Found found,
                                   std::string master) {
  assert((state_ == LaneState::resolving || state_ == LaneState::connecting ||
          state_ == LaneState::setting_up) &&
         "only an attempt under way can fail");
  const bool silent = securing_ || (state_ == LaneState::setting_up && setup_.silent());
  if (state_ != LaneState::resolving) out.push_back({.kind = Action::Kind::close});
  state_ = LaneState::backing_off;
  retry_at_ = now + backoff_.next(rng_.next());
  last_error_ = std::move(why);
  unfit_ = found != Found::something;
  untrusted_ = found == Found::nobody_trusted;
  if (silent && !unfit_ && !silence_.empty()) {
    last_error_ = silence_;
    unfit_ = true;
    untrusted_ = securing_;
  }
  securing_ = false;
  out.push_back({.kind = Action::Kind::attempt_failed,
                 .text = last_error_,
                 .address = address_ < addresses_.size() ? addresses_[address_] : Address(),
                 .master = std::move(master),
                 .unfit = unfit_,
                 .silent = silent && found == Found::something});
  if (options_.one_attempt) {
    commands_.fail_unsent(unfit_failure(), last_error_, {}, out);
  } else if (unfit_) {
    fail_only_fit(out);
  }
}

// After one that connected and is of no use another address gets its chance.
void ConnectionFsm::setup_failed(TimePoint now, std::string why, Actions& out, Found found,
                                 std::string master) {
  if (auto refusal = setup_.take_auth_refusal()) {
    return setup_refused(now, std::move(*refusal), out);
  }
  ++first_address_;
  attempt_failed(now, std::move(why), out, found, std::move(master));
}

void ConnectionFsm::fail_only_fit(Actions& out) {
  commands_.drop_unsent(unfit_failure(), last_error_, out,
                        [](const CommandQueue::Unsent& each) { return each.only_fit; });
}

void ConnectionFsm::explain_silence(std::string why, Actions& out) {
  if (state_ == LaneState::idle || state_ == LaneState::ready || state_ == LaneState::refused ||
      state_ == LaneState::draining || state_ == LaneState::closed) {
    return;
  }
  silence_ = std::move(why);
  last_error_ = silence_;
  unfit_ = true;
  untrusted_ = options_.tls.has_value();
  fail_only_fit(out);
}

void ConnectionFsm::try_now(TimePoint now) {
  if (state_ == LaneState::backing_off && unfit_) retry_at_ = std::min(retry_at_, now);
}

void ConnectionFsm::setup_refused(TimePoint now, SetupVerdict verdict, Actions& out) {
  out.push_back({.kind = Action::Kind::close});
  state_ = LaneState::refused;
  retry_at_ = now + options_.refused_retry;
  refused_code_ = std::move(verdict.code);
  last_error_ = std::move(verdict.text);
  unfit_ = verdict.kind == SetupVerdict::Kind::sentinel;
  out.push_back(
      {.kind = Action::Kind::refused, .text = last_error_, .code = refused_code_, .unfit = unfit_});
  commands_.fail_unsent(Failure::refused, last_error_, refused_code_, out);
}

void ConnectionFsm::on_lost(TimePoint now, std::string_view why, Actions& out) {
  switch (state_) {
    case LaneState::connecting:
      try_next_address(now,
                       "cannot connect to " + addresses_[address_].text() + ": " + std::string(why),
                       out, Found::something);
      return;
    case LaneState::setting_up:
      setup_failed(now, "the connection ended during set-up: " + std::string(why), out);
      return;
    case LaneState::ready:
    case LaneState::draining:
      end_connection(now, why, out, true);
      return;
    default:
      return;
  }
}

void ConnectionFsm::try_next_address(TimePoint now, const std::string& why, Actions& out,
                                     Found found) {
  if (address_ + 1 < addresses_.size() && now < attempt_deadline_) {
    last_error_ = why;
    out.push_back({.kind = Action::Kind::close});
    ++address_;
    connect_next(now, out);
  } else {
    attempt_failed(now, why, out, found);
  }
}

void ConnectionFsm::on_untrusted(TimePoint now, std::string_view why, Actions& out) {
  if (state_ != LaneState::connecting && state_ != LaneState::setting_up) {
    return on_lost(now, why, out);
  }
  const std::string text = "no TLS connection to " + addresses_[address_].text() +
                           " that may be used: " + std::string(why);
  if (state_ == LaneState::connecting) {
    try_next_address(now, text, out, Found::nobody_trusted);
  } else {
    setup_failed(now, text, out, Found::nobody_trusted);
  }
}

void ConnectionFsm::on_protocol_error(TimePoint now, std::string_view why, Actions& out) {
  const std::string text = "protocol error: " + std::string(why);
  if (state_ == LaneState::setting_up) {
    setup_failed(now, text, out);
  } else if (connected()) {
    end_connection(now, text, out);
  }
}

void ConnectionFsm::on_no_redis(TimePoint now, std::string why, Actions& out) {
  if (state_ == LaneState::setting_up) setup_failed(now, std::move(why), out, Found::nothing_fit);
}

// --- commands ---

void ConnectionFsm::submit(TimePoint now, WaiterToken waiter, Command command, TimePoint deadline,
                           std::uint64_t only_epoch, Actions& out, bool only_fit) {
  if (state_ == LaneState::closed || state_ == LaneState::draining) {
    return add_failure(out, waiter, Failure::shut_down, connections_closed);
  }
  if (state_ == LaneState::refused) {
    return add_failure(out, waiter, Failure::refused, last_error_, refused_code_);
  }
  if (only_epoch != 0 && (ready() ? only_epoch != epoch_ : only_epoch <= epoch_)) {
    return add_failure(out, waiter, Failure::not_written, std::string(bound_and_over));
  }
  if (only_fit && unfit_ && !ready()) {
    return add_failure(out, waiter, unfit_failure(), last_error_);
  }
  if (deadline <= now) {
    return add_failure(out, waiter, Failure::timed_out,
                       "the deadline had passed before it was sent");
  }
  if (!commands_.has_room(command.size(), options_.max_queued_bytes)) {
    return add_failure(out, waiter, Failure::not_written,
                       "the queue of the connection to Redis is full (" +
                           std::to_string(commands_.queued_bytes()) + " bytes wait to be sent)");
  }
  if (commands_.in_flight() == 0 && commands_.unsent() == 0) asked_at_ = now;
  commands_.push(
      {std::move(command), waiter, deadline, only_epoch, ready() ? epoch_ : 0, only_fit});
  start(now, out);
}

bool ConnectionFsm::wants_write() const noexcept {
  if (state_ == LaneState::setting_up) return setup_.wants_write();
  if (!connected()) return false;
  return recycling_ ? commands_.begun() : commands_.unsent() > 0;
}

std::size_t ConnectionFsm::gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                                  std::size_t max_bytes) const {
  if (!wants_write()) return 0;
  if (state_ == LaneState::setting_up) return setup_.gather(buffers, max_buffers, max_bytes);
  return commands_.gather(buffers, max_buffers, max_bytes, recycling_);
}

void ConnectionFsm::on_written(std::size_t bytes) {
  if (state_ == LaneState::setting_up) {
    setup_.on_written(bytes);
  } else {
    commands_.on_written(bytes);
  }
}

void ConnectionFsm::on_reply(TimePoint now, Reply reply, Actions& out) {
  if (state_ == LaneState::setting_up) return on_setup_reply(now, reply, out);
  if (!connected()) return;
  if (listening_ && is_push(reply, commands_.oldest())) {
    useful_ = true;
    out.push_back({.kind = Action::Kind::push, .reply = std::move(reply)});
    return;
  }
  const std::optional<WaiterToken> waiter = commands_.answered();
  if (!waiter) {
    return on_protocol_error(now, "a reply that nobody waits for: " + reply.describe(), out);
  }
  useful_ = true;
  // An abandoned command's reply is swallowed.
  if (*waiter != 0) {
    out.push_back({.kind = Action::Kind::reply, .waiter = *waiter, .reply = std::move(reply)});
  }
  finish_if_answered(now, out);
}

// --- the end of a usable connection ---

// What was written, wholly or partly, has an unknown outcome. What was handed over while this
// connection was up and not written has none: its sender decides anew, seeing the new epoch. What
// waited for a connection already goes on waiting.
void ConnectionFsm::end_connection(TimePoint now, std::string_view why, Actions& out,
                                   bool by_peer) {
  assert(connected() && "only what was usable ends");
  out.push_back({.kind = Action::Kind::close});
  const bool draining = state_ == LaneState::draining;
  const bool voluntary = recycling_ || draining;
  const bool idle = by_peer && commands_.idle();
  last_error_ = std::string(why);
  const std::string text = "the connection to Redis ended: " + last_error_;
  commands_.lose_written(text, out);
  recycling_ = false;
  if (draining) {
    close_for_good(out);
    return;
  }
  commands_.drop_unsent(Failure::not_written, text, out, [this](const CommandQueue::Unsent& each) {
    return each.submitted_in == epoch_ || (each.only_epoch != 0 && each.only_epoch <= epoch_);
  });
  if (now - ready_since_ >= options_.useful_after) {
    backoff_.reset();
  } else if (useful_ && !renewed_) {
    backoff_.soften(failures_after_short_life);
  }
  state_ = LaneState::backing_off;
  retry_at_ = now + backoff_.next(rng_.next());
  out.push_back(
      {.kind = Action::Kind::lost, .number = voluntary ? 1 : 0, .text = last_error_, .idle = idle});
}

void ConnectionFsm::recycle(TimePoint now, std::uint64_t epoch, std::string_view why,
                            Actions& out) {
  if (state_ != LaneState::ready || epoch != epoch_ || recycling_) return;
  recycling_ = true;
  why_recycled_ = std::string(why);
  finish_if_answered(now, out);
}

void ConnectionFsm::renew(TimePoint now, std::string_view why, bool at_once, Actions& out) {
  if (state_ == LaneState::setting_up) {
    attempt_failed(now, std::string(why), out);
    return;
  }
  if (state_ != LaneState::ready) return;
  renewed_ = true;
  if (!recycling_) {
    recycling_ = true;
    why_recycled_ = std::string(why);
  }
  if (at_once) {
    end_connection(now, why, out);
  } else {
    finish_if_answered(now, out);
  }
}

void ConnectionFsm::relocate(TimePoint now, std::string_view why, Actions& out) {
  if (state_ == LaneState::connecting || state_ == LaneState::setting_up) {
    attempt_failed(now, std::string(why), out);
  } else if (state_ == LaneState::ready) {
    end_connection(now, why, out);
  }
  // Not while it is closed, or closes. Who was refused may be welcome there.
  if (state_ == LaneState::backing_off || state_ == LaneState::refused) retry_at_ = now;
}

void ConnectionFsm::drop(TimePoint now, std::uint64_t epoch, std::string_view why, Actions& out) {
  if (connected() && epoch == epoch_) end_connection(now, why, out);
}

void ConnectionFsm::give_back(std::string_view why, Actions& out) {
  if (connected() || state_ == LaneState::closed) return;
  commands_.fail_unsent(Failure::not_written, "not sent: " + std::string(why), {}, out);
}

void ConnectionFsm::abandon(TimePoint now, std::string_view why, Actions& out) {
  if (connected()) {
    commands_.lose_written("the connection to Redis ended: " + std::string(why), out);
    commands_.fail_unsent(Failure::not_written, "not sent: " + std::string(why), {}, out);
  }
  give_back(why, out);
  abort(now, out);
}

void ConnectionFsm::drain(TimePoint now, TimePoint deadline, Actions& out) {
  if (state_ == LaneState::closed) return;
  if (state_ == LaneState::draining) {
    drain_deadline_ = std::min(drain_deadline_, deadline);
    return;
  }
  if (state_ != LaneState::ready) {
    abort(now, out);
    return;
  }
  state_ = LaneState::draining;
  drain_deadline_ = deadline;
  if (recycling_) {
    recycling_ = false;
    commands_.drop_unsent(
        Failure::shut_down, connections_closed, out,
        [this](const CommandQueue::Unsent& each) { return each.submitted_in != epoch_; });
  }
  finish_if_answered(now, out);
}

void ConnectionFsm::abort(TimePoint now, Actions& out) {
  if (state_ == LaneState::closed) return;
  if (connected()) {
    state_ = LaneState::draining;
    end_connection(now, "closed", out);
    return;
  }
  if (state_ == LaneState::connecting || state_ == LaneState::setting_up) {
    out.push_back({.kind = Action::Kind::close});
  }
  close_for_good(out);
}

void ConnectionFsm::close_for_good(Actions& out) {
  state_ = LaneState::closed;
  commands_.fail_unsent(Failure::shut_down, connections_closed, {}, out);
  assert(commands_.in_flight() == 0 && "nobody is left waiting");
  out.push_back({.kind = Action::Kind::closed});
}

void ConnectionFsm::finish_if_answered(TimePoint now, Actions& out) {
  if (commands_.in_flight() > 0) return;
  if (recycling_) {
    end_connection(now, why_recycled_, out);
  } else if (state_ == LaneState::draining && commands_.unsent() == 0) {
    end_connection(now, "closed", out);
  }
}

// --- time ---

TimePoint ConnectionFsm::next_wake() const noexcept {
  TimePoint wake = TimePoint::max();
  switch (state_) {
    case LaneState::resolving:
      wake = attempt_deadline_;
      break;
    case LaneState::connecting:
      wake = std::min(address_deadline_, attempt_deadline_);
      if (securing_) wake = std::min(wake, ask_at_);
      break;
    case LaneState::setting_up:
      wake = attempt_deadline_;
      break;
    case LaneState::backing_off:
    case LaneState::refused:
      wake = retry_at_;
      break;
    case LaneState::draining:
      wake = drain_deadline_;
      break;
    case LaneState::closed:
      return TimePoint::max();
    default:
      break;
  }
  if (const auto stalled = stalled_at()) wake = std::min(wake, *stalled);
  return std::min({wake, commands_.next_deadline(), silent_at()});
}

void ConnectionFsm::on_timer(TimePoint now, Actions& out) {
  if (now >= commands_.next_deadline()) {
    const bool none = !ready() && state_ != LaneState::draining && !last_error_.empty();
    commands_.expire(now, none ? &last_error_ : nullptr, out, unfit_failure());
  }
  switch (state_) {
    case LaneState::resolving:
      if (now >= attempt_deadline_) {
        attempt_failed(now, "the host was not resolved within " + in_ms(options_.connect_timeout),
                       out);
      }
      break;
    case LaneState::connecting:
      if (now >= std::min(address_deadline_, attempt_deadline_)) {
        on_lost(now, securing_ ? "the TLS handshake timed out" : "timed out", out);
      } else if (securing_ && now >= ask_at_) {
        ask_at_ = TimePoint::max();
        out.push_back({.kind = Action::Kind::ask, .address = addresses_[address_]});
      }
      break;
    case LaneState::setting_up:
      if (now >= attempt_deadline_) {
        setup_failed(
            now, "the server did not answer the set-up within " + in_ms(options_.connect_timeout),
            out);
      }
      break;
    case LaneState::backing_off:
    case LaneState::refused:
      if (now >= retry_at_) begin_attempt(now, out);
      break;
    case LaneState::draining:
      if (now >= drain_deadline_) end_connection(now, "closed", out);
      break;
    default:
      break;
  }
  if (const auto stalled = stalled_at(); stalled && now >= *stalled) {
    end_connection(now,
                   "the server has been silent for " + in_ms(options_.stall_timeout) +
                       " after a command's deadline",
                   out);
  }
  if (now >= silent_at()) {
    silent_told_ = now;
    out.push_back({.kind = Action::Kind::silent});
  }
}

std::optional<TimePoint> ConnectionFsm::stalled_at() const noexcept {
  const auto due = connected() ? commands_.reply_due() : std::nullopt;
  if (!due) return std::nullopt;
  return std::max(*due, last_heard_.value_or(ready_since_)) + options_.stall_timeout;
}

TimePoint ConnectionFsm::silent_at() const noexcept {
  if (options_.silent_after == runtime::Duration::zero()) return TimePoint::max();
  TimePoint since = attempt_since_;
  if (connected()) {
    if (commands_.in_flight() == 0) return TimePoint::max();
    since = std::max(asked_at_, last_heard_.value_or(ready_since_));
  } else if (state_ != LaneState::resolving && state_ != LaneState::connecting &&
             state_ != LaneState::setting_up) {
    return TimePoint::max();
  }
  return std::max(since, silent_told_) + options_.silent_after;
}

}  // namespace mx_rmq::redis
