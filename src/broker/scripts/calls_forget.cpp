#include "broker/scripts/calls_forget.hpp"

#include <utility>

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

namespace {

// Elements of cancelled messages that a list may begin with; claims and sweeps take more away.
constexpr int kMostEmptied = 1000;

}  // namespace

redis::Command make_forget(const TopicKeys& keys) {
  redis::CommandBuilder out;
  redis::CommandBuilder::begin_evalsha(out, lua::forget, 12);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.delayed).add(keys.dlq).add(keys.consumers).add(keys.wake);
  out.add(keys.delayed_data).add(keys.dlq_data).add(keys.ids).add(keys.stats);
  out.add(kMostEmptied);
  return out.build();
}

ForgetResult read_forget(redis::Reply&& reply) {
  Fields fields(lua::forget.name, std::move(reply));
  ForgetResult out;
  out.now = fields.count();
  const std::string state = fields.text();
  if (state == "gone") {
    out.state = ForgetResult::State::gone;
  } else if (state == "lapsed") {
    out.state = ForgetResult::State::lapsed;
    out.consumer = fields.text();
  } else if (state != "used") {
    fields.fail("'gone', 'used' or 'lapsed'");
  }
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
