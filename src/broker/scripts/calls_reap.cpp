#include "broker/scripts/calls_reap.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

redis::Command make_reap(const TopicKeys& keys, const ReapArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::reap, 11);
  out.add_copy(keys.processing(args.victim)).add(keys.consumers);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.wake).add(keys.stats).add(keys.dlq).add(keys.dlq_data).add(keys.ids);
  out.add(args.victim).add(args.most).add(args.bytes).add(args.longest_lease.count());
  out.add(args.dead_cap);
  return out.build();
}

ReapResult read_reap(redis::Reply&& reply) {
  Fields fields(lua::reap.name, std::move(reply));
  ReapResult out;
  out.now = fields.count();
  const std::string state = fields.text();
  if (state == "gone" || state == "alive") {
    fields.end();
    out.state = state == "gone" ? ReapState::gone : ReapState::alive;
    return out;
  }
  if (state != "ok") fields.fail("'ok', 'gone' or 'alive'");
  out.state = ReapState::taken;
  out.left = fields.count();
  out.recovered = fields.count();
  out.dead = fields.count();
  out.dropped = fields.rest();
  return out;
}

redis::Command make_sweep(const TopicKeys& keys, const SweepArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::sweep, 11);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.delayed).add(keys.consumers).add(keys.wake).add(keys.stats);
  out.add(keys.dlq).add(keys.dlq_data).add(keys.ids);
  out.add(args.consumer).add(args.number).add(args.most).add(args.bytes);
  out.add(args.drop ? "drop" : "dead").add(args.longest_lease.count()).add(args.dead_cap);
  return out.build();
}

SweepResult read_sweep(redis::Reply&& reply) {
  Fields fields(lua::sweep.name, std::move(reply));
  SweepResult out;
  out.now = fields.count();
  if (fields.text() != "ok") fields.fail("'ok'");
  out.taken = fields.count();
  out.more = fields.flag();
  out.lapsed = fields.text();
  out.suspects = fields.flag();
  out.dropped = fields.rest();
  return out;
}

}  // namespace mx_rmq::broker
