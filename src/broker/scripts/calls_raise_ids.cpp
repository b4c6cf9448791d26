#include "broker/scripts/calls_raise_ids.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command RaiseIds::encode(const TopicKeys& keys, const Args& args,
                                redis::ChannelKind channels) {
  ScriptCommand out(script);
  if (args.unused) {
    out.keys(keys.settings, keys.idle, keys.ready(), keys.delayed, keys.dlq, keys.consumers,
             keys.ids);
  } else {
    out.keys(keys.settings, keys.idle);
  }
  out.args(args.version, args.ids_active, args.active, channels);
  return out.build();
}

RaiseIds::Reply RaiseIds::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.state = fields.word<State>({"done", "used", "other"});
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
