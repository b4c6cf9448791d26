#include "broker/scripts/calls_tend.hpp"

#include <charconv>
#include <system_error>

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command Tend::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script, 13 + args.tags.size());
  out.keys(keys.processing(args.consumer), keys.consumers, keys.ready(), keys.idle);
  out.args(args.consumer, args.lease, args.last_claim, args.most, args.bytes);
  for (const Tag& tag : args.tags) out.args(tag);
  out.args(channels);
  return out.build();
}

Tend::Reply Tend::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.lost = fields.lost();
  if (out.lost) return out;
  out.more = fields.flag();
  out.missing.reserve(fields.left());
  while (fields.left() > 0) {
    const std::optional<Tag> tag = Tag::parse(fields.text());
    if (!tag) fields.fail("a tag");
    out.missing.push_back(*tag);
  }
  return out;
}

redis::Command Leave::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.processing(args.consumer), keys.consumers, keys.idle, keys.stats,
           keys.ready(List::high), keys.ready(List::normal), keys.ready(List::low), keys.delayed);
  out.args(args.consumer, args.alarm, channels);
  return out.build();
}

Leave::Reply Leave::decode(redis::Reply&& reply) { return single_number(script, reply); }

redis::Command Unlist::encode(const TopicKeys& keys, const Args& args,
                              redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.ready(List::high), keys.ready(List::normal), keys.ready(List::low), keys.delayed,
           keys.idle);
  out.args(args.consumer, channels);
  return out.build();
}

Unlist::Reply Unlist::decode(redis::Reply&& reply) { return single_number(script, reply) != 0; }

redis::Command Pass::encode(const TopicKeys& keys, const Args& args, redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.idle);
  out.args(args.consumer, args.hops, channels);
  return out.build();
}

Pass::Reply Pass::decode(redis::Reply&& reply) { return single_number(script, reply); }

std::optional<int> read_wake_up(std::string_view payload) {
  if (!payload.starts_with('w')) return std::nullopt;
  payload.remove_prefix(1);
  int hops = 0;
  const char* const end = payload.data() + payload.size();
  const auto [stop, error] = std::from_chars(payload.data(), end, hops);
  if (error != std::errc() || stop != end || hops < 0) return std::nullopt;
  return hops;
}

}  // namespace mx_rmq::broker
