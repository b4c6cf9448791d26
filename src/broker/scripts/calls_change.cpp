#include "broker/scripts/calls_change.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

std::string_view letter_of(MessagePriority priority) {
  if (priority == MessagePriority::high) return "h";
  return priority == MessagePriority::low ? "l" : "n";
}

template <class S>
typename S::Reply now_and_done(redis::Reply&& reply) {
  Fields fields(S::script, std::move(reply));
  typename S::Reply out;
  out.now = fields.count();
  out.done = fields.word({"none", "ok"}) == 1;
  fields.end();
  return out;
}

void add_step(ScriptCommand& out, const PurgeStep& step) {
  out.args(step.by, step.skip, step.most, step.bytes);
}

}  // namespace

redis::Command Promote::encode(const TopicKeys& keys, const Args& args,
                               redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.delayed, keys.delayed_data, keys.ready(), keys.idle);
  for (const std::string& id : args.ids) out.args(id);
  out.args(channels);
  return out.build();
}

Promote::Reply Promote::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  while (fields.left() > 0) out.done.push_back(fields.flag());
  return out;
}

redis::Command Reschedule::encode(const TopicKeys& keys, const Args& args,
                                  redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.delayed, keys.delayed_data, keys.ids, keys.idle);
  out.args(args.id, args.due ? std::to_string(*args.due) : std::string(),
           args.priority ? letter_of(*args.priority) : std::string_view(), channels);
  return out.build();
}

Reschedule::Reply Reschedule::decode(redis::Reply&& reply) {
  return now_and_done<Reschedule>(std::move(reply));
}

redis::Command Displace::encode(const TopicKeys& keys, const Args& args,
                                redis::ChannelKind channels) {
  ScriptCommand out(script);
  if (args.due) {
    out.keys(keys.ready(args.list), keys.idle, keys.delayed, keys.delayed_data, keys.ids);
  } else {
    // A suspect stays one, whatever its priority.
    const List to = args.list == List::suspect ? List::suspect : list_of(args.priority);
    out.keys(keys.ready(args.list), keys.idle, keys.ready(to));
  }
  out.args(args.id, args.skip, args.most, args.bytes,
           args.due ? std::to_string(*args.due) : std::string(letter_of(args.priority)), channels);
  return out.build();
}

Displace::Reply Displace::decode(redis::Reply&& reply) {
  return now_and_done<Displace>(std::move(reply));
}

redis::Command PurgeList::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.ready(args.list), keys.ids, keys.stats, keys.idle);
  add_step(out, args.step);
  return out.build();
}

PurgeList::Reply PurgeList::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.gone = fields.count();
  out.left = fields.count();
  out.more = !fields.flag();
  fields.end();
  return out;
}

redis::Command PurgeDelayed::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.delayed, keys.delayed_data, keys.ids, keys.stats);
  add_step(out, args);
  return out.build();
}

PurgeDelayed::Reply PurgeDelayed::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.gone = fields.count();
  out.left = fields.count();
  out.more = fields.flag();
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
