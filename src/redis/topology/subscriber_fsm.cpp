#include "redis/topology/subscriber_fsm.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

namespace {

// What a hello begins with; nobody else publishes it to a channel of ours.
constexpr std::string_view hello_word = "mx_rmq:hello:";

bool is_unknown_command(std::string_view error_text) noexcept {
  return error_text.starts_with("ERR unknown command");
}

// An array of texts, and at least three.
bool is_well_formed(const Reply& push) {
  if (!push.is_array() || push.size() < 3) return false;
  return push.at(0).kind() == Reply::Kind::string && push.at(1).kind() == Reply::Kind::string;
}

}  // namespace

SubscriberFsm::SubscriberFsm(Options options)
    : options_(std::move(options)), kind_(options_.kind) {}

// --- who listens ---

std::uint64_t SubscriberFsm::add(TimePoint now, const std::string& name, SubscriberActions& out) {
  const std::uint64_t listener = ++last_listener_;
  listeners_.emplace(listener, name);
  Channel& channel = channels_[name];
  channel.listeners.emplace(listener, 0);
  if (usable_ && channel.state == State::idle) ask(name, channel, out);
  if (channel.state == State::subscribed && heard_) up(channel, out);
  say_hello(now, out);
  return listener;
}

void SubscriberFsm::remove(std::uint64_t listener, SubscriberActions& out) {
  const auto found = listeners_.find(listener);
  if (found == listeners_.end()) return;
  const auto place = channels_.find(found->second);
  listeners_.erase(found);
  Channel& channel = place->second;
  channel.listeners.erase(listener);
  if (!channel.listeners.empty()) return;
  if (channel.state == State::asked || channel.state == State::subscribed) {
    out.push_back({.kind = SubscriberAction::Kind::unsubscribe, .channel = place->first});
  }
  set_state(channel, State::idle);
  channels_.erase(place);
}

std::uint64_t SubscriberFsm::epoch(std::uint64_t listener) const noexcept {
  const auto found = listeners_.find(listener);
  return found == listeners_.end() ? 0 : channels_.at(found->second).listeners.at(listener);
}

// --- the connection that listens ---

void SubscriberFsm::on_usable(TimePoint now, SubscriberActions& out) {
  on_ended(out);
  usable_ = true;
  next_hello_ = now;
  for (auto& [name, channel] : channels_) ask(name, channel, out);
  if (!options_.hello) next_hello_ = now + options_.hello_every;
}

void SubscriberFsm::on_ended(SubscriberActions& out) {
  usable_ = false;
  heard_ = false;
  hello_.reset();
  asked_.clear();
  rest_until_ = TimePoint::max();
  for (auto& [name, channel] : channels_) {
    down(channel, out);
    set_state(channel, State::idle);
  }
}

void SubscriberFsm::ask(const std::string& name, Channel& channel, SubscriberActions& out) {
  assert(usable_ && "without a connection nothing is asked");
  set_state(channel, State::asked);
  channel.asked = ++last_asked_;
  asked_.push_back({name, channel.asked, kind_});
  out.push_back({.kind = SubscriberAction::Kind::subscribe, .channel = name});
}

void SubscriberFsm::set_state(Channel& channel, State state) {
  if (channel.state == State::subscribed) --subscribed_;
  if (channel.state == State::refused) --refused_;
  channel.state = state;
  if (state == State::subscribed) ++subscribed_;
  if (state == State::refused) ++refused_;
}

void SubscriberFsm::rest(TimePoint at, Channel& channel, State state) {
  set_state(channel, state);
  channel.again_at = at;
  rest_until_ = std::min(rest_until_, at);
}

void SubscriberFsm::on_answer(TimePoint now, const Reply& reply, SubscriberActions& out) {
  if (asked_.empty()) return;
  const Asked asked = std::move(asked_.front());
  asked_.pop_front();
  const auto found = channels_.find(asked.channel);
  // Nobody listens to it any more, or it has been asked for anew.
  if (found == channels_.end() || found->second.asked != asked.number) return;
  Channel& channel = found->second;
  if (channel.state != State::asked) return;
  if (reply.is_error()) return on_refusal(now, asked, channel, reply.error_text(), out);
  set_state(channel, State::subscribed);
  if (!options_.hello) heard_ = true;
  if (heard_) up(channel, out);
  say_hello(now, out);
}

void SubscriberFsm::on_refusal(TimePoint now, const Asked& asked, Channel& channel,
                               const std::string& text, SubscriberActions& out) {
  if (asked.kind == ChannelKind::sharded && is_unknown_command(text)) {
    kind_ = ChannelKind::plain;  // an older server
    return ask(asked.channel, channel, out);
  }
  const ErrorMeaning meaning = classify(text);
  if (meaning.remedy == Remedy::fatal || meaning.remedy == Remedy::refuse) {
    refusal_ = text;
    rest(now + options_.refused_retry, channel, State::refused);
  } else {
    rest(now + options_.retry, channel, State::resting);
  }
}

void SubscriberFsm::on_push(TimePoint now, const Reply& push, SubscriberActions& out) {
  if (!is_well_formed(push)) return;
  const std::string& what = push.at(0).as_string();
  const std::string& name = push.at(1).as_string();
  if (what == "message" || what == "smessage") {
    if (push.at(2).kind() == Reply::Kind::string) deliver(now, name, push.at(2).as_string(), out);
    return;
  }
  const auto found = channels_.find(name);
  if (found == channels_.end() || found->second.state != State::subscribed) return;
  // The slot has gone to another node, say. It may come back.
  down(found->second, out);
  rest(now + options_.retry, found->second, State::resting);
}

