#include "broker/scripts/calls_dead_letters.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command DlqList::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.dlq, keys.dlq_data);
  out.args(args.offset, args.most, args.bytes);
  return out.build();
}

DlqList::Reply DlqList::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.seen = fields.count();
  out.letters.reserve(fields.left() / 3);
  while (fields.left() > 0) {
    StoredDeadLetter& letter = out.letters.emplace_back();
    letter.member = fields.text();
    letter.dead_at = fields.score();
    letter.value = fields.text();
  }
  return out;
}

redis::Command DlqGet::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.dlq, keys.dlq_data);
  out.args(args.member);
  return out.build();
}

DlqGet::Reply DlqGet::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  if (fields.left() == 0) return std::nullopt;
  StoredDeadLetter letter;
  letter.dead_at = fields.score();
  letter.value = fields.text();
  fields.end();
  return letter;
}

redis::Command DlqRemove::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.dlq, keys.dlq_data, keys.ids, keys.stats);
  for (const std::string_view member : args.members) out.args(member);
  return out.build();
}

DlqRemove::Reply DlqRemove::decode(redis::Reply&& reply) { return single_number(script, reply); }

redis::Command DlqPurge::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.dlq, keys.dlq_data, keys.ids, keys.stats);
  out.args(args.before, args.most, args.bytes);
  return out.build();
}

DlqPurge::Reply DlqPurge::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.done = fields.count();
  out.more = fields.flag();
  fields.end();
  return out;
}

namespace {

void name_requeue_keys(ScriptCommand& out, const TopicKeys& keys) {
  out.keys(keys.dlq, keys.dlq_data, keys.ready(List::high), keys.ready(List::normal),
           keys.ready(List::low), keys.idle, keys.stats, keys.ids);
}

}  // namespace

redis::Command RequeueAll::encode(const TopicKeys& keys, const Args& args,
                                  redis::ChannelKind channels) {
  ScriptCommand out(script);
  name_requeue_keys(out, keys);
  out.args(args.before, args.pass, args.most, args.bytes, channels);
  return out.build();
}

RequeueAll::Reply RequeueAll::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.done = fields.count();
  out.passed = fields.count();
  out.more = fields.flag();
  fields.end();
  return out;
}

redis::Command Requeue::encode(const TopicKeys& keys, const Args& args,
                               redis::ChannelKind channels) {
  ScriptCommand out(script);
  name_requeue_keys(out, keys);
  out.args(args.member, channels);
  return out.build();
}

Requeue::Reply Requeue::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.state = fields.word<State>({"ok", "none", "unreadable"});
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
