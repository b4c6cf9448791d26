#include "broker/scripts/calls_tend.hpp"

#include <cassert>

#include "broker/scripts/fields.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::broker {

redis::Command Tend::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script, 12 + args.tags.size());
  out.keys(keys.processing(args.consumer), keys.consumers, keys.ready(), keys.wake);
  out.args(args.consumer, args.lease, args.last_claim, args.most, args.bytes);
  for (const Tag& tag : args.tags) out.args(tag);
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

redis::Command Leave::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.processing(args.consumer), keys.consumers, keys.wake, keys.stats);
  out.args(args.consumer, args.alarm, args.marker);
  return out.build();
}

Leave::Reply Leave::decode(redis::Reply&& reply) { return single_number(script, reply); }

redis::Command Arm::encode(const TopicKeys& keys, const Args& /*args*/) {
  ScriptCommand out(script);
  out.keys(keys.wake);
  return out.build();
}

Arm::Reply Arm::decode(redis::Reply&& reply) {
  if (single_number(script, reply) != 1) {
    throw redis::ProtocolError("reply of script arm: wanted 1");
  }
  return {};
}

redis::Command make_wait(std::span<const TopicKeys* const> topics, std::chrono::seconds timeout) {
  assert(!topics.empty() && "nobody waits for no topic");
  redis::CommandBuilder out("BZPOPMIN");
  for (const TopicKeys* keys : topics) out.add(keys->wake);
  out.add(timeout.count());
  return out.build();
}

std::optional<std::string> read_wait(redis::Reply&& reply) {
  if (reply.is_nil()) return std::nullopt;
  if (reply.is_error()) {
    const std::string& text = reply.error_text();
    throw ServerError(std::string(redis::classify(text).code),
                      "Redis refused BZPOPMIN: " + text + std::string(redis::explained(text)));
  }
  Fields fields("BZPOPMIN", std::move(reply));
  std::string key = fields.text();
  fields.text();  // the marker
  fields.text();  // its score
  fields.end();
  return key;
}

}  // namespace mx_rmq::broker
