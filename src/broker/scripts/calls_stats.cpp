#include "broker/scripts/calls_stats.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

std::int64_t Stats::Reply::counter(std::string_view name) const {
  const auto at = counters.find(name);
  return at == counters.end() ? 0 : at->second;
}

redis::Command Stats::encode(const TopicKeys& keys, const Args& args) {
  ScriptCommand out(script);
  out.keys(keys.ready(), keys.delayed, keys.consumers, keys.dlq, keys.stats);
  out.args(args.most_consumers);
  return out.build();
}

Stats::Reply Stats::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  for (std::int64_t& length : out.ready) length = fields.count();
  out.delayed = fields.count();
  out.dead = fields.count();
  out.consumers = fields.count();
  out.lapsed = fields.count();
  for (std::int64_t& since : out.first_due) since = fields.number();
  out.next_due = fields.number();
  for (std::int64_t left = fields.count(); left > 0; --left) {
    std::string name = fields.text();
    const auto value = fields.stored_number();
    if (!value) continue;
    if (name == "alarm") {
      out.alarm = *value;
    } else {
      out.counters.emplace(std::move(name), *value);
    }
  }
  while (fields.left() > 0) {
    ConsumerLease& lease = out.leases.emplace_back();
    lease.consumer = fields.text();
    lease.until = fields.score();
  }
  return out;
}

}  // namespace mx_rmq::broker
