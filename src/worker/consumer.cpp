#include "worker/consumer.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "api/batch.hpp"
#include "broker/data/random_id.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/backoff.hpp"
#include "runtime/planted.hpp"
#include "worker/send_settlements.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

using broker::Tag;
using redis::CallEnd;
using runtime::Backoff;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;
namespace log = runtime::log;

namespace {

// Claims that fail less often or for a shorter time are an ordinary loss of a connection.
constexpr int few_failures = 3;
constexpr Duration short_time = 3s;
// By one tend.
constexpr int most_given_back = 1000;
constexpr std::int64_t many_dead_letters = 10'000;

std::string_view id_of(const Delivery& delivery) {
  return delivery.view ? delivery.view->id : std::string_view("?");
}

}  // namespace

Consumer::Consumer(Source& source, broker::TopicBroker& broker, const MQConfig& config,
                   Quarantine::Member& member, LookAgain& look_again, Lost lost)
    : loop_(broker.loop()),
      route_(broker.route()),
      source_(source),
      broker_(broker),
      config_(config),
      look_again_(look_again),
      lost_(std::move(lost)),
      topic_name_(broker.keys().topic()),
      command_timeout_(std::min<Duration>(config.command_timeout, Duration(config.lease) / 3)),
      lease_(broker::random_id(route_.rng()), config.lease),
      settler_(lease_),
      size_(ClaimSize::Size{api::claim_batch_of(config), config.claim_bytes}),
      holding_(member),
      open_(loop_),
      kick_(loop_),
      renewed_(loop_),
      idle_(loop_) {
  idle_.set();
  last_answer_ = loop_.now();
  ready_hook_ = route_.on_epoch([this](std::uint64_t) { on_ready(); });
  if (route_.ready()) on_ready();
}

Consumer::~Consumer() { route_.remove_on_epoch(ready_hook_); }

void Consumer::start(runtime::Scope& scope) {
  scope_ = &scope;
  route_.connect();  // claims wait for it to be ready
  scope.spawn(tend_loop());
}

// --- connection ---

void Consumer::on_ready() {
  alarm_unsure_ = open_epoch_ != 0;
  open_epoch_ = route_.epoch();
  if (lease_.reconnected()) {
    open_.reset();
  } else {
    open_.set();
  }
  kick_.set();
  look_again_.soon();
}

bool Consumer::gate_open() const { return open_.is_set() && open_epoch_ == route_.epoch(); }

TimePoint Consumer::command_deadline() const { return loop_.now() + command_timeout_; }

// Dead letters are kept by each partition; rounded up, so that each keeps one.
std::int64_t Consumer::dead_cap() const {
  const std::int64_t partitions = source_.partitions;
  return (config_.max_dead_letters + partitions - 1) / partitions;
}

void Consumer::failed(std::string_view call, std::string_view why) {
  log::warn(failure_gate_, "a call of Redis did not go well; trying again", "call", call, "topic",
            topic_name_, "consumer", lease_.name(), "error", why);
}

// --- claims ---

bool Consumer::may_claim() const {
  return !quiet_ && lease_.may_claim() && gate_open() && route_.ready();
}

// What a claim asked for, and under what name.
struct Consumer::Asked {
  std::string name;
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;
  ClaimSize::Size size;
  bool fresh = false;
  bool suspect = false;
  Listing::Asked listing;
  TimePoint sent{};
  TimePoint deadline{};
  std::uint64_t epoch = 0;
  Alarm alarm;  // before it was sent
};

// A claim, from its sending until what it brought is held. If neither that nor not_executed() is
// said before it ends, also because something was thrown, it may have taken messages of which
// nobody here knows: the next tend gives them back.
class Consumer::ClaimUnderWay {
 public:
  ClaimUnderWay(Consumer& consumer, Asked what) : asked(std::move(what)), consumer_(consumer) {
    if (!asked.suspect) consumer_.alarm_.unknown = true;  // it may be handed to us
  }
  ~ClaimUnderWay() {
    if (ended_) return;
    consumer_.lease_.claim_unanswered(consumer_.loop_.now());
    consumer_.alarm_.unknown = true;
    consumer_.held_changed();
    consumer_.kick_.set();
  }
  ClaimUnderWay(const ClaimUnderWay&) = delete;
  ClaimUnderWay& operator=(const ClaimUnderWay&) = delete;

