#include "broker/scripts/calls_look.hpp"

#include <array>

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

void add_wanted(ScriptCommand& out, const Wanted& wanted) {
  static constexpr std::array<std::string_view, 5> names{"", "id", "payload", "headers", "error"};
  out.args(wanted.payload_bytes, names.at(static_cast<std::size_t>(wanted.what)),
           wanted.texts.size());
  for (const std::string& text : wanted.texts) out.args(text);
}

void add_bounds(ScriptCommand& out, const LookBounds& bounds) {
  out.args(bounds.skip, bounds.most, bounds.bytes, bounds.room);
}

}  // namespace

redis::Command LookList::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.ready(args.list));
  out.args(args.from_tail);
  add_bounds(out, args.bounds);
  add_wanted(out, *args.wanted);
  return out.build();
}

LookList::Reply LookList::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.length = fields.count();
  out.seen = fields.count();
  out.found.reserve(fields.left() / 3);
  while (fields.left() > 0) {
    Looked& each = out.found.emplace_back();
    each.place = fields.count();
    each.size = static_cast<std::size_t>(fields.count());
    each.envelope = fields.text();
  }
  return out;
}

redis::Command LookIndex::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  if (args.dead) {
    out.keys(keys.dlq, keys.dlq_data);
  } else {
    out.keys(keys.delayed, keys.delayed_data);
  }
  out.args(args.latest_first);
  add_bounds(out, args.bounds);
  out.args(args.dead);
  add_wanted(out, *args.wanted);
  return out.build();
}

LookIndex::Reply LookIndex::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.count = fields.count();
  out.seen = fields.count();
  out.found.reserve(fields.left() / 5);
  while (fields.left() > 0) {
    Looked& each = out.found.emplace_back();
    each.member = fields.text();
    each.score = fields.score();
    each.size = static_cast<std::size_t>(fields.count());
    each.line = fields.text();
    each.envelope = fields.text();
  }
  return out;
}

redis::Command LookHeld::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.processing(args.consumer), keys.consumers);
  out.args(args.consumer, args.bytes, args.room);
  add_wanted(out, *args.wanted);
  for (const std::string& tag : args.tags) out.args(tag);
  return out.build();
}

LookHeld::Reply LookHeld::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  if (!fields.skip("")) out.lease_until = fields.score();
  out.seen = fields.count();
  out.found.reserve(fields.left() / 3);
  while (fields.left() > 0) {
    Looked& each = out.found.emplace_back();
    each.member = fields.text();
    each.size = static_cast<std::size_t>(fields.count());
    each.envelope = fields.text();
  }
  return out;
}

}  // namespace mx_rmq::broker
