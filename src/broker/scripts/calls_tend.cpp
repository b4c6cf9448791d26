#include "broker/scripts/calls_tend.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

redis::Command make_tend(const TopicKeys& keys, const TendArgs& args) {
  CommandBuilder out;
  out.reserve(15 + args.tags.size());
  CommandBuilder::begin_evalsha(out, lua::tend, 7);
  out.add_copy(keys.processing(args.consumer)).add(keys.consumers);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.wake);
  out.add(args.consumer)
      .add(args.lease.count())
      .add(args.last_claim)
      .add(args.most)
      .add(args.bytes);
  for (const Tag& tag : args.tags) out.add_copy(tag.text());
  return out.build();
}

TendResult read_tend(redis::Reply&& reply) {
  Fields fields(lua::tend.name, std::move(reply));
  TendResult out;
  out.now = fields.count();
  const std::string state = fields.text();
  if (state == "lost") {
    fields.end();
    out.lost = true;
    return out;
  }
  if (state != "ok") fields.fail("'ok' or 'lost'");
  out.more = fields.flag();
  out.missing.reserve(fields.left());
  while (fields.left() > 0) {
    const std::optional<Tag> tag = Tag::parse(fields.text());
    if (!tag) fields.fail("a tag");
    out.missing.push_back(*tag);
  }
  return out;
}

redis::Command make_leave(const TopicKeys& keys, const LeaveArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::leave, 4);
  out.add_copy(keys.processing(args.consumer)).add(keys.consumers).add(keys.wake).add(keys.stats);
  out.add(args.consumer).add(args.alarm).add(args.marker ? 1 : 0);
  return out.build();
}

std::int64_t read_leave(redis::Reply&& reply) { return single_number(lua::leave.name, reply); }

redis::Command make_arm(const TopicKeys& keys) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::arm, 1);
  out.add(keys.wake);
  return out.build();
}

void read_arm(redis::Reply&& reply) {
  if (single_number(lua::arm.name, reply) != 1) {
    throw redis::ProtocolError("reply of script arm: wanted 1");
  }
}

redis::Command make_wait(std::span<const TopicKeys* const> topics, std::chrono::seconds timeout) {
  CommandBuilder out("BZPOPMIN");
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
