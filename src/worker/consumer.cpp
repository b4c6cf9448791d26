#include "worker/consumer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/protocol_error.hpp"

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

Task<Consumer::Claimed> Consumer::take(int most, bool suspect) {
  Claimed claimed;
  if (!may_claim()) co_return claimed;
  const std::string name = lease_.name();
  const std::uint64_t incarnation = lease_.incarnation();
  const bool fresh = lease_.fresh();
  const std::uint64_t number = lease_.begin_claim();
  const TimePoint sent = loop_.now();
  const TimePoint deadline = command_deadline();
  const std::uint64_t epoch = lane_.epoch();
  bool unanswered = false;
  std::string error;
  std::vector<std::string> envelopes;
  try {
    if (suspect) {
      broker::SuspectArgs args;
      args.consumer = name;
      args.number = number;
      args.lease = options_.lease;
      args.fresh = fresh;
      broker::SuspectResult result = co_await broker_.suspect(args, deadline, epoch);
      claimed.result.lost = result.lost;
      claimed.result.now = result.now;
      claimed.result.suspects = claimed.result.more = result.more;
      envelopes = std::move(result.envelopes);
    } else {
      broker::ClaimArgs args;
      args.consumer = name;
      args.number = number;
      args.most = most;
      args.lease = options_.lease;
      args.promote = options_.batch_size;
      args.fresh = fresh;
      args.bytes = options_.claim_bytes;
      args.slice = slice_;
      args.own_alarm = alarm_unknown_ ? -1 : own_alarm_;
      claimed.result = co_await broker_.claim(args, deadline, epoch);
      envelopes = std::move(claimed.result.envelopes);
    }
  } catch (const OutcomeUnknown& e) {
    unanswered = true;
    error = e.what();
  } catch (const redis::ProtocolError& e) {
    unanswered = true;
    error = e.what();
  } catch (const Error& e) {
    error = e.what();  // nothing was executed
  }
  if (unanswered) {
    lease_.claim_unanswered(loop_.now());
    alarm_unknown_ = true;  // it may have been handed to us
    kick();
  }
  if (!error.empty()) {
    if (!unanswered) lease_.claim_failed();
    failed(suspect ? "suspect" : "claim", error);
    co_return claimed;
  }
  last_answer_ = loop_.now();
  const bool ours = lease_.claim_answered(incarnation, !envelopes.empty(), sent);
  if (claimed.result.lost) {
    lose(lease_.lost(incarnation));
    claimed.state = Claimed::State::lost;
    co_return claimed;
  }
  claimed.state = Claimed::State::ok;
  if (!suspect) {
    alarm_unknown_ = false;
    own_alarm_ = std::max<std::int64_t>(claimed.result.alarm, 0);
  }
  if (!ours) {
    std::vector<Tag> strays;
    for (std::uint32_t i = 1; i <= envelopes.size(); ++i) strays.push_back(Tag{number, i});
    if (!strays.empty()) scope_->spawn(give_back_strays(name, std::move(strays)));
    co_return claimed;
  }
  const bool first = lease_.fresh();
  std::size_t bytes = 0;
  std::uint32_t index = 0;
  claimed.deliveries.reserve(envelopes.size());
  for (auto& envelope : envelopes) {
    bytes += envelope.size();
    const Tag tag{number, ++index};
    auto delivery = std::make_shared<Delivery>(topic_, incarnation, tag, std::move(envelope));
    delivery->suspect = suspect;
    lease_.hold(tag, delivery);
    claimed.deliveries.push_back(std::move(delivery));
  }
  if (!envelopes.empty()) {
    // The first slice that a script reads: about a quarter of the bytes allowed.
    const std::size_t average = bytes / envelopes.size() + 1;
    slice_ = static_cast<int>(std::clamp<std::size_t>(options_.claim_bytes / 4 / average, 1, 256));
    if (first) {
      tended_at_ = loop_.now();
      kick();
    }
  }
  co_return claimed;
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
  args.alarm = own_alarm_;
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
