#include "broker/scripts/calls_claim.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

redis::Command make_claim(const TopicKeys& keys, const ClaimArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::claim, 10);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.delayed).add(keys.delayed_data).add_copy(keys.processing(args.consumer));
  out.add(keys.consumers).add(keys.wake).add(keys.stats);
  out.add(args.most).add(args.consumer).add(args.lease.count()).add(args.promote).add(args.number);
  out.add(args.fresh ? 1 : 0).add(args.bytes).add(args.slice).add(args.own_alarm);
  return out.build();
}

ClaimResult read_claim(redis::Reply&& reply) {
  Fields fields(lua::claim.name, std::move(reply));
  ClaimResult out;
  out.now = fields.count();
  const std::string state = fields.text();
  if (state == "lost") {
    fields.end();
    out.lost = true;
    return out;
  }
  if (state != "ok") fields.fail("'ok' or 'lost'");
  out.alarm = fields.number();
  out.lapsed = fields.text();
  out.suspects = fields.flag();
  out.more = fields.flag();
  out.envelopes = fields.rest();
  return out;
}

redis::Command make_suspect(const TopicKeys& keys, const SuspectArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::suspect, 3);
  out.add(keys.ready(List::suspect)).add_copy(keys.processing(args.consumer)).add(keys.consumers);
  out.add(args.consumer).add(args.lease.count()).add(args.number).add(args.fresh ? 1 : 0);
  return out.build();
}

SuspectResult read_suspect(redis::Reply&& reply) {
  Fields fields(lua::suspect.name, std::move(reply));
  SuspectResult out;
  out.now = fields.count();
  const std::string state = fields.text();
  if (state == "lost") {
    fields.end();
    out.lost = true;
    return out;
  }
  if (state != "ok") fields.fail("'ok' or 'lost'");
  out.more = fields.flag();
  if (fields.left() > 0) out.envelopes.push_back(fields.text());
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
