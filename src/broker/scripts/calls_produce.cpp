#include "broker/scripts/calls_produce.hpp"

#include <array>
#include <string>

#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

// How the messages of a batch travel.
struct Shape {
  bool chosen = false;                              // some have a chosen id
  bool delayed = false;                             // some are delayed
  bool one_by_one = false;                          // all, see encode()
  std::array<std::size_t, list_count> immediate{};  // by List
  std::array<int, list_count> place{};              // of a list among those used, from 1
  int lists = 0;                                    // used
};

std::size_t slot_of(const Produce::Item& item) {
  return static_cast<std::size_t>(list_of(item.priority));
}

Shape shape_of(std::span<const Produce::Item> items) {
  Shape out;
  for (const Produce::Item& item : items) {
    const bool chosen = item.id_until != 0;
    out.chosen = out.chosen || chosen;
    if (item.due != 0) {
      out.delayed = true;
    } else {
      ++out.immediate[slot_of(item)];
      out.one_by_one = out.one_by_one || chosen;
    }
  }
  for (std::size_t i = 0; i < list_count; ++i) {
    if (out.immediate[i] > 0) out.place[i] = ++out.lists;
  }
  return out;
}

void name_keys(ScriptCommand& out, const TopicKeys& keys, const Produce::Args& args,
               const Shape& shape) {
  std::array<std::string_view, 7 + list_count> names{args.producer_key, keys.idle, keys.stats};
  std::size_t count = 3;
  for (const List list : all_lists) {
    if (shape.immediate[static_cast<std::size_t>(list)] > 0) names[count++] = keys.ready(list);
  }
  if (shape.delayed) {
    names[count++] = keys.delayed;
    names[count++] = keys.delayed_data;
  }
  if (shape.chosen) names[count++] = keys.ids;
  if (args.settings.wanted()) names[count++] = keys.settings;
  out.keys(std::span(names).first(count));
}

}  // namespace

Produce::Encoded Produce::encode(const TopicKeys& keys, const Args& args,
                                 redis::ChannelKind channels) {
  const Shape shape = shape_of(args.items);
  const bool any_special = shape.one_by_one || shape.delayed;
  ScriptCommand out(script, 22 + args.items.size() * (any_special ? 5 : 1));
  name_keys(out, keys, args, shape);
  out.args(args.number, args.kept, shape.lists, shape.delayed, shape.chosen);
  for (const std::size_t count : shape.immediate) {
    if (count > 0) out.args(shape.one_by_one ? std::size_t{0} : count);
  }
  for (std::size_t i = 0; i < list_count && !shape.one_by_one; ++i) {
    if (shape.immediate[i] == 0) continue;
    for (const Item& item : args.items) {
      if (item.due == 0 && slot_of(item) == i) out.args(item.envelope);
    }
  }
  Encoded encoded;
  for (std::size_t i = 0; any_special && i < args.items.size(); ++i) {
    const Item& item = args.items[i];
    if (item.due == 0 && !shape.one_by_one) continue;
    out.args(item.due != 0 ? 0 : shape.place[slot_of(item)], item.due, item.id, item.id_until,
             item.envelope);
    encoded.special.push_back(static_cast<std::uint32_t>(i));
  }
  if (args.settings.ids_until > 0) {
    out.args(std::to_string(args.settings.must_be.value_or(-1)) + ' ' +
             std::to_string(args.settings.ids_until));
  } else if (args.settings.wanted()) {
    out.args(args.settings.must_be.value_or(-1));
  }
  out.args(channels);
  encoded.command = out.build();
  return encoded;
}

Produce::Reply Produce::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  const std::size_t state = fields.word({"ok", "again", "stale"});
  out.again = state == 1;
  out.stale = state == 2;
  out.mute = fields.flag();
  if (fields.skip("settings")) out.settings = fields.number();
  out.duplicates.reserve(fields.left());
  while (fields.left() > 0) {
    const std::int64_t at = fields.count();
    if (at < 1 || at > UINT32_MAX) fields.fail("a place");
    out.duplicates.push_back(static_cast<std::uint32_t>(at - 1));
  }
  return out;
}

}  // namespace mx_rmq::broker
