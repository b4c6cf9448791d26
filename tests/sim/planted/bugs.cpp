// Long because it is a table.
#include "bugs.hpp"

#include <cctype>

namespace mx_rmq::planted {

namespace {

bool blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// Where a match of `find` that begins at `at` ends; npos if there is none.
std::size_t end_of_match(const std::string& text, std::size_t at, const std::string& find) {
  for (const char wanted : find) {
    if (blank(wanted)) continue;
    while (at < text.size() && blank(text[at])) ++at;
    if (at == text.size() || text[at] != wanted) return std::string::npos;
    ++at;
  }
  return at;
}

}  // namespace

std::pair<std::size_t, std::size_t> place_of(const std::string& text, const std::string& find) {
  std::pair<std::size_t, std::size_t> out{std::string::npos, std::string::npos};
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (blank(text[at])) continue;
    const std::size_t end = end_of_match(text, at, find);
    if (end == std::string::npos) continue;
    if (out.first != std::string::npos) return {std::string::npos, std::string::npos};
    out = {at, end};
  }
  return out;
}

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> table{
      // --- claims ---
      {"resends_claims",
       "a claim without a reply is sent again",
       {{"src/worker/consumer.cpp",
         "call<broker::Claim>(args, asked.deadline, broker::Resend::never, asked.epoch)",
         R"(call<broker::Claim>(
         args, asked.deadline,
         planted::is("resends_claims") ? broker::Resend::until_deadline : broker::Resend::never,
         planted::is("resends_claims") ? 0 : asked.epoch))"}}},
      {"uses_a_claim_number_again",
       "the number of a claim without a reply is used for the next one",
       {{"src/worker/lease.cpp", "claiming_ = false; owe(); strays_until_",
         R"(claiming_ = false;
         if (planted::is("uses_a_claim_number_again")) --claim_;
         owe();
         strays_until_)"}}},

      // --- leases ---
      {"does_not_look_at_the_lease",
       "a prefetched message is started whatever became of the lease",
       {{"src/worker/runner.cpp", "if (!source.consumer.lease_lasts(now)) {",
         R"(if (!planted::is("does_not_look_at_the_lease") && !source.consumer.lease_lasts(now)) {)"}}},
      {"reckons_the_lease_by_the_wall_clock",
       "whether the lease lasts is reckoned by the client's wall clock",
       {{"src/worker/consumer.cpp", "heard(); const bool ours",
         R"(planted_wall(&lease_) = loop_.wall().time_since_epoch() - loop_.now().time_since_epoch();
         heard();
         const bool ours)"},
        {"src/worker/consumer.cpp", "constexpr int most_given_back = 1000;",
         R"(constexpr int most_given_back = 1000;
         std::chrono::nanoseconds& planted_wall(const void* lease) {
           static std::unordered_map<const void*, std::chrono::nanoseconds> ahead;
           return ahead[lease];
         })"},
        {"src/worker/consumer.cpp",
         "heard(); if (result.lost) { lose(lease_.lost(tend.incarnation));",
         R"(planted_wall(&lease_) = loop_.wall().time_since_epoch() - loop_.now().time_since_epoch();
         heard();
         if (result.lost) {
           lose(lease_.lost(tend.incarnation));)"},
        {"src/worker/consumer.cpp", "bool Consumer::lease_lasts(TimePoint now) const {",
         R"(bool Consumer::lease_lasts(TimePoint now) const {
         if (planted::is("reckons_the_lease_by_the_wall_clock")) {
           now = TimePoint(loop_.wall().time_since_epoch() - planted_wall(&lease_));
         })"},
        {"src/worker/consumer.cpp", "#include <algorithm>",
         "#include <algorithm>\n#include <unordered_map>\n"}}},
      {"reckons_the_lease_from_the_reply",
       "the lease is reckoned from when its renewal was answered, not from when it was sent",
       {{"src/worker/consumer.cpp", "lose(lease_.tend_answered(tend, result.missing, sent));",
         R"(lose(lease_.tend_answered(
             tend, result.missing,
             planted::is("reckons_the_lease_from_the_reply") ? loop_.now() : sent));)"}}},
      {"does_not_tend",
       "no heartbeat while a handler runs",
       {{"src/worker/consumer.cpp", "if (!lease_.owes_tend() && now < due) {",
         R"(if (planted::is("does_not_tend") && !lease_.owes_tend()) {
           co_await kick_.wait();
           continue;
         }
         if (!lease_.owes_tend() && now < due) {)"}}},
      {"tends_only_what_runs",
       "the heartbeat does not name what waits in the local queue",
       {{"src/worker/lease.cpp",
         "held_.each([&tend](Tag tag, const Held::Entry&) { tend.tags.push_back(tag); });",
         R"(held_.each([&tend](Tag tag, const Held::Entry& entry) {
           if (planted::is("tends_only_what_runs") && entry.item->state == Delivery::State::queued) return;
           tend.tags.push_back(tag);
         });)"},
        {"src/worker/lease.cpp", "#include \"worker/lease.hpp\"",
         "#include \"worker/lease.hpp\"\n#include \"worker/delivery.hpp\"\n"}}},

      // --- handlers and settlements ---
      {"acknowledges_before_handling",
       "the message is removed before its handler has run",
       {{"src/worker/runner.cpp", "try { co_await call(run, &source.topic.handler);",
         R"(if (planted::is("acknowledges_before_handling")) outcomes_.conclude(*run, Outcome());
         try {
           co_await call(run, &source.topic.handler);)"}}},
      {"acknowledges_failures",
       "a handler that throws is taken for one that ended well",
       {{"src/worker/outcomes.cpp", "if (decision.ending == Ending::ack) {",
         R"(if (decision.ending == Ending::ack || planted::is("acknowledges_failures")) {)"}}},
      {"acknowledges_once",
       "a settlement without a reply is not sent again",
       {{"src/worker/consumer.cpp", "failed(\"settle\", end.what());",
         R"(failed("settle", end.what());
         if (planted::is("acknowledges_once")) {
           settled(settler_.answered());
           co_return true;
         })"}}},
      {"starts_twice",
       "a message stays in the local queue while it runs",
       {{"src/worker/runner.cpp",
         "if (seat->spare_is_free()) { seat->run = std::move(seat->spare);",
         R"(if (planted::is("starts_twice") && delivery->state == Delivery::State::queued) {
           queue_.push(delivery->source->id, 0, std::shared_ptr<Delivery>(delivery));
         }
         if (seat->spare_is_free()) { seat->run = std::move(seat->spare);)"}}},
      {"starts_what_has_expired",
       "nobody looks whether a message has expired before it is started",
       {{"src/worker/outcomes.cpp", "if (delivery->view->expire_at > now) return false;",
         R"(if (delivery->view->expire_at > now || planted::is("starts_what_has_expired")) return false;)"}}},
      {"expires_by_the_wall_clock",
       "whether a message has expired is asked of the client's wall clock",
       {{"src/worker/runner.cpp", "delivery->started_ms = source.broker.clock().at_ms(now);",
         R"(delivery->started_ms = source.broker.clock().at_ms(now);
         if (planted::is("expires_by_the_wall_clock")) {
           delivery->started_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                      loop_.wall().time_since_epoch())
                                      .count();
         })"}}},
      {"forgets_the_attempts",
       "a retry does not count the attempt that failed",
       {{"src/worker/outcomes.cpp", "next.attempts = failures;",
         R"(next.attempts = planted::is("forgets_the_attempts") ? next.attempts : failures;)"}}},
      {"counts_interruptions_as_attempts",
       "a run that a stop cut short counts as an attempt that failed",
       {{"src/worker/outcomes.cpp", "(counted.kind == Outcome::Kind::interrupted ? 0 : 1)",
         R"((counted.kind == Outcome::Kind::interrupted &&
                   !planted::is("counts_interruptions_as_attempts") ? 0 : 1))"}}},

      // --- producing ---
      {"uses_a_batch_number_again",
       "after a batch that was given up its number is used for the next one",
       {{"src/broker/produce/producer.cpp", "if (batch.is_open()) return false; batch.end();",
         R"(if (batch.is_open()) return false;
         if (planted::is("uses_a_batch_number_again") && sending.end.kind() == End::no_reply) --sender.number;
         batch.end();)"},
        {"src/broker/produce/producer.cpp", "if (sending.reply.again && !batch.maybe_applied()) {",
         R"(if (sending.reply.again && !batch.maybe_applied() && !planted::is("uses_a_batch_number_again")) {)"}}},
      {"numbers_each_copy_of_a_batch",
       "a batch without a reply is sent again under another number",
       {{"src/broker/produce/producer.cpp", "sender->envelopes = encoded.release();",
         R"(if (!planted::is("numbers_each_copy_of_a_batch")) sender->envelopes = encoded.release();)"},
        {"src/broker/produce/producer.cpp", "++self->counts_.resent;",
         R"(++self->counts_.resent;
         if (planted::is("numbers_each_copy_of_a_batch")) {
           const_cast<Produce::Encoded&>(command) =
               encoded.build(self->keys_, sender->key, ++sender->number, 2 * options.longest_timeout);
         })"}}},
      {"takes_no_reply_for_not_sent",
       "a batch without a reply is told to its callers as not sent",
       {{"src/broker/produce/producer.cpp",
         "case End::no_reply: batch.set_maybe_applied(); expire(); arm_timer(); break;",
         R"(case End::no_reply:
           if (planted::is("takes_no_reply_for_not_sent")) {
             batch.fail_all(std::make_exception_ptr(ConnectionError("produce: not sent")));
             break;
           }
           batch.set_maybe_applied();
           expire();
           arm_timer();
           break;)"}}},

      // --- connections ---
      {"replays_after_reconnecting",
       "what was written to a connection that ended is written to the next one, too",
       {{"src/redis/connection/command_queue.cpp",
         "in_flight_.push_back({front.waiter, front.deadline});",
         R"(in_flight_.push_back({front.waiter, front.deadline});
         if (planted::is("replays_after_reconnecting")) planted_written()[this].push_back(front.command);)"},
        {"src/redis/connection/command_queue.cpp", "in_flight_.pop_front();",
         R"(in_flight_.pop_front();
         if (planted::is("replays_after_reconnecting") && !planted_written()[this].empty()) {
           planted_written()[this].pop_front();
         })"},
        {"src/redis/connection/command_queue.cpp", "void CommandQueue::push(Unsent unsent) {",
         R"(std::map<const void*, std::deque<Command>>& planted_written() {
           static std::map<const void*, std::deque<Command>> written;
           return written;
         }
         void CommandQueue::push(Unsent unsent) {)"},
        {"src/redis/connection/command_queue.cpp", "#include <chrono>",
         "#include <chrono>\n#include <map>\n"},
        {"src/redis/connection/command_queue.cpp",
         "void CommandQueue::lose_written(const std::string& why, Actions& out) {",
         R"(void CommandQueue::lose_written(const std::string& why, Actions& out) {
         if (planted::is("replays_after_reconnecting")) {
           auto& written = planted_written()[this];
           while (!in_flight_.empty() && written.size() == in_flight_.size()) {
             queued_bytes_ += written.back().size();
             unsent_.push_front({written.back(), in_flight_.back().waiter, in_flight_.back().deadline, 0, 0});
             written.pop_back();
             in_flight_.pop_back();
           }
           skip_ = 0;
         }
         planted_written()[this].clear();)"}}},
      {"gives_a_late_reply_to_the_next_waiter",
       "a command that timed out is forgotten, and its late reply goes to the command after it",
       {{"src/redis/connection/command_queue.cpp",
         "earliest_ = earliest == TimePoint::max() ? earliest",
         R"(if (planted::is("gives_a_late_reply_to_the_next_waiter")) {
           std::erase_if(in_flight_, [](const InFlight& each) { return each.waiter == 0; });
         }
         earliest_ = earliest == TimePoint::max() ? earliest)"}}},
      {"does_not_load_scripts",
       "NOSCRIPT is taken for a failure instead of loading the script",
       {{"src/redis/connection/eval.cpp", "case Remedy::load_script: unknown_to_server(sending);",
         R"(case Remedy::load_script:
           if (planted::is("does_not_load_scripts")) std::rethrow_exception(error_);
           unknown_to_server(sending);)"}}},

      // --- wake-ups ---
      {"forgets_the_marker_when_stopping",
       "a stopping consumer does not hand on the wake-up that it took",
       {{"src/worker/markers.cpp",
         "return claimer_.last_answered(source) < record.owes_claim || record.arming > 0;",
         R"(return (claimer_.last_answered(source) < record.owes_claim || record.arming > 0) &&
                !planted::is("forgets_the_marker_when_stopping");)"}}},
      {"forgets_the_alarm_when_stopping",
       "a stopping consumer does not hand on the alarm of delayed messages that it keeps",
       {{"src/worker/consumer.cpp", "args.alarm = alarm_.to_tell(); args.marker",
         R"(args.alarm = planted::is("forgets_the_alarm_when_stopping") ? 0 : alarm_.to_tell();
         args.marker)"}}},
      {"sets_no_alarm",
       "nobody looks when a delayed message falls due",
       {{"src/worker/claimer.cpp", "if (due_ms < 0 || !consuming_) return;",
         R"(if (due_ms < 0 || !consuming_ || planted::is("sets_no_alarm")) return;)"}}},
      {"keeps_what_it_prefetched_when_stopping",
       "a stopping consumer does not give back what has not started",
       {{"src/worker/runner.cpp", "threads_.stop(); release_unstarted();",
         R"(threads_.stop();
         if (!planted::is("keeps_what_it_prefetched_when_stopping")) release_unstarted();)"}}},
  };
  return table;
}

}  // namespace mx_rmq::planted
