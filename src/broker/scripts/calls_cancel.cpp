#include "broker/scripts/calls_cancel.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

redis::Command make_cancel(const TopicKeys& keys, std::string_view id) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::cancel, 4);
  out.add(keys.delayed).add(keys.delayed_data).add(keys.ids).add(keys.stats);
  out.add(id);
  return out.build();
}

bool read_cancel(redis::Reply&& reply) { return single_number(lua::cancel.name, reply) != 0; }

redis::Command make_cancel_page(const TopicKeys& keys, const CancelPageArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::cancel_page, 4);
  out.add(keys.ready(args.list)).add(keys.ids).add(keys.stats).add(keys.wake);
  out.add(args.id).add(args.skip).add(args.most).add(args.bytes);
  return out.build();
}

CancelPageResult read_cancel_page(redis::Reply&& reply) {
  Fields fields(lua::cancel_page.name, std::move(reply));
  CancelPageResult out;
  out.found = fields.flag();
  out.seen = fields.count();
  out.end = fields.flag();
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
