#include "broker/scripts/calls_settle.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

SettleResult decode_count(const lua::Script& script, redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  SettleResult out;
  fields.count();  // now
  out.lost = fields.lost();
  if (out.lost) return out;
  out.count = fields.count();
  fields.end();
  return out;
}

}  // namespace

redis::Command Ack::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script, 8 + 3 * args.chosen.size() + args.tags.size());
  std::string processing = keys.processing(args.consumer);
  if (args.chosen.empty()) {
    out.keys(std::move(processing), keys.consumers, keys.stats);
  } else {
    out.keys(std::move(processing), keys.consumers, keys.stats, keys.ids);
  }
  out.args(args.consumer, args.kind == AckKind::completed ? "completed" : "discarded",
           args.kind == AckKind::expired_discarded ? "expired" : "", args.chosen.size());
  for (const ChosenTag& each : args.chosen) out.args(each.tag, each.id, each.id_until);
  for (const Tag& tag : args.tags) out.args(tag);
  return out.build();
}

Ack::Reply Ack::decode(redis::Reply&& reply) {
  const std::int64_t number = single_number(script, reply);
  Reply out;
  out.lost = number < 0;
  out.count = out.lost ? 0 : number;
  return out;
}

redis::Command Retry::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script, 8 + 5 * args.items.size());
  out.keys(keys.processing(args.consumer), keys.consumers, keys.stats, keys.delayed,
           keys.delayed_data, keys.idle);
  out.args(args.consumer);
  for (const Item& item : args.items)
    out.args(item.tag, item.delay, item.id, item.head_size, item.new_head);
  out.args(channels);
  return out.build();
}

Retry::Reply Retry::decode(redis::Reply&& reply) { return decode_count(script, std::move(reply)); }

std::string undecodable_member(std::string_view consumer, Tag tag) {
  std::string out = "!";
  return out.append(consumer).append(1, '.').append(tag.text());
}

redis::Command Dead::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script, 8 + 3 * args.items.size());
  out.keys(keys.processing(args.consumer), keys.consumers, keys.stats, keys.dlq, keys.dlq_data,
           keys.ids);
  out.args(args.consumer, args.cap);
  for (const Item& item : args.items) out.args(item.tag, item.member, item.line);
  return out.build();
}

Dead::Reply Dead::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  fields.count();  // now
  out.lost = fields.lost();
  if (out.lost) return out;
  out.total = fields.count();
  out.dropped = fields.rest();
  return out;
}

redis::Command Release::encode(const TopicKeys& keys, const Args& args,
                               redis::ChannelKind channels) {
  ScriptCommand out(script, 10 + 3 * args.items.size());
  out.keys(keys.processing(args.consumer), keys.consumers, keys.stats, keys.ready(), keys.idle);
  out.args(args.consumer);
  for (const Item& item : args.items) out.args(item.tag, item.head_size, item.new_head);
  out.args(channels);
  return out.build();
}

Release::Reply Release::decode(redis::Reply&& reply) {
  return decode_count(script, std::move(reply));
}

}  // namespace mx_rmq::broker
