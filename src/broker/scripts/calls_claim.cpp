#include "broker/scripts/calls_claim.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command Claim::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script, 23);
  out.keys(keys.ready(), keys.delayed, keys.delayed_data, keys.processing(args.consumer),
           keys.consumers, keys.idle, keys.stats, keys.settings);
  out.args(args.most, args.consumer, args.lease, args.promote, args.number, args.fresh, args.bytes,
           args.slice, args.own_alarm, args.list, args.listed, channels);
  return out.build();
}

Claim::Reply Claim::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.lost = fields.lost();
  if (out.lost) return out;
  out.alarm = fields.number();
  out.lapsed = fields.text();
  out.suspects = fields.flag();
  out.more = fields.flag();
  out.listed = fields.flag();
  if (fields.number_follows()) out.settings = fields.number();
  out.envelopes = fields.rest();
  return out;
}

redis::Command Suspect::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.ready(List::suspect), keys.processing(args.consumer), keys.consumers,
           keys.settings);
  out.args(args.consumer, args.lease, args.number, args.fresh);
  return out.build();
}

Suspect::Reply Suspect::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.lost = fields.lost();
  if (out.lost) return out;
  out.more = fields.flag();
  if (fields.number_follows()) out.settings = fields.number();
  if (fields.left() > 0) out.envelopes.push_back(fields.text());
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