  void not_executed() noexcept {
    consumer_.lease_.claim_failed();
    nothing_changed();
  }
  void nothing_changed() noexcept {
    consumer_.alarm_ = asked.alarm;
    ended_ = true;
  }
  void taken_in() noexcept { ended_ = true; }

  const Asked asked;

 private:
  Consumer& consumer_;
  bool ended_ = false;
};

Task<Consumer::Claimed> Consumer::take(int most, Listing::Asked listing, bool suspect) {
  if (!may_claim()) co_return Claimed();
  ClaimUnderWay claim(*this, ask(most, listing, suspect));
  broker::Claim::Reply result;
  CallEnd end;
  try {
    result = co_await send_claim(claim.asked);
  } catch (...) {
    end = CallEnd::caught();
  }
  if (end.answered()) co_return accept(claim, std::move(result));
  if (!end.maybe_executed()) {
    claim.not_executed();
  } else if (!suspect) {
    size_.unanswered(claim.asked.size, loop_.now());
  }
  claim_failed(claim.asked, end.what());
  co_return Claimed();
}

Consumer::Asked Consumer::ask(int most, Listing::Asked listing, bool suspect) {
  Asked asked;
  asked.name = lease_.name();
  asked.incarnation = lease_.incarnation();
  asked.fresh = lease_.fresh();
  asked.size = suspect ? ClaimSize::Size{1, 0} : size_.of(most);
  asked.suspect = suspect;
  asked.listing = listing;
  asked.sent = loop_.now();
  asked.deadline = command_deadline();
  asked.epoch = route_.epoch();
  asked.alarm = alarm_;
  asked.number = lease_.begin_claim();
  return asked;
}

Task<broker::Claim::Reply> Consumer::send_claim(const Asked& asked) {
  if (asked.suspect) {
    broker::Suspect::Args args;
    args.consumer = asked.name;
    args.number = asked.number;
    args.lease = config_.lease;
    args.fresh = asked.fresh;
    broker::Suspect::Reply suspect = co_await broker_.call<broker::Suspect>(
        args, asked.deadline, broker::Resend::never, asked.epoch);
    broker::Claim::Reply result;
    result.lost = suspect.lost;
    result.now = suspect.now;
    result.suspects = result.more = suspect.more;
    result.settings = suspect.settings;
    result.envelopes = std::move(suspect.envelopes);
    co_return result;
  }
  broker::Claim::Args args;
  args.consumer = asked.name;
  args.number = asked.number;
  args.most = asked.size.messages;
  args.lease = config_.lease;
  args.promote = api::batch_of(config_);
  args.fresh = asked.fresh;
  args.bytes = asked.size.bytes;
  args.slice = slice_;
  args.own_alarm = alarm_unsure_ ? -1 : asked.alarm.to_tell();
  args.list = asked.listing.list;
  args.listed = asked.listing.listed;
  auto resend = broker::Resend::never;
  std::uint64_t epoch = asked.epoch;
  if (MX_RMQ_PLANTED("resends_claims")) {
    resend = broker::Resend::until_deadline;
    epoch = 0;
  }
  co_return co_await broker_.call<broker::Claim>(args, asked.deadline, resend, epoch);
}

void Consumer::claim_failed(const Asked& asked, std::string_view why) {
  if (failed_claims_++ == 0) failing_since_ = loop_.now();
  claim_error_ = why;
  failed(asked.suspect ? "suspect" : "claim", why);
}

