#include "broker/scripts/calls_settings.hpp"

#include <string_view>
#include <utility>

#include "api/checks.hpp"
#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

constexpr std::string_view partitions_field = "partitions";
constexpr std::string_view active_field = "active";
constexpr std::string_view ids_active_field = "ids_active";
constexpr std::string_view paused_until_field = "paused_until";
// What a partition knows of itself, and is no setting.
constexpr std::string_view own_field = "ids_until";

int* known_field(StoredSettings& settings, std::string_view name) {
  if (name == partitions_field) return &settings.partitions;
  if (name == active_field) return &settings.active;
  return name == ids_active_field ? &settings.ids_active : nullptr;
}

// The version, then name and value of each field, up to the end.
StoredSettings rest_of_settings(Fields& fields) {
  StoredSettings out;
  out.version = fields.count();
  while (fields.left() > 0) {
    std::string name = fields.text();
    if (int* const known = known_field(out, name)) {
      const std::int64_t value = fields.number();
      if (value < 1 || value > api::max_partitions) fields.fail("1 to 1024");
      *known = static_cast<int>(value);
    } else if (name == paused_until_field) {
      out.paused_until = fields.count();
    } else {
      std::string value = fields.text();
      if (name != own_field) out.others.emplace_back(std::move(name), std::move(value));
    }
  }
  if (out.ids_active > out.active || out.active > out.partitions) {
    fields.fail("no more active partitions than there are");
  }
  return out;
}

}  // namespace

redis::Command Settings::encode(const TopicKeys& keys, const Args& /*args*/) {
  ScriptCommand out(script);
  out.keys(keys.settings);
  return out.build();
}

Settings::Reply Settings::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  if (fields.word({"ok", "wrong"}) == 1) {
    out.unreadable = fields.text();
    fields.end();
  } else {
    out.settings = rest_of_settings(fields);
  }
  return out;
}

redis::Command Configure::encode(const TopicKeys& keys, const Args& args,
                                 redis::ChannelKind channels) {
  ScriptCommand out(script);
  out.keys(keys.settings, keys.idle);
  out.args(args.only_version.value_or(-1), args.touch);
  if (args.partitions) out.args(partitions_field, *args.partitions);
  if (args.active) out.args(active_field, *args.active);
  if (args.ids_active) out.args(ids_active_field, *args.ids_active);
  if (args.paused_until) out.args(paused_until_field, *args.paused_until);
  out.args(channels);
  return out.build();
}

Configure::Reply Configure::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.state = fields.word<State>({"ok", "other", "refused", "wrong"});
  if (out.state == State::refused || out.state == State::unreadable) out.field = fields.text();
  if (out.state == State::unreadable) {
    fields.end();
  } else {
    out.settings = rest_of_settings(fields);
  }
  return out;
}

redis::Command CopySettings::encode(const TopicKeys& keys, const Args& args,
                                    redis::ChannelKind channels) {
  const StoredSettings& settings = args.settings;
  ScriptCommand out(script, 12 + 2 * settings.others.size());
  out.keys(keys.settings, keys.idle);
  out.args(settings.version, partitions_field, settings.partitions, active_field, settings.active,
           ids_active_field, settings.ids_active);
  if (settings.paused_until != 0) out.args(paused_until_field, settings.paused_until);
  for (const auto& [name, value] : settings.others) out.args(name, value);
  out.args(channels);
  return out.build();
}

CopySettings::Reply CopySettings::decode(redis::Reply&& reply) {
  Fields fields(script, std::move(reply));
  Reply out;
  out.now = fields.count();
  out.version = fields.count();
  fields.end();
  return out;
}

}  // namespace mx_rmq::broker
