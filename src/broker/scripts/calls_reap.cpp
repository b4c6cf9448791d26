#include "broker/scripts/calls_reap.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command Reap::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script, 17);
  out.keys(keys.processing(args.victim), keys.consumers, keys.ready(), keys.idle, keys.stats,
           keys.dlq, keys.dlq_data, keys.ids);
  out.args(args.victim, args.most, args.bytes, args.longest_lease, args.dead_cap, channels);
  return out.build();
}

Reap::Reply Reap::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.state = fields.word<State>({"ok", "gone", "alive"});
  if (out.state != State::taken) {
    fields.end();
    return out;
  }
  out.left = fields.count();
  out.recovered = fields.count();
  out.dead = fields.count();
  out.dropped = fields.rest();
  return out;
}

redis::Command Sweep::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script, 20);
  out.keys(keys.ready(), keys.delayed, keys.consumers, keys.idle, keys.stats, keys.dlq,
           keys.dlq_data, keys.ids, keys.settings);
  out.args(args.consumer, args.number, args.most, args.bytes);
  out.args(args.drop ? "drop" : "dead", args.longest_lease, args.dead_cap, channels);
  return out.build();
}

Sweep::Reply Sweep::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  fields.word({"ok"});
  out.taken = fields.count();
  out.more = fields.flag();
  out.lapsed = fields.text();
  out.suspects = fields.flag();
  out.waits = fields.flag();
  out.listed = fields.flag();
  if (fields.number_follows()) out.settings = fields.number();
  out.dropped = fields.rest();
  return out;
}

}  // namespace mx_rmq::broker
