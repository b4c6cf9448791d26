#include "broker/scripts/calls_snapshot.hpp"

#include "broker/data/snapshot_line.hpp"
#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

redis::Command Snapshot::encode(const TopicKeys& keys, const Args& /*args*/) {
  ScriptCommand out(script);
  out.keys(keys.ready(), keys.delayed, keys.dlq, keys.consumers, keys.stats, keys.history_1m,
           keys.history_10m);
  out.args(history_entries_1m, history_entries_10m);
  return out.build();
}

Snapshot::Reply Snapshot::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.written = fields.count();
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