// What the answer means for the lease, the alarm and what is held.
Consumer::Claimed Consumer::accept(ClaimUnderWay& claim, broker::Claim::Reply result) {
  const Asked& asked = claim.asked;
  failed_claims_ = 0;
  if (!asked.suspect) size_.answered(asked.size, loop_.now());
  std::vector<std::string> envelopes = std::exchange(result.envelopes, {});
  MX_RMQ_PLANT("reckons_the_lease_by_the_wall_clock",
               planted::kept<Duration>(this) =
                   loop_.wall().time_since_epoch() - loop_.now().time_since_epoch());
  heard();
  const bool ours = lease_.claim_answered(asked.incarnation, !envelopes.empty(), asked.sent);
  Claimed claimed;
  claimed.result = std::move(result);
  if (claimed.result.lost) {
    claim.nothing_changed();
    lose(lease_.lost(asked.incarnation));
    claimed.state = Claimed::State::lost;
    return claimed;
  }
  if (ours) {
    claimed.deliveries = hold(asked, std::move(envelopes));
    for (const auto& delivery : claimed.deliveries) {
      delivery->settings = claimed.result.settings;
    }
  } else if (!envelopes.empty()) {
    scope_->spawn(give_back_strays(asked.name, asked.number, envelopes.size()));
  }
  if (!asked.suspect) {
    alarm_ = Alarm{std::max<std::int64_t>(claimed.result.alarm, 0), false};
    if (asked.epoch == route_.epoch()) alarm_unsure_ = false;
  }
  claim.taken_in();
  claimed.state = Claimed::State::ok;
  return claimed;
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
    auto delivery =
        std::make_shared<Delivery>(&source_, asked.incarnation, tag, std::move(envelope));
    delivery->suspect = asked.suspect;
    lease_.hold(tag, delivery);
    held.push_back(std::move(delivery));
  }
  held_changed();
  // The first slice that a script reads: about a quarter of the bytes allowed.
  const std::size_t average = bytes / envelopes.size() + 1;
  slice_ = static_cast<int>(std::clamp<std::size_t>(config_.claim_bytes / 4 / average, 1, 256));
  if (first) {
    tended_at_ = loop_.now();
    kick_.set();
  }
  return held;
}

std::string Consumer::claim_trouble() const {
  const Duration failing = loop_.now() - failing_since_;
  if (failed_claims_ < few_failures || failing < short_time) return {};
  std::string text = std::to_string(failed_claims_) + " claims in succession have failed";
  if (size_.smallest())
    text +=
        ", down to those of a single message (is it larger than the client-output-buffer-limit of "
        "Redis?)";
  return text + ": " + claim_error_;
}

