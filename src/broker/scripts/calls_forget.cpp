#include "broker/scripts/calls_forget.hpp"

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

// Elements of cancelled messages that a list may begin with; claims and sweeps take more away.
constexpr int most_emptied = 1000;

}  // namespace

redis::Command Forget::encode(const TopicKeys& keys, const Args& /*args*/,
                              redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.ready(), keys.delayed, keys.dlq, keys.consumers, keys.idle, keys.delayed_data,
           keys.dlq_data, keys.ids, keys.history_1m, keys.history_10m, keys.stats);
  out.args(most_emptied, channels);
  return out.build();
}

Forget::Reply Forget::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.state = fields.word<State>({"gone", "used", "lapsed"});
  if (out.state == State::lapsed) out.consumer = fields.text();
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