void SubscriberFsm::deliver(TimePoint now, const std::string& name, const std::string& payload,
                            SubscriberActions& out) {
  if (payload.starts_with(hello_word)) {
    if (hello_ && hello_->text == payload) heard(now, out);
    return;
  }
  const auto found = channels_.find(name);
  if (found == channels_.end()) return;
  for (const auto& [listener, epoch] : found->second.listeners) {
    out.push_back({.kind = SubscriberAction::Kind::message,
                   .channel = name,
                   .text = payload,
                   .listener = listener});
  }
}

// --- up and down ---

void SubscriberFsm::up(Channel& channel, SubscriberActions& out) {
  for (auto& [listener, epoch] : channel.listeners) {
    if (epoch != 0) continue;
    epoch = ++last_epoch_;
    out.push_back({.kind = SubscriberAction::Kind::up, .number = epoch, .listener = listener});
  }
}

void SubscriberFsm::down(Channel& channel, SubscriberActions& out) {
  for (auto& [listener, epoch] : channel.listeners) {
    if (std::exchange(epoch, 0) == 0) continue;
    out.push_back({.kind = SubscriberAction::Kind::down, .listener = listener});
  }
}

void SubscriberFsm::all_down(SubscriberActions& out) {
  heard_ = false;
  for (auto& [name, channel] : channels_) down(channel, out);
}

// --- the hello ---

void SubscriberFsm::heard(TimePoint now, SubscriberActions& out) {
  hello_.reset();
  may_not_publish_.clear();
  next_hello_ = now + options_.hello_every;
  if (std::exchange(heard_, true)) return;
  for (auto& [name, channel] : channels_) {
    if (channel.state == State::subscribed) up(channel, out);
  }
}

// They take turns: one whose slot is on the move cannot carry it.
SubscriberFsm::Channels::const_iterator SubscriberFsm::next_subscribed() const noexcept {
  const auto is_subscribed = [](const auto& each) {
    return each.second.state == State::subscribed;
  };
  const auto after = channels_.upper_bound(hello_channel_);
  const auto found = std::find_if(after, channels_.end(), is_subscribed);
  return found != channels_.end() ? found : std::find_if(channels_.begin(), after, is_subscribed);
}

void SubscriberFsm::say_hello(TimePoint now, SubscriberActions& out) {
  if (!options_.hello || !usable_ || subscribed_ == 0 || lane_away_) return;
  if (hello_ || now < next_hello_) return;
  const auto place = next_subscribed();
  assert(place != channels_.end() && "one is subscribed");
  hello_channel_ = place->first;
  const std::uint64_t number = ++last_hello_;
  std::string text(hello_word);
  text.append(options_.token).append(":").append(std::to_string(number));
  out.push_back({.kind = SubscriberAction::Kind::hello,
                 .channel = hello_channel_,
                 .text = text,
                 .number = number});
  hello_ = Hello{number, hello_channel_, std::move(text), now};
}

void SubscriberFsm::on_hello_end(TimePoint now, std::uint64_t number, HelloEnd end,
                                 std::string_view error_text, SubscriberActions& out) {
  if (!hello_ || hello_->number != number) return;
  switch (end) {
    case HelloEnd::answered:
      return;
    case HelloEnd::not_now:
      hello_.reset();
      if (error_text.empty()) {
        lane_away_ = true;
      } else {
        next_hello_ = now + options_.retry;
      }
      return;
    case HelloEnd::refused:
      hello_.reset();
      may_not_publish_ = std::string(error_text);
      next_hello_ = now + options_.refused_retry;
      all_down(out);
      return;
  }
}

void SubscriberFsm::on_lane(TimePoint now, SubscriberActions& out) {
  lane_away_ = false;
  if (!options_.hello) return;
  hello_.reset();
  next_hello_ = now;
  all_down(out);
  say_hello(now, out);
}

// --- time ---

TimePoint SubscriberFsm::next_wake() const noexcept {
  if (!usable_) return TimePoint::max();
  TimePoint wake = rest_until_;
  if (hello_) {
    wake = std::min(wake, hello_->sent + options_.hello_within);
  } else if (!options_.hello || (subscribed_ > 0 && !lane_away_)) {
    wake = std::min(wake, next_hello_);
  }
  return wake;
}

void SubscriberFsm::on_timer(TimePoint now, SubscriberActions& out) {
  if (!usable_) return;
  if (now >= rest_until_) {
    rest_until_ = TimePoint::max();
    for (auto& [name, channel] : channels_) {
      if (channel.state != State::resting && channel.state != State::refused) continue;
      if (now >= channel.again_at) {
        ask(name, channel, out);
      } else {
        rest_until_ = std::min(rest_until_, channel.again_at);
      }
    }
  }
  if (hello_ && now >= hello_->sent + options_.hello_within) {
    hello_.reset();
    next_hello_ = now + options_.hello_every;
    out.push_back({.kind = SubscriberAction::Kind::drop,
                   .text = "what was published was not heard on the connection that listens"});
    return;
  }
  if (!options_.hello && now >= next_hello_) {
    next_hello_ = now + options_.hello_every;
    out.push_back({.kind = SubscriberAction::Kind::ping});
  }
  say_hello(now, out);
}

std::string SubscriberFsm::mute() const {
  const bool plain = kind_ == ChannelKind::plain;
  if (refused_ > 0) return (plain ? "SUBSCRIBE refused: " : "SSUBSCRIBE refused: ") + refusal_;
  if (may_not_publish_.empty()) return {};
  return (plain ? "PUBLISH refused: " : "SPUBLISH refused: ") + may_not_publish_;
}

}  // namespace mx_rmq::redis
