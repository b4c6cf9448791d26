#include "broker/scripts/calls_settle.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

namespace {

// Reads `now, 'ok'`, or `now, 'lost'` to its end.
bool read_lost(Fields& fields) {
  fields.count();
  const std::string state = fields.text();
  if (state == "lost") {
    fields.end();
    return true;
  }
  if (state != "ok") fields.fail("'ok' or 'lost'");
  return false;
}

SettleResult read_counted(std::string_view script, redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  SettleResult out;
  out.lost = read_lost(fields);
  if (out.lost) return out;
  out.count = fields.count();
  fields.end();
  return out;
}

}  // namespace

redis::Command make_ack(const TopicKeys& keys, const AckArgs& args) {
  CommandBuilder out;
  out.reserve(10 + 3 * args.chosen.size() + args.tags.size());
  CommandBuilder::begin_evalsha(out, lua::ack, args.chosen.empty() ? 3 : 4);
  out.add_copy(keys.processing(args.consumer)).add(keys.consumers).add(keys.stats);
  if (!args.chosen.empty()) out.add(keys.ids);
  out.add(args.consumer);
  out.add(args.kind == AckKind::completed ? "completed" : "discarded");
  out.add(args.kind == AckKind::expired_discarded ? "expired" : "");
  out.add(args.chosen.size());
  for (const ChosenTag& each : args.chosen) {
    out.add_copy(each.tag.text()).add(each.id).add(each.until);
  }
  for (const Tag& tag : args.tags) out.add_copy(tag.text());
  return out.build();
}

SettleResult read_ack(redis::Reply&& reply) {
  const std::int64_t number = single_number(lua::ack.name, reply);
  SettleResult out;
  out.lost = number < 0;
  out.count = out.lost ? 0 : number;
  return out;
}

redis::Command make_retry(const TopicKeys& keys, const RetryArgs& args) {
  CommandBuilder out;
  out.reserve(10 + 5 * args.items.size());
  CommandBuilder::begin_evalsha(out, lua::retry, 6);
  out.add_copy(keys.processing(args.consumer)).add(keys.consumers).add(keys.stats);
  out.add(keys.delayed).add(keys.delayed_data).add(keys.wake);
  out.add(args.consumer);
  for (const RetryItem& item : args.items) {
    out.add_copy(item.tag.text()).add(item.delay.count()).add(item.id);
    out.add(item.head_size).add(item.new_head);
  }
  return out.build();
}

SettleResult read_retry(redis::Reply&& reply) {
  return read_counted(lua::retry.name, std::move(reply));
}

std::string undecodable_member(std::string_view consumer, Tag tag) {
  std::string out = "!";
  return out.append(consumer).append(1, '.').append(tag.text());
}

redis::Command make_dead(const TopicKeys& keys, const DeadArgs& args) {
  CommandBuilder out;
  out.reserve(11 + 3 * args.items.size());
  CommandBuilder::begin_evalsha(out, lua::dead, 6);
  out.add_copy(keys.processing(args.consumer)).add(keys.consumers).add(keys.stats);
  out.add(keys.dlq).add(keys.dlq_data).add(keys.ids);
  out.add(args.consumer).add(args.cap);
  for (const DeadItem& item : args.items) {
    out.add_copy(item.tag.text()).add(item.member).add(item.line);
  }
  return out.build();
}

DeadResult read_dead(redis::Reply&& reply) {
  Fields fields(lua::dead.name, std::move(reply));
  DeadResult out;
  out.lost = read_lost(fields);
  if (out.lost) return out;
  out.total = fields.count();
  out.dropped = fields.rest();
  return out;
}

redis::Command make_release(const TopicKeys& keys, const ReleaseArgs& args) {
  CommandBuilder out;
  out.reserve(12 + 3 * args.items.size());
  CommandBuilder::begin_evalsha(out, lua::release, 8);
  out.add_copy(keys.processing(args.consumer)).add(keys.consumers).add(keys.stats);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.wake);
  out.add(args.consumer);
  for (const ReleaseItem& item : args.items) {
    out.add_copy(item.tag.text()).add(item.head_size).add(item.new_head);
  }
  return out.build();
}

SettleResult read_release(redis::Reply&& reply) {
  return read_counted(lua::release.name, std::move(reply));
}

}  // namespace mx_rmq::broker
