#include "faults/stored.hpp"

#include <charconv>

#include "faults/support.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::faults {
namespace {

using Strings = std::vector<std::string>;

std::string key_name(const std::string& topic, const std::string& part) {
  return "mx:{" + topic + "}:" + part;
}

// The next field up to `end`, taken off the front of `text`.
std::optional<std::string_view> take(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view field = text.substr(0, at);
  text.remove_prefix(at + 1);
  return field;
}

template <class N>
bool read_number(std::optional<std::string_view> field, N& number) {
  if (!field) return false;
  const auto [end, error] = std::from_chars(field->data(), field->data() + field->size(), number);
  return error == std::errc() && end == field->data() + field->size();
}

}  // namespace

std::optional<std::uint64_t> key_of_payload(std::string_view payload) {
  constexpr std::string_view name = "\"k\":";
  const std::size_t at = payload.find(name);
  std::uint64_t key = 0;
  if (at == std::string_view::npos) return std::nullopt;
  const char* const begin = payload.data() + at + name.size();
  if (std::from_chars(begin, payload.data() + payload.size(), key).ec != std::errc())
    return std::nullopt;
  return key;
}

std::optional<Stored> read_envelope(std::string_view bytes) {
  Stored stored;
  auto head = take(bytes, '\n');
  if (!head) return std::nullopt;
  std::string_view fields = *head;
  unsigned attempts = 0;
  unsigned recoveries = 0;
  std::size_t id_size = 0;
  if (take(fields, ' ') != "mx1" || !take(fields, ' ') ||
      !read_number(take(fields, ' '), attempts) || !read_number(take(fields, ' '), recoveries))
    return std::nullopt;
  for (int skipped = 0; skipped < 5; ++skipped)
    if (!take(fields, ' ')) return std::nullopt;
  if (!read_number(fields, id_size) || bytes.size() < id_size + 1) return std::nullopt;
  stored.id = hash64(bytes.substr(0, id_size));
  bytes.remove_prefix(id_size + 1);
  if (!take(bytes, '\n')) return std::nullopt;
  const auto key = key_of_payload(bytes);
  if (!key) return std::nullopt;
  stored.key = *key;
  stored.attempt = static_cast<std::uint16_t>(attempts + 1);
  stored.recoveries = static_cast<std::uint16_t>(recoveries);
  stored.payload = bytes;
  return stored;
}

Contents read_contents(test::RedisClient& client, const std::string& topic) {
  Contents contents;
  const auto add = [&](std::string_view envelope, std::vector<Left>& place) {
    if (envelope.empty()) return;  // what a cancelled message left
    if (const auto stored = read_envelope(envelope)) {
      place.push_back({stored->key, crc32(stored->payload)});
    } else {
      ++contents.unreadable;
    }
  };
  for (const char* list : {"ready:high", "ready:normal", "ready:low", "ready:suspect"})
    for (const auto& each : client.command({"LRANGE", key_name(topic, list), "0", "-1"}).strings())
      add(each, contents.rest);
  for (const auto& each : client.command({"HVALS", key_name(topic, "delayed:data")}).strings())
    add(each, contents.rest);
  for (const auto& key : client.command({"KEYS", "mx:{" + topic + "}:processing:*"}).strings())
    for (const auto& each : client.command({"HVALS", key}).strings()) add(each, contents.rest);
  for (const auto& each : client.command({"HVALS", key_name(topic, "dlq:data")}).strings()) {
    std::string_view envelope = each;
    take(envelope, '\n');
    add(envelope, contents.dead);
  }
  return contents;
}

Audited audit_topic(test::RedisClient& client, const std::string& topic) {
  const auto name = [&](const char* part) { return key_name(topic, part); };
  const Strings consumers = client.command({"ZRANGE", name("consumers"), "0", "-1"}).strings();
  Strings keys{name("ready:high"), name("ready:normal"), name("ready:low"), name("ready:suspect"),
               name("delayed"),    name("delayed:data"), name("consumers"), name("dlq"),
               name("dlq:data"),   name("ids"),          name("stats")};
  for (const auto& each : consumers) keys.push_back(key_name(topic, "processing:" + each));
  Strings call{"EVAL", std::string(lua::audit.source), std::to_string(keys.size())};
  call.insert(call.end(), keys.begin(), keys.end());
  call.push_back("1000000");
  call.insert(call.end(), consumers.begin(), consumers.end());
  const test::Value reply = client.command(call, std::chrono::seconds(60));
  Audited audited;
  if (reply[0].str() == "changed") return audited;
  if (reply[0].str() != "ok") {
    audited.done = true;
    audited.wrong = topic + ": " + reply.dump();
    return audited;
  }
  audited.done = true;
  std::string all;
  bool good = true;
  for (std::size_t i = 1; i + 1 < reply.list().size(); i += 2) {
    const std::string& what = reply[i].str();
    const std::int64_t count = reply[i + 1].num();
    all += ' ' + what + '=' + std::to_string(count);
    if (what == "ready" || what == "delayed" || what == "processing") {
      audited.rest += count;
    } else if (what != "dead" && what != "holes") {
      good &= count == 0;
    }
  }
  if (!good) audited.wrong = topic + ":" + all;
  return audited;
}

}  // namespace mx_rmq::faults
