#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/script_error.hpp"
#include "worker/consumer.hpp"

// What a consumer does for the others of its topic.
namespace mx_rmq::worker {

namespace log = runtime::log;
using namespace std::chrono_literals;

namespace {

// No consumer may have a lease longer than the longest that a configuration allows; one further
// ahead means that the server's clock was set back.
constexpr std::chrono::milliseconds kLongestLease = 1h;

void tell_dropped(const std::string& topic, const std::vector<std::string>& members) {
  for (const auto& member : members)
    log::warn("dead letter dropped: over the cap", "topic", topic, "id", member);
}

}  // namespace

Task<> Consumer::reap(std::string victim) {
  std::int64_t recovered = 0;
  std::int64_t dead = 0;
  while (!closing_) {
    broker::ReapArgs args;
    args.victim = victim;
    args.most = options_.batch_size;
    args.bytes = options_.claim_bytes;
    args.longest_lease = kLongestLease;
    args.dead_cap = options_.dead_cap;
    broker::ReapResult result;
    std::string error;
    try {
      result = co_await broker_.reap(args, command_deadline());
    } catch (const Error& e) {
      error = e.what();
    }
    if (!error.empty()) {
      failed("reap", error);  // told of it again by the next claim or sweep
      co_return;
    }
    recovered += result.recovered;
    dead += result.dead;
    tell_dropped(topic_name_, result.dropped);
    if (result.state != broker::ReapState::taken || result.left == 0) break;
  }
  if (recovered + dead > 0)
    log::warn("took over from a consumer whose lease ran out", "topic", topic_name_, "consumer",
              victim, "recovered", recovered, "dead_letters", dead);
}

Task<Consumer::Answer> Consumer::sweep(broker::SweepResult* last) {
  std::int64_t taken = 0;
  while (!closing_) {
    const std::string name = lease_.name();
    broker::SweepArgs args;
    args.consumer = name;
    args.number = ++sweeps_;
    args.most = options_.batch_size;
    args.bytes = options_.claim_bytes;
    args.drop = options_.drop_expired;
    args.longest_lease = kLongestLease;
    args.dead_cap = options_.dead_cap;
    std::string error;
    Answer answer = Answer::result;
    try {
      *last = co_await broker_.sweep(args, command_deadline());
    } catch (const ServerError& e) {
      answer = Answer::refusal;
      error = e.what();
    } catch (const redis::ScriptError& e) {
      answer = Answer::refusal;
      error = e.what();
    } catch (const Error& e) {
      answer = Answer::none;
      error = e.what();
    }
    if (answer != Answer::result) {
      failed("sweep", error);
      co_return answer;
    }
    last_answer_ = loop_.now();
    taken += last->taken;
    tell_dropped(topic_name_, last->dropped);
    if (!last->more) break;
  }
  if (taken > 0)
    log::info("swept messages that nobody began in time", "topic", topic_name_, "messages", taken);
  co_return Answer::result;
}

Task<bool> Consumer::arm() {
  std::string error;
  try {
    co_await broker_.arm(command_deadline());
  } catch (const Error& e) {
    error = e.what();
  }
  if (!error.empty()) failed("arm", error);
  co_return error.empty();
}

}  // namespace mx_rmq::worker
