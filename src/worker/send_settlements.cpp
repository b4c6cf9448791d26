#include "worker/send_settlements.hpp"

#include <utility>

namespace mx_rmq::worker {
namespace {

using Group = std::vector<Settlement>;

Task<broker::SettleResult> send_acks(const SettlementSender& sender, const Group& group) {
  std::vector<broker::Tag> plain;
  std::vector<broker::ChosenTag> chosen;
  plain.reserve(group.size());
  for (const auto& each : group) {
    const auto& view = each.delivery->view;
    if (view && view->chosen_id()) {
      chosen.push_back(broker::ChosenTag{each.delivery->tag, view->id, view->id_until});
    } else {
      plain.push_back(each.delivery->tag);
    }
  }
  broker::Ack::Args args;
  args.consumer = sender.consumer;
  args.kind = group.front().ack;
  args.tags = plain;
  args.chosen = chosen;
  return sender.broker.call<broker::Ack>(args, sender.deadline, broker::Resend::never,
                                         sender.epoch);
}

Task<broker::SettleResult> send_retries(const SettlementSender& sender, const Group& group) {
  std::vector<broker::Retry::Item> items;
  for (const auto& each : group) {
    const auto& view = *each.delivery->view;
    items.push_back(
        broker::Retry::Item{each.delivery->tag, each.delay, view.id, view.head_size, each.text});
  }
  broker::Retry::Args args;
  args.consumer = sender.consumer;
  args.items = items;
  return sender.broker.call<broker::Retry>(args, sender.deadline, broker::Resend::never,
                                           sender.epoch);
}

Task<broker::SettleResult> send_releases(const SettlementSender& sender, const Group& group) {
  std::vector<broker::Release::Item> items;
  for (const auto& each : group) {
    const auto& view = each.delivery->view;
    items.push_back(
        broker::Release::Item{each.delivery->tag, view ? view->head_size : 0, each.text});
  }
  broker::Release::Args args;
  args.consumer = sender.consumer;
  args.items = items;
  return sender.broker.call<broker::Release>(args, sender.deadline, broker::Resend::never,
                                             sender.epoch);
}

Task<broker::Dead::Reply> send_dead(const SettlementSender& sender, const Group& group) {
  std::vector<broker::Dead::Item> items;
  for (const auto& each : group) {
    const std::string_view member =
        each.member.empty() ? each.delivery->view->id : std::string_view(each.member);
    items.push_back(broker::Dead::Item{each.delivery->tag, member, each.text});
  }
  broker::Dead::Args args;
  args.consumer = sender.consumer;
  args.cap = sender.dead_cap;
  args.items = items;
  return sender.broker.call<broker::Dead>(args, sender.deadline, broker::Resend::never,
                                          sender.epoch);
}

Task<broker::SettleResult> send_simple(const SettlementSender& sender, const Group& group) {
  switch (group.front().ending) {
    case Ending::ack:
      return send_acks(sender, group);
    case Ending::retry:
      return send_retries(sender, group);
    case Ending::release:
    case Ending::dead:
      break;
  }
  return send_releases(sender, group);
}

}  // namespace

Task<Settled> send_settlements(SettlementSender sender, const std::vector<Settlement>& group) {
  Settled out;
  if (group.front().ending == Ending::dead) {
    broker::Dead::Reply dead = co_await send_dead(sender, group);
    out.lost = dead.lost;
    if (!dead.lost) out.dead_letters = dead.total;
    out.dropped = std::move(dead.dropped);
    co_return out;
  }
  const broker::SettleResult result = co_await send_simple(sender, group);
  out.lost = result.lost;
  co_return out;
}

}  // namespace mx_rmq::worker
