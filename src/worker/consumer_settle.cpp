#include <algorithm>
#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "worker/consumer.hpp"

// A consumer's settlements: what Settler groups is sent here, until it is answered.
namespace mx_rmq::worker {

using broker::Tag;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;
namespace log = runtime::log;

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
      lose(lease_.lost(incarnation));
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

}  // namespace mx_rmq::worker
