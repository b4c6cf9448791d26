#include "worker/consumer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/protocol_error.hpp"

namespace mx_rmq::worker {

using broker::Tag;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;
namespace log = runtime::log;

namespace {

runtime::Duration command_timeout(const Consumer::Options& options) {
  return std::min<runtime::Duration>(options.command_timeout, Duration(options.lease) / 3);
}

// Claims that fail less often or for a shorter time are an ordinary loss of a connection.
constexpr int kFewFailures = 3;
constexpr Duration kShortTime = 3s;

}  // namespace

Consumer::Consumer(runtime::EventLoop& loop, redis::Lane& lane, broker::TopicBroker& broker,
                   std::size_t topic, std::string id, Options options, Hooks hooks)
    : loop_(loop),
      lane_(lane),
      broker_(broker),
      topic_(topic),
      topic_name_(broker.keys().topic()),
      options_(options),
      hooks_(std::move(hooks)),
      command_timeout_(command_timeout(options)),
      lease_(std::move(id), options.lease),
      settler_(*this),
      size_(ClaimSize::Size{options.batch_size, options.claim_bytes}),
      open_(loop),
      kick_(loop),
      renewed_(loop),
      idle_(loop) {
  idle_.set();
  last_answer_ = loop_.now();
  ready_hook_ = lane_.on_ready([this](std::uint64_t) { on_ready(); });
  if (lane_.ready()) on_ready();
}

Consumer::~Consumer() { lane_.remove_on_ready(ready_hook_); }

void Consumer::start(runtime::Scope& scope) {
  scope_ = &scope;
  lane_.connect();  // claims wait for it to be ready
  scope.spawn(tend_loop());
}

// --- connection ---

void Consumer::on_ready() {
  open_epoch_ = lane_.epoch();
  if (lease_.reconnected()) {
    open_.reset();
  } else {
    open_.set();
  }
  kick();
  hooks_.connected();
  hooks_.progress();
}

void Consumer::kick() { kick_.set(); }

bool Consumer::gate_open() const { return open_.is_set() && open_epoch_ == lane_.epoch(); }

TimePoint Consumer::command_deadline() const { return loop_.now() + command_timeout_; }

void Consumer::failed(const char* what, const std::string& why) {
  log::warn(failure_gate_, "a call of Redis did not go well; trying again", "call", what, "topic",
            topic_name_, "consumer", lease_.name(), "error", why);
}

// --- claims ---

bool Consumer::may_claim() const {
  return !quiet_ && lease_.may_claim() && gate_open() && lane_.ready();
}

Task<Consumer::Claimed> Consumer::claim(int most) { return take(most, false); }
Task<Consumer::Claimed> Consumer::claim_suspect() { return take(1, true); }

// What a claim asked for, and under what name.
struct Consumer::Asked {
  std::string name;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  ClaimSize::Size size;
  bool fresh = false;
  bool suspect = false;
  TimePoint sent{};
  TimePoint deadline{};
  std::uint64_t epoch = 0;
  std::int64_t own_alarm = 0;
};

Task<Consumer::Claimed> Consumer::take(int most, bool suspect) {
  Claimed claimed;
  if (!may_claim()) co_return claimed;
  const Asked asked = ask(most, suspect);
  const bool alarm_was_unknown = alarm_unknown_;
  // Until it is answered: it may be handed to us.
  if (!suspect) alarm_unknown_ = true;
  bool unanswered = false;
  std::string error;
  try {
    claimed.result = co_await send_claim(asked);
  } catch (const OutcomeUnknown& e) {
    unanswered = true;
    error = e.what();
  } catch (const redis::ProtocolError& e) {
    unanswered = true;
    error = e.what();
  } catch (const Error& e) {
    error = e.what();  // nothing was executed
  }
  if (!error.empty()) {
    if (!unanswered) alarm_unknown_ = alarm_was_unknown;
    claim_failed(asked, unanswered, error);
    co_return claimed;
  }
  failed_claims_ = 0;
  if (!suspect) size_.answered(asked.size, loop_.now());
  std::vector<std::string> envelopes = std::exchange(claimed.result.envelopes, {});
  last_answer_ = loop_.now();
  const bool ours = lease_.claim_answered(asked.incarnation, !envelopes.empty(), asked.sent);
  if (claimed.result.lost) {
    alarm_unknown_ = alarm_was_unknown;  // nothing was changed
    lose(lease_.lost(asked.incarnation));
    claimed.state = Claimed::State::lost;
    co_return claimed;
  }
  claimed.state = Claimed::State::ok;
  if (!suspect) {
    alarm_unknown_ = false;
    own_alarm_ = std::max<std::int64_t>(claimed.result.alarm, 0);
  }
  if (ours) {
    claimed.deliveries = hold(asked, std::move(envelopes));
    co_return claimed;
  }
  std::vector<Tag> strays;
  for (std::uint32_t i = 1; i <= envelopes.size(); ++i) strays.push_back(Tag{asked.number, i});
  if (!strays.empty()) scope_->spawn(give_back_strays(asked.name, std::move(strays)));
  co_return claimed;
}

Consumer::Asked Consumer::ask(int most, bool suspect) {
  Asked asked;
  asked.name = lease_.name();
  asked.incarnation = lease_.incarnation();
  asked.fresh = lease_.fresh();
  asked.number = lease_.begin_claim();
  asked.size = suspect ? ClaimSize::Size{1, 0} : size_.of(most);
  asked.suspect = suspect;
  asked.sent = loop_.now();
  asked.deadline = command_deadline();
  asked.epoch = lane_.epoch();
  asked.own_alarm = alarm_unknown_ ? -1 : own_alarm_;
  return asked;
}

Task<broker::ClaimResult> Consumer::send_claim(const Asked& asked) {
  if (asked.suspect) {
    broker::SuspectArgs args;
    args.consumer = asked.name;
    args.number = asked.number;
    args.lease = options_.lease;
    args.fresh = asked.fresh;
    broker::SuspectResult suspect = co_await broker_.suspect(args, asked.deadline, asked.epoch);
    broker::ClaimResult result;
    result.lost = suspect.lost;
    result.now = suspect.now;
    result.suspects = result.more = suspect.more;
    result.envelopes = std::move(suspect.envelopes);
    co_return result;
  }
  broker::ClaimArgs args;
  args.consumer = asked.name;
  args.number = asked.number;
  args.most = asked.size.messages;
  args.lease = options_.lease;
  args.promote = options_.batch_size;
  args.fresh = asked.fresh;
  args.bytes = asked.size.bytes;
  args.slice = slice_;
  args.own_alarm = asked.own_alarm;
  co_return co_await broker_.claim(args, asked.deadline, asked.epoch);
}

void Consumer::claim_failed(const Asked& asked, bool unanswered, const std::string& error) {
  if (failed_claims_++ == 0) failing_since_ = loop_.now();
  claim_error_ = error;
  if (unanswered) {
    lease_.claim_unanswered(loop_.now());
    alarm_unknown_ = true;
    if (!asked.suspect) size_.unanswered(asked.size, loop_.now());
    kick();
  } else {
    lease_.claim_failed();
  }
  failed(asked.suspect ? "suspect" : "claim", error);
}

std::vector<std::shared_ptr<Delivery>> Consumer::hold(const Asked& asked,
                                                      std::vector<std::string> envelopes) {
  std::vector<std::shared_ptr<Delivery>> held;
  if (envelopes.empty()) return held;
  const bool first = lease_.fresh();
  std::size_t bytes = 0;
  std::uint32_t index = 0;
  held.reserve(envelopes.size());
  for (auto& envelope : envelopes) {
    bytes += envelope.size();
    const Tag tag{asked.number, ++index};
    auto delivery = std::make_shared<Delivery>(topic_, asked.incarnation, tag, std::move(envelope));
    delivery->suspect = asked.suspect;
    lease_.hold(tag, delivery);
    held.push_back(std::move(delivery));
  }
  // The first slice that a script reads: about a quarter of the bytes allowed.
  const std::size_t average = bytes / envelopes.size() + 1;
  slice_ = static_cast<int>(std::clamp<std::size_t>(options_.claim_bytes / 4 / average, 1, 256));
  if (first) {
    tended_at_ = loop_.now();
    kick();
  }
  return held;
}

std::string Consumer::claim_trouble() const {
  const Duration failing = loop_.now() - failing_since_;
  if (failed_claims_ < kFewFailures || failing < kShortTime) return {};
  std::string text = std::to_string(failed_claims_) + " claims in succession have failed";
  if (size_.smallest())
    text +=
        ", down to those of a single message (is it larger than the client-output-buffer-limit of "
        "Redis?)";
  return text + ": " + claim_error_;
}

Task<> Consumer::give_back_strays(std::string name, std::vector<Tag> tags) {
  std::ranges::reverse(tags);
  std::vector<broker::ReleaseItem> items(tags.size());
  for (std::size_t i = 0; i < tags.size(); ++i) items[i].tag = tags[i];
  broker::ReleaseArgs args;
  args.consumer = name;
  args.items = items;
  std::string error;
  try {
    co_await broker_.release(args, command_deadline());
  } catch (const Error& e) {
    error = e.what();
  }
  if (!error.empty()) failed("release", error);  // their lease ends; then they are recovered
}

// --- the end ---

void Consumer::quiesce() {
  quiet_ = true;
  renewed_.set();
}

Task<> Consumer::drain(TimePoint deadline) {
  closing_ = true;
  give_up_at_ = deadline;
  renewed_.set();
  co_await idle_.wait_until(deadline + 50ms);
}

Task<> Consumer::leave(bool marker, TimePoint deadline) {
  closed_ = true;
  kick();
  renewed_.set();
  const std::string name = lease_.name();
  broker::LeaveArgs args;
  args.consumer = name;
  args.alarm = alarm_unknown_ ? -1 : own_alarm_;
  args.marker = marker;
  std::string error;
  try {
    co_await broker_.leave(args, deadline);
  } catch (const Error& e) {
    error = e.what();
  }
  if (!error.empty())
    log::warn("could not say goodbye to Redis; the lease ends by itself", "topic", topic_name_,
              "consumer", name, "error", error);
}

}  // namespace mx_rmq::worker
