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

constexpr int kMostGivenBack = 1000;

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
  hooks_.progress();
}

void Consumer::kick() { kick_.set(); }

bool Consumer::gate_open() const { return open_.is_set() && open_epoch_ == lane_.epoch(); }

TimePoint Consumer::command_deadline() const { return loop_.now() + command_timeout_; }

void Consumer::failed(const char* what, const std::string& why) {
  log::warn(failure_gate_, "cannot reach the queue at Redis; trying again", "topic", topic_name_,
            "consumer", lease_.name(), "call", what, "error", why);
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
    lose(lease_.lost(incarnation, false));
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

// --- lease ---

bool Consumer::lease_lasts() const {
  return loop_.now() + Duration(options_.lease) / 10 < lease_.until();
}

Task<bool> Consumer::confirm_lease(std::shared_ptr<Delivery> delivery) {
  while (delivery->state != Delivery::State::gone && !quiet_) {
    if (lease_lasts()) co_return true;
    renewed_.reset();
    co_await renewed_.wait();
  }
  co_return false;
}

void Consumer::lose(std::vector<Lease::Item> items) {
  if (items.empty()) return;
  leases_lost_ += items.size();
  log::warn("messages lost to another consumer: the lease ran out", "topic", topic_name_,
            "messages", items.size());
  for (auto& item : items) {
    item->state = Delivery::State::gone;
    item->stop.request_stop();
    log::debug("lease lost", "topic", topic_name_, "id",
               item->view ? item->view->id : std::string_view("?"));
    hooks_.lost(item);
  }
  hooks_.dropped(items.size());
  renewed_.set();
  hooks_.progress();
}

Task<> Consumer::tend_loop() {
  Duration pause = 10ms;
  while (!closed_) {
    kick_.reset();
    const TimePoint now = loop_.now();
    if (!lease_.needs_tend(now)) {
      co_await kick_.wait();
      continue;
    }
    if (!lane_.ready()) {
      // on_ready() kicks.
      co_await kick_.wait_until(now + 1s);
      continue;
    }
    const TimePoint due = tended_at_ + Duration(options_.lease) / 3;
    if (!lease_.owes_tend() && now < due) {
      co_await kick_.wait_until(due);
      continue;
    }
    const bool answered = co_await tend_once();
    if (answered) {
      pause = 10ms;
    } else if (!closed_) {
      co_await kick_.wait_until(loop_.now() + pause);
      pause = std::min<Duration>(2 * pause, Duration(options_.lease) / 10);
    }
  }
}

Task<bool> Consumer::tend_once() {
  const Lease::Tend tend = lease_.begin_tend();
  const std::string name = lease_.name();
  const TimePoint sent = loop_.now();
  const std::uint64_t epoch = lane_.epoch();
  broker::TendArgs args;
  args.consumer = name;
  args.lease = options_.lease;
  args.last_claim = tend.last_claim;
  args.most = kMostGivenBack;
  args.bytes = options_.claim_bytes;
  args.tags = tend.tags;
  broker::TendResult result;
  std::string error;
  try {
    result = co_await broker_.tend(args, command_deadline(), broker::Resend::never, epoch);
  } catch (const Error& e) {
    error = e.what();
  }
  if (!error.empty()) {
    failed("tend", error);
    co_return false;
  }
  last_answer_ = loop_.now();
  if (result.lost) {
    lose(lease_.lost(tend.incarnation, true));
  } else {
    lose(lease_.tend_answered(tend, result.missing, sent));
    tended_at_ = sent;
    if (result.more) tended_at_ = {};  // at once again
  }
  if (!lease_.owes_tend() && epoch == lane_.epoch()) open_.set();
  renewed_.set();
  hooks_.progress();
  co_return true;
}

// --- settlements ---

bool Consumer::holds(const Delivery& delivery) const {
  return lease_.holds(delivery.incarnation, delivery.tag);
}

void Consumer::settle(Settlement settlement) {
  settlement.delivery->state = Delivery::State::settling;
  lease_.settling(settlement.delivery->tag);
  settler_.add(std::move(settlement));
  idle_.reset();
  if (flushing_) return;
  flushing_ = true;
  scope_->spawn(flush_loop());
}

Task<> Consumer::flush_loop() {
  co_await settler_.flush();
  flushing_ = false;
  idle_.set();
}

void Consumer::refused(const Settlement& settlement) {
  const auto& delivery = *settlement.delivery;
  log::warn("a late settlement was refused: the lease was lost", "topic", topic_name_, "id",
            delivery.view ? delivery.view->id : std::string_view("?"));
}

void Consumer::answered(const std::vector<Settlement>& group) {
  std::size_t settled = 0;
  for (const auto& each : group) {
    if (!lease_.holds(each.delivery->incarnation, each.delivery->tag)) continue;
    each.delivery->state = Delivery::State::gone;
    lease_.settled(each.delivery->incarnation, each.delivery->tag);
    ++settled;
  }
  hooks_.dropped(settled);
  hooks_.progress();
}

Task<bool> Consumer::carry_out(std::vector<Settlement> group) {
  Duration pause = 10ms;
  carrying_ = group.size();
  while (true) {
    std::erase_if(group, [this](const Settlement& each) {
      const bool gone = !holds(*each.delivery);
      if (gone) refused(each);
      return gone;
    });
    if (group.empty()) break;
    if (closing_ && loop_.now() >= give_up_at_) {
      log::warn("stopped before Redis confirmed every settlement; the lease decides", "topic",
                topic_name_, "messages", group.size() + settler_.size());
      carrying_ = 0;
      co_return false;
    }
    if (!gate_open() || !lane_.ready()) {
      const TimePoint until = closing_ ? give_up_at_ : loop_.now() + 1s;
      // A gate that is set for a connection that is gone opens again with the next one.
      if (gate_open()) {
        renewed_.reset();
        co_await renewed_.wait_until(std::min<TimePoint>(until, loop_.now() + 20ms));
      } else {
        co_await open_.wait_until(until);
      }
      continue;
    }
    const std::uint64_t incarnation = group.front().delivery->incarnation;
    broker::SettleResult result;
    std::string error;
    try {
      TimePoint deadline = command_deadline();
      if (closing_) deadline = std::min(deadline, give_up_at_);
      result = co_await send(group, deadline, lane_.epoch());
    } catch (const Error& e) {
      error = e.what();
    }
    if (!error.empty()) {
      failed("settle", error);
      renewed_.reset();
      co_await renewed_.wait_until(loop_.now() + pause);
      pause = std::min<Duration>(2 * pause, 5s);
      continue;
    }
    last_answer_ = loop_.now();
    if (result.lost) {
      lose(lease_.lost(incarnation, false));
      continue;
    }
    answered(group);
    break;
  }
  carrying_ = 0;
  co_return true;
}

Task<broker::SettleResult> Consumer::send(const std::vector<Settlement>& group, TimePoint deadline,
                                          std::uint64_t epoch) {
  const std::string name = lease_.name();
  switch (group.front().kind) {
    case Settlement::Kind::ack: {
      std::vector<Tag> plain;
      std::vector<broker::ChosenTag> chosen;
      plain.reserve(group.size());
      for (const auto& each : group) {
        const auto& view = each.delivery->view;
        if (view && view->chosen_id()) {
          chosen.push_back(broker::ChosenTag{each.delivery->tag, view->id, view->until});
        } else {
          plain.push_back(each.delivery->tag);
        }
      }
      broker::AckArgs args;
      args.consumer = name;
      args.kind = group.front().ack;
      args.tags = plain;
      args.chosen = chosen;
      co_return co_await broker_.ack(args, deadline, broker::Resend::never, epoch);
    }
    case Settlement::Kind::retry: {
      std::vector<broker::RetryItem> items;
      for (const auto& each : group) {
        const auto& view = *each.delivery->view;
        items.push_back(
            broker::RetryItem{each.delivery->tag, each.delay, view.id, view.head_size, each.text});
      }
      broker::RetryArgs args;
      args.consumer = name;
      args.items = items;
      co_return co_await broker_.retry(args, deadline, broker::Resend::never, epoch);
    }
    case Settlement::Kind::release: {
      std::vector<broker::ReleaseItem> items;
      for (const auto& each : group) {
        const auto& view = each.delivery->view;
        items.push_back(
            broker::ReleaseItem{each.delivery->tag, view ? view->head_size : 0, each.text});
      }
      broker::ReleaseArgs args;
      args.consumer = name;
      args.items = items;
      co_return co_await broker_.release(args, deadline, broker::Resend::never, epoch);
    }
    case Settlement::Kind::dead:
      break;
  }
  std::vector<broker::DeadItem> items;
  for (const auto& each : group) {
    const std::string_view member =
        each.member.empty() ? each.delivery->view->id : std::string_view(each.member);
    items.push_back(broker::DeadItem{each.delivery->tag, member, each.text});
  }
  broker::DeadArgs args;
  args.consumer = name;
  args.cap = options_.dead_cap;
  args.items = items;
  broker::DeadResult dead = co_await broker_.dead(args, deadline, broker::Resend::never, epoch);
  if (!dead.lost) hooks_.dead_letters(dead.total);
  for (const auto& member : dead.dropped)
    log::warn("dead letter dropped: over the cap", "topic", topic_name_, "id", member);
  broker::SettleResult result;
  result.lost = dead.lost;
  co_return result;
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