// They were claimed under a name that was lost meanwhile.
Task<> Consumer::give_back_strays(std::string name, std::uint64_t claim, std::size_t count) {
  std::vector<broker::Release::Item> items(count);
  for (std::size_t i = 0; i < count; ++i)
    items[i].tag = Tag{claim, static_cast<std::uint32_t>(count - i)};  // the newest first
  broker::Release::Args args;
  args.consumer = name;
  args.items = items;
  CallEnd end;
  try {
    co_await broker_.call<broker::Release>(args, command_deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered()) failed("release", end.what());  // their lease ends; then they are recovered
}

// --- lease ---

bool Consumer::lease_lasts(TimePoint now) const {
  MX_RMQ_PLANT("reckons_the_lease_by_the_wall_clock",
               now = TimePoint(loop_.wall().time_since_epoch() - planted::kept<Duration>(this)));
  return now + Duration(config_.lease) / 10 < lease_.until();
}

Task<bool> Consumer::confirm_lease(std::shared_ptr<Delivery> delivery) {
  while (delivery->state != Delivery::State::gone && !quiet_) {
    if (lease_lasts(loop_.now())) co_return true;
    renewed_.reset();
    co_await renewed_.wait();
  }
  co_return false;
}

void Consumer::held_changed() {
  holding_.set(lease_.held());
  look_again_.soon();
}

void Consumer::lose(std::vector<Lease::Item> items) {
  if (items.empty()) return;
  leases_lost_ += items.size();
  log::warn("messages lost to another consumer: the lease ran out", "topic", topic_name_,
            "messages", items.size());
  for (auto& item : items) {
    item->state = Delivery::State::gone;
    log::debug("lease lost", "topic", topic_name_, "id", id_of(*item));
    lost_(item);
  }
  held_changed();
  renewed_.set();
  // Last: the callbacks may resume handlers, which then end.
  for (const auto& item : items) item->stop.request_stop();
}

Task<> Consumer::tend_loop() {
  Backoff pause(10ms, Duration(config_.lease) / 10);
  while (!closed_) {
    kick_.reset();
    const TimePoint now = loop_.now();
    if (!lease_.needs_tend(now)) {
      co_await kick_.wait();
      continue;
    }
    if (!route_.ready()) {
      // on_ready() kicks.
      co_await kick_.wait_until(now + 1s);
      continue;
    }
    TimePoint due = tended_at_ + Duration(config_.lease) / 3;
    if (MX_RMQ_PLANTED("does_not_tend")) due = now + 1h;
    if (MX_RMQ_PLANTED("tends_the_first_partition_only") && source_.partition > 0) due = now + 1h;
    if (!lease_.owes_tend() && now < due) {
      co_await kick_.wait_until(due);
      continue;
    }
    const bool answered = co_await tend_once();
    if (answered) {
      pause.reset();
    } else if (!closed_) {
      co_await kick_.wait_until(loop_.now() + pause.next());
    }
  }
}

Task<bool> Consumer::tend_once() {
  const Lease::Tend tend = lease_.begin_tend();
  const std::string name = lease_.name();
  const TimePoint sent = loop_.now();
  const std::uint64_t epoch = route_.epoch();
  broker::Tend::Args args;
  args.consumer = name;
  args.lease = config_.lease;
  args.last_claim = tend.last_claim;
  args.most = most_given_back;
  args.bytes = config_.claim_bytes;
  args.tags = tend.tags;
  broker::Tend::Reply result;
  CallEnd end;
  try {
    result =
        co_await broker_.call<broker::Tend>(args, command_deadline(), broker::Resend::never, epoch);
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered()) {
    failed("tend", end.what());
    co_return false;
  }
  MX_RMQ_PLANT("reckons_the_lease_by_the_wall_clock",
               planted::kept<Duration>(this) =
                   loop_.wall().time_since_epoch() - loop_.now().time_since_epoch());
  heard();
  if (result.lost) {
    lose(lease_.lost(tend.incarnation));
  } else {
    const bool late = MX_RMQ_PLANTED("reckons_the_lease_from_the_reply");
    lose(lease_.tend_answered(tend, result.missing, late ? loop_.now() : sent));
    tended_at_ = sent;
    if (result.more) tended_at_ = {};  // at once again
  }
  if (!lease_.owes_tend() && epoch == route_.epoch()) open_.set();
  renewed_.set();
  look_again_.soon();
  co_return true;
}

// --- settlements ---

void Consumer::settle(Settlement settlement) {
  Delivery& delivery = *settlement.delivery;
  assert(delivery.source == &source_ && "a message is settled where it came from");
  assert(delivery.state != Delivery::State::settling && "a message is settled once");
  settler_.add(std::move(settlement));
  if (delivery.state != Delivery::State::gone) delivery.state = Delivery::State::settling;
  lease_.settling(delivery.tag);
  if (!idle_.is_set()) return;
  idle_.reset();
  scope_->spawn(settle_loop(Flushing(&idle_)));
}

void Consumer::let_go(Delivery& delivery) noexcept {
  if (delivery.state == Delivery::State::gone || delivery.state == Delivery::State::settling)
    return;
  delivery.state = Delivery::State::gone;
  lease_.let_go(delivery.incarnation, delivery.tag);
  held_changed();
  kick_.set();
}

Task<> Consumer::settle_loop(Flushing flushing) {
  Backoff pause(10ms, 5s);
  while (true) {
    const std::vector<Settlement>& group = settler_.next();
    tell_refused();
    if (group.empty()) break;
    if (draining_ && loop_.now() >= give_up_at_) {
      log::warn("stopped before Redis confirmed every settlement; the lease decides", "topic",
                topic_name_, "messages", settler_.size());
      break;
    }
    if (!gate_open() || !route_.ready()) {
      co_await wait_for_gate();
      continue;
    }
    const bool answered = co_await settle_once(group);
    if (answered) {
      pause.reset();
      continue;
    }
    renewed_.reset();
    co_await renewed_.wait_until(loop_.now() + pause.next());
  }
  flushing.reset();
}

Task<> Consumer::wait_for_gate() {
  const TimePoint until = draining_ ? give_up_at_ : loop_.now() + 1s;
  if (!open_.is_set()) {
    co_await open_.wait_until(until);
  } else {
    // It was set for a connection that is gone, and is for the next one when that is ready.
    renewed_.reset();
    co_await renewed_.wait_until(std::min<TimePoint>(until, loop_.now() + 20ms));
  }
}

// False: not answered.
Task<bool> Consumer::settle_once(const std::vector<Settlement>& group) {
  const std::uint64_t incarnation = group.front().delivery->incarnation;
  TimePoint deadline = command_deadline();
  if (draining_) deadline = std::min(deadline, give_up_at_);
  SettlementSender sender{broker_, lease_.name(), dead_cap(), deadline, route_.epoch()};
  Settled result;
  CallEnd end;
  try {
    result = co_await send_settlements(std::move(sender), group);
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered()) {
    failed("settle", end.what());
    if (MX_RMQ_PLANTED("acknowledges_once")) {
      settled(settler_.answered());
      co_return true;
    }
    co_return false;
  }
  heard();
  if (result.lost) {
    lose(lease_.lost(incarnation));
    co_return true;
  }
  if (result.dead_letters >= 0) note_dead_letters(result.dead_letters);
  for (const auto& member : result.dropped)
    log::warn("dead letter dropped: over the cap", "topic", topic_name_, "id", member);
  settled(settler_.answered());
  co_return true;
}

void Consumer::settled(const std::vector<Settlement>& group) {
  for (const auto& each : group) {
    each.delivery->state = Delivery::State::gone;
    lease_.settled(each.delivery->incarnation, each.delivery->tag);
  }
  held_changed();
}

void Consumer::tell_refused() {
  for (const auto& each : settler_.take_refused())
    log::warn("a late settlement was refused: the lease was lost", "topic", topic_name_, "id",
              id_of(*each.delivery));
}

void Consumer::note_dead_letters(std::int64_t count) {
  const bool many = count > many_dead_letters;
  if (many && !warned_dead_letters_)
    log::warn("many dead letters: requeue or purge them, or set max_dead_letters", "topic",
              topic_name_, "count", count);
  warned_dead_letters_ = many;
}

// --- the end ---

void Consumer::quiesce() {
  quiet_ = true;
  renewed_.set();
}

Task<> Consumer::drain(TimePoint deadline) {
  draining_ = true;
  give_up_at_ = deadline;
  renewed_.set();
  co_await idle_.wait_until(deadline + 50ms);
}

Task<> Consumer::leave(TimePoint deadline) {
  closed_ = true;
  kick_.set();
  renewed_.set();
  std::string name = lease_.name();
  if (MX_RMQ_PLANTED("leaves_under_another_name")) name.insert(0, 1, 'x');
  broker::Leave::Args args;
  args.consumer = name;
  args.alarm = MX_RMQ_PLANTED("forgets_the_alarm_when_stopping") ? 0 : alarm_.to_tell();
  CallEnd end;
  try {
    co_await broker_.call<broker::Leave>(args, deadline);
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered())
    log::warn("could not say goodbye to Redis; the lease ends by itself", "topic", topic_name_,
              "consumer", name, "error", end.what());
}

}  // namespace mx_rmq::worker
