#include "broker/scripts/calls_cancel.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command Cancel::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.delayed, keys.delayed_data, keys.ids, keys.stats);
  out.args(args.id);
  return out.build();
}

Cancel::Reply Cancel::decode(redis::Reply&& reply) { return single_number(script, reply) != 0; }

redis::Command CancelPage::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.ready(args.list), keys.ids, keys.stats, keys.idle);
  out.args(args.id, args.skip, args.most, args.bytes);
  return out.build();
}

CancelPage::Reply CancelPage::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.found = fields.flag();
  out.seen = fields.count();
  out.end = fields.flag();
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
