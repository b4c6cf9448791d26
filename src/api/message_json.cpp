#include <cstdint>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "mx_rmq/message.hpp"

namespace mx_rmq {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

/// Reads members of one object by name; every complaint begins with the member's full name.
class Reader {
 public:
  Reader(const json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {
    if (!object_.is_object())
      throw std::invalid_argument((prefix_.empty() ? "message" : prefix_) +
                                  ": it is no JSON object");
    if (!prefix_.empty()) prefix_ += '.';
  }

  const json* find(const char* name) const {
    const auto at = object_.find(name);
    return at == object_.end() ? nullptr : &*at;
  }

  const json& required(const char* name) const {
    const json* value = find(name);
    if (value == nullptr) refuse(name, "it is missing");
    return *value;
  }

  std::string text(const char* name) const {
    const json& value = required(name);
    if (!value.is_string()) refuse(name, "it is no string");
    return value.get_ref<const std::string&>();
  }

  /// Never truncates: a number that is no integer, or out of range, is refused.
  template <class Int>
  Int integer(const char* name, const json& value, std::int64_t least = 0) const {
    constexpr auto most = static_cast<std::int64_t>(std::numeric_limits<Int>::max());
    if (!value.is_number_integer()) refuse(name, "it is no integer");
    const bool over =
        value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(most);
    const std::int64_t number = over ? 0 : value.get<std::int64_t>();
    if (over || number > most || number < least)
      refuse(name, value.dump() + " is out of the range " + std::to_string(least) + " to " +
                       std::to_string(most));
    return static_cast<Int>(number);
  }

  template <class Int>
  void optional(const char* name, Int& target, std::int64_t least = 0) const {
    if (const json* value = find(name)) target = integer<Int>(name, *value, least);
  }

  void optional(const char* name, std::optional<std::int64_t>& target) const {
    const json* value = find(name);
    target.reset();
    if (value != nullptr && !value->is_null()) target = integer<std::int64_t>(name, *value);
  }

  template <class Element>
  void list(const char* name, std::vector<Element>& target) const {
    const json* value = find(name);
    if (value == nullptr) return;
    if (!value->is_array()) refuse(name, "it is no array");
    target.clear();
    for (const json& each : *value) target.emplace_back(integer<std::int64_t>(name, each));
  }

  void texts(const char* name, std::map<std::string, std::string>& target) const {
    const json* value = find(name);
    if (value == nullptr) return;
    if (!value->is_object()) refuse(name, "it is no JSON object");
    for (const auto& [key, each] : value->get_ref<const json::object_t&>()) {
      if (!each.is_string()) refuse(name, "not all of its members are strings");
      target[key] = each.get_ref<const std::string&>();
    }
  }

  template <class F>
  auto named(const char* name, F parse) const {
    const std::string value = text(name);
    try {
      return parse(value);
    } catch (const std::invalid_argument& error) {
      const std::string why = error.what();
      refuse(name, why.substr(why.find(": ") + 2));
    }
  }

  [[noreturn]] void refuse(const char* name, const std::string& why) const {
    throw std::invalid_argument(prefix_ + name + ": " + why);
  }

 private:
  const json& object_;
  std::string prefix_;
};

json or_null(const std::optional<std::int64_t>& time) { return time ? json(*time) : json(nullptr); }

}  // namespace

void to_json(json& json, MessagePriority priority) { json = std::string(to_string(priority)); }

void from_json(const json& json, MessagePriority& priority) {
  if (!json.is_string()) throw std::invalid_argument("priority: it is no string");
  priority = message_priority_from_string(json.get_ref<const std::string&>());
}

void to_json(json& json, MessageStatus status) { json = std::string(to_string(status)); }

void from_json(const json& json, MessageStatus& status) {
  if (!json.is_string()) throw std::invalid_argument("status: it is no string");
  status = message_status_from_string(json.get_ref<const std::string&>());
}

void to_json(json& out, const MessageMeta& meta) {
  json delays = json::array();
  for (const milliseconds delay : meta.retry_delays) delays.push_back(delay.count());
  out = json::object();
  out["status"] = meta.status;
  out["delay"] = meta.delay.count();
  out["retry_count"] = meta.retry_count;
  out["max_retries"] = meta.max_retries;
  out["retry_delays"] = std::move(delays);
  out["last_error"] = meta.last_error ? json(*meta.last_error) : json(nullptr);
  out["expire_at"] = meta.expire_at;
  out["created_at"] = meta.created_at;
  out["updated_at"] = meta.updated_at;
  out["last_retry_at"] = or_null(meta.last_retry_at);
  out["processing_started_at"] = or_null(meta.processing_started_at);
  out["dead_letter_at"] = or_null(meta.dead_letter_at);
  out["retried_from_dlq_at"] = or_null(meta.retried_from_dlq_at);
  out["recoveries"] = meta.recoveries;
  out["interruptions"] = meta.interruptions;
  out["attempt_times"] = meta.attempt_times;
}

void from_json(const json& in, MessageMeta& meta) {
  const Reader read(in, "meta");
  MessageMeta out;
  if (read.find("status") != nullptr) out.status = read.named("status", message_status_from_string);
  std::int64_t delay = 0;
  read.optional("delay", delay);
  out.delay = milliseconds(delay);
  read.optional("retry_count", out.retry_count);
  read.optional("max_retries", out.max_retries, -1);  // not known
  read.list("retry_delays", out.retry_delays);
  const json* last_error = read.find("last_error");
  if (last_error != nullptr && !last_error->is_null()) out.last_error = read.text("last_error");
  read.optional("expire_at", out.expire_at);
  read.optional("created_at", out.created_at);
  read.optional("updated_at", out.updated_at);
  read.optional("last_retry_at", out.last_retry_at);
  read.optional("processing_started_at", out.processing_started_at);
  read.optional("dead_letter_at", out.dead_letter_at);
  read.optional("retried_from_dlq_at", out.retried_from_dlq_at);
  read.optional("recoveries", out.recoveries);
  read.optional("interruptions", out.interruptions);
  read.list("attempt_times", out.attempt_times);
  meta = std::move(out);
}

void to_json(json& out, const Message& message) {
  out = json::object();
  out["id"] = message.id;
  out["version"] = message.version;
  out["topic"] = message.topic;
  out["payload"] = message.payload;
  out["headers"] = message.headers;
  out["priority"] = message.priority;
  out["created_at"] = message.created_at;
  out["meta"] = message.meta;
}

void from_json(const json& in, Message& message) {
  const Reader read(in, "");
  Message out;
  out.id = read.text("id");
  out.version = read.text("version");
  out.topic = read.text("topic");
  out.payload = read.required("payload");
  read.texts("headers", out.headers);
  out.priority = read.named("priority", message_priority_from_string);
  out.created_at = read.integer<std::int64_t>("created_at", read.required("created_at"));
  if (const json* meta = read.find("meta")) out.meta = meta->get<MessageMeta>();
  message = std::move(out);
}

}  // namespace mx_rmq
