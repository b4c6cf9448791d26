#include "broker/scripts/calls_produce.hpp"

#include <array>

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

namespace {

constexpr std::size_t levels = 3;

constexpr std::size_t slot(Level level) {
  return level == Level::high ? 0 : level == Level::normal ? 1 : 2;
}

}  // namespace

ProduceCommand make_produce(const TopicKeys& keys, const ProduceArgs& args) {
  bool one_by_one = false;  // an immediate message with a chosen id
  bool delayed = false;
  bool chosen = false;
  std::array<std::size_t, levels> immediate{};
  for (const ProduceItem& item : args.items) {
    chosen = chosen || item.until != 0;
    if (item.due != 0) {
      delayed = true;
    } else {
      ++immediate[slot(item.level)];
      one_by_one = one_by_one || item.until != 0;
    }
  }
  std::array<int, levels> place{};  // of each list among those used, from 1
  int used = 0;
  for (std::size_t i = 0; i < levels; ++i) {
    if (immediate[i] > 0) place[i] = ++used;
  }

  ProduceCommand out;
  CommandBuilder builder;
  builder.reserve(24 + args.items.size() * (one_by_one || delayed ? 5 : 1));
  const std::size_t key_count =
      3 + static_cast<std::size_t>(used) + (delayed ? 2U : 0U) + (chosen ? 1U : 0U);
  CommandBuilder::begin_evalsha(builder, lua::produce, key_count);
  builder.add(args.producer_key).add(keys.wake).add(keys.stats);
  for (std::size_t i = 0; i < levels; ++i) {
    if (immediate[i] > 0) builder.add(keys.ready(all_lists[i]));
  }
  if (delayed) builder.add(keys.delayed).add(keys.delayed_data);
  if (chosen) builder.add(keys.ids);

  builder.add(args.number).add(args.kept.count()).add(used);
  builder.add(delayed ? 1 : 0).add(chosen ? 1 : 0);
  for (std::size_t i = 0; i < levels; ++i) {
    if (immediate[i] > 0) builder.add(one_by_one ? std::size_t{0} : immediate[i]);
  }
  for (std::size_t i = 0; i < levels && !one_by_one; ++i) {
    if (immediate[i] == 0) continue;
    for (const ProduceItem& item : args.items) {
      if (item.due == 0 && slot(item.level) == i) builder.add(item.envelope);
    }
  }
  if (one_by_one || delayed) {
    for (std::size_t i = 0; i < args.items.size(); ++i) {
      const ProduceItem& item = args.items[i];
      if (item.due == 0 && !one_by_one) continue;
      builder.add(item.due != 0 ? 0 : place[slot(item.level)]);
      builder.add(item.due).add(item.id).add(item.until).add(item.envelope);
      out.special.push_back(static_cast<std::uint32_t>(i));
    }
  }
  out.command = builder.build();
  return out;
}

ProduceReply read_produce(redis::Reply&& reply) {
  Fields fields(lua::produce.name, std::move(reply));
  ProduceReply out;
  out.now = fields.count();
  const std::string state = fields.text();
  out.again = state == "again";
  if (!out.again && state != "ok") fields.fail("'ok' or 'again'");
  out.duplicates.reserve(fields.left());
  while (fields.left() > 0) {
    const std::int64_t at = fields.count();
    if (at < 1 || at > UINT32_MAX) fields.fail("a place");
    out.duplicates.push_back(static_cast<std::uint32_t>(at - 1));
  }
  return out;
}

}  // namespace mx_rmq::broker
