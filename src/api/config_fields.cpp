#include "api/config_fields.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "api/address_map.hpp"
#include "api/checks.hpp"
#include "api/config_values.hpp"
#include "api/redis_url.hpp"
#include "api/retry_policy.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

using namespace std::chrono_literals;

constexpr Milliseconds day = std::chrono::hours(24);
constexpr std::int64_t mebibyte = std::int64_t{1} << 20;
constexpr std::size_t max_credential_bytes = 65536;

bool graphic(char c) noexcept { return c > ' ' && c < 0x7F; }

bool valid_prefix(std::string_view text) {
  return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return graphic(c) && std::string_view("{}*?[]\\").find(c) == std::string_view::npos;
         });
}

bool valid_url(std::string_view text) { return why_redis_url_is_refused(text).empty(); }

bool valid_credential(std::string_view text) { return text.size() <= max_credential_bytes; }

bool valid_path(std::string_view text) {
  return text.size() <= 4096 && text.find('\0') == std::string_view::npos;
}

bool valid_server_name(std::string_view text) {
  return text.size() <= 253 && std::all_of(text.begin(), text.end(), graphic);
}

constexpr std::string_view automatic = "automatic";

bool is_automatic(const IntField& field, const MQConfig& config) {
  return field.or_automatic && config.*field.member == MQConfig::automatic;
}

constexpr std::string_view a_path = "a path of at most 4096 bytes";

bool valid_address_map(std::string_view text) {
  return text.size() <= max_credential_bytes && why_address_map_is_refused(text).empty();
}

std::string why_not_an_address_map(std::string_view text) {
  std::string why = why_address_map_is_refused(text);
  if (why.empty()) why = "the value is not allowed; allowed is at most 65536 bytes";
  return why;
}

std::string masked(const std::string& text) { return text.empty() ? "" : "***"; }

constexpr auto table = std::to_array<Field>({
    {"redis_url",
     TextField{&MQConfig::redis_url, redis_url_allowed, valid_url, redact_redis_url,
               why_redis_url_is_refused},
     "Where Redis is.", "REDIS_URL"},
    {"redis_db", IntField{&MQConfig::redis_db, 0, 65535},
     "Number of the database; 0 leaves it to the URL.", "REDIS_DB"},
    {"redis_username",
     TextField{&MQConfig::redis_username, "at most 65536 bytes", valid_credential},
     "Name for AUTH; empty leaves it to the URL.", "REDIS_USERNAME"},
    {"redis_password",
     TextField{&MQConfig::redis_password, "at most 65536 bytes", valid_credential, masked},
     "Password for AUTH; empty leaves it to the URL.", "REDIS_PASSWORD"},
    {"sentinel_username",
     TextField{&MQConfig::sentinel_username, "at most 65536 bytes", valid_credential},
     "Name for AUTH at the Sentinels; the servers' is redis_username, or in the URL."},
    {"sentinel_password",
     TextField{&MQConfig::sentinel_password, "at most 65536 bytes", valid_credential, masked},
     "Password for AUTH at the Sentinels; empty: they want none."},
    {"redis_address_map",
     TextField{&MQConfig::redis_address_map, address_map_allowed, valid_address_map, nullptr,
               why_not_an_address_map},
     "Where servers are seen from here, by the addresses that Sentinels or a Cluster tell."},
    {"queue_prefix",
     TextField{&MQConfig::queue_prefix,
               "at most 64 bytes of printable ASCII without space and { } * ? [ ] \\",
               valid_prefix},
     "Begins all keys; empty means mx."},
    {"connection_pool_size", IntField{&MQConfig::connection_pool_size, 1, 1000},
     "Connections for commands, opened when first used."},
    {"client_name",
     TextField{&MQConfig::client_name, "1 to 64 bytes of printable ASCII without space",
               valid_client_name},
     "What CLIENT LIST shows."},
    {"connect_timeout", DurationField{&MQConfig::connect_timeout, 10ms, 10min},
     "For resolving, connecting and logging in."},
    {"wait_for_redis", BoolField{&MQConfig::wait_for_redis},
     "True: initialize() and the starts wait for a Redis that is not there yet instead of "
     "throwing, "
     "until stop() or a signal."},
    {"command_timeout", DurationField{&MQConfig::command_timeout, 10ms, 10min},
     "Deadline of a command; of a consumer's commands lease / 3, if that is less. Produce and "
     "cancel "
     "calls send it again then."},
    {"produce_timeout", DurationField{&MQConfig::produce_timeout, 10ms, 1h},
     "Deadline of a produce call, sending again included."},
    {"wait_replicas", IntField{&MQConfig::wait_replicas, 0, 100},
     "Replicas that must have a message before produce() returns; 0: none is waited for."},
    {"wait_replicas_timeout", DurationField{&MQConfig::wait_replicas_timeout, 1ms, 1h},
     "How long they are waited for; then produce() throws NotReplicated."},
    {"reconnect_backoff_min", DurationField{&MQConfig::reconnect_backoff_min, 1ms, 1min},
     "Pause before the first reconnect."},
    {"reconnect_backoff_max", DurationField{&MQConfig::reconnect_backoff_max, 1ms, 10min},
     "Longest pause between reconnects."},
    {"tls_ca_file", TextField{&MQConfig::tls_ca_file, a_path, valid_path},
     "PEM file of those who may certify the server; empty, and tls_ca_dir too: those that the "
     "system trusts."},
    {"tls_ca_dir", TextField{&MQConfig::tls_ca_dir, a_path, valid_path},
     "The same as a directory that `openssl rehash` was run on."},
    {"tls_cert_file", TextField{&MQConfig::tls_cert_file, a_path, valid_path},
     "PEM file of our own certificate, for a server that wants one."},
    {"tls_key_file", TextField{&MQConfig::tls_key_file, a_path, valid_path},
     "PEM file of its key, without a passphrase; empty: it is in tls_cert_file."},
    {"tls_server_name",
     TextField{&MQConfig::tls_server_name,
               "a host name or an address, at most 253 bytes of printable ASCII without space",
               valid_server_name},
     "Whom the server's certificate must name; empty: the host of the URL."},
    {"tls_verify", BoolField{&MQConfig::tls_verify},
     "False: the server's certificate is not looked at, and anybody on the way can read and change "
     "what is sent; a warning is logged."},
    {"max_workers", IntField{&MQConfig::max_workers, 1, 100'000},
     "Handlers running at the same time, of all topics together."},
    {"task_queue_size", IntField{&MQConfig::task_queue_size, 0, 100'000, true},
     "Messages prefetched beyond those being handled. 0: one is claimed only for a free worker. "
     "Automatic: as many as the handlers of a topic finish in a few round trips, so none for slow "
     "ones."},
    {"blocking_threads", IntField{&MQConfig::blocking_threads, 1, 1024},
     "Threads for handlers that may block."},
    {"batch_size", IntField{&MQConfig::batch_size, 1, 1000, true},
     "Messages moved by one call of a script at most. Automatic: 500 by a claim, 100 by others."},
    {"claim_bytes", BytesField{&MQConfig::claim_bytes, 1, 256 * mebibyte},
     "Bytes of messages that one claim may take; one message is always allowed."},
    {"lease", DurationField{&MQConfig::lease, 200ms, max_lease},
     "A consumer without a sign of life for so long is taken for dead, and others get what it "
     "held."},
    {"shutdown_timeout", DurationField{&MQConfig::shutdown_timeout, 0ms, day},
     "What stop() gives running handlers before it stops them."},
    {"message_ttl", DurationField{&MQConfig::message_ttl, 1ms, 3650 * day},
     "How long a message may wait for a worker after it is due."},
    {"processing_timeout", DurationField{&MQConfig::processing_timeout, 1ms, max_run_time},
     "Deadline of a handler's run."},
    {"max_retries", IntField{&MQConfig::max_retries, 0, max_retry_limit},
     "Retries after the first attempt."},
    {"retry_delays", DurationsField{&MQConfig::retry_delays, max_retry_limit, 0ms, max_retry_delay},
     "Pause before each retry; the last one repeats."},
    {"retry_policy", RetryField{&MQConfig::retry_policy},
     "When failed messages are tried again; listed: as retry_delays says."},
    {"max_recoveries", IntField{&MQConfig::max_recoveries, 1, 1000},
     "How often a message is taken back from dead consumers before it is a dead letter."},
    {"max_interruptions", IntField{&MQConfig::max_interruptions, 1, 1'000'000},
     "How often a stop may cut a message's run short and give it back before it is a dead letter. "
     "Such a run is no attempt."},
    {"max_payload_bytes", BytesField{&MQConfig::max_payload_bytes, 1, 256 * mebibyte},
     "Biggest payload, as JSON text."},
    {"max_error_bytes", BytesField{&MQConfig::max_error_bytes, 64, 65536},
     "How much of an error's text is stored with a message."},
    {"max_pending_produces", BytesField{&MQConfig::max_pending_produces, 1, 10'000'000},
     "Messages on their way to Redis at the same time; further produce calls end with Overloaded."},
    {"enable_dead_letter", BoolField{&MQConfig::enable_dead_letter},
     "False: a message that would become a dead letter is dropped and counted."},
    {"dead_letter_expired", BoolField{&MQConfig::dead_letter_expired},
     "False: a message that expires is dropped and counted."},
    {"max_dead_letters", CountField{&MQConfig::max_dead_letters, 0, (std::int64_t{1} << 53) - 1},
     "Dead letters kept a topic, the oldest dropped first; 0: no cap. Of a topic with several "
     "partitions each keeps its part, rounded up."},
    {"monitor_interval", DurationField{&MQConfig::monitor_interval, 10ms, day},
     "How often health and metrics of this process are brought up to date."},
    {"expired_check_interval", DurationField{&MQConfig::expired_check_interval, 10ms, day},
     "How often expired messages are looked for."},
    {"processing_monitor_interval",
     DurationField{&MQConfig::processing_monitor_interval, 10ms, day},
     "How often consumers whose lease ran out are looked for."},
});

template <class... F>
struct Visitor : F... {
  using F::operator()...;
};
template <class... F>
Visitor(F...) -> Visitor<F...>;

template <class Range>
bool between(const Range& range, std::int64_t value) {
  return value >= range.least && value <= range.most;
}

std::string plain(const Field& field, const MQConfig& config) {
  return std::visit(
      Visitor{
          [&](const BoolField& f) -> std::string { return config.*f.member ? "true" : "false"; },
          [&](const IntField& f) {
            return is_automatic(f, config) ? std::string(automatic)
                                           : std::to_string(config.*f.member);
          },
          [&](const DurationField& f) { return format_duration(config.*f.member); },
          [&](const DurationsField& f) { return format_durations(config.*f.member); },
          [&](const RetryField& f) { return (config.*f.member).describe(); },
          [&](const TextField& f) { return config.*f.member; },
          [&](const auto& f) { return std::to_string(config.*f.member); },
      },
      field.kind);
}

}  // namespace

std::span<const Field> config_fields() { return table; }

namespace {

std::string with_upper_name(std::string variable, const Field& field) {
  for (const char c : field.name) variable += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return variable;
}

}  // namespace

std::string variable_of(const Field& field) { return with_upper_name("MQ_", field); }
std::string long_variable_of(const Field& field) { return with_upper_name("MX_RMQ_", field); }

std::string allowed_by(const Field& field) {
  const auto range = [](Milliseconds least, Milliseconds most) {
    return format_duration(least) + " to " + format_duration(most);
  };
  return std::visit(
      Visitor{
          [](const BoolField&) -> std::string { return "true or false"; },
          [](const IntField& f) {
            return std::to_string(f.least) + " to " + std::to_string(f.most) +
                   (f.or_automatic ? ", or automatic" : "");
          },
          [&](const DurationField& f) { return range(f.least, f.most); },
          [&](const DurationsField& f) {
            return "at most " + std::to_string(f.most_elements) + " durations, each " +
                   range(f.least, f.most);
          },
          [](const RetryField&) { return std::string(retry_policy_allowed); },
          [](const TextField& f) { return std::string(f.allowed); },
          [](const auto& f) { return std::to_string(f.least) + " to " + std::to_string(f.most); },
      },
      field.kind);
}

std::string show(const Field& field, const MQConfig& config) {
  const auto* text = std::get_if<TextField>(&field.kind);
  if (text != nullptr && text->show != nullptr) return text->show(config.*text->member);
  return plain(field, config);
}

std::string unparse(const Field& field, const MQConfig& config) { return plain(field, config); }

bool parse(const Field& field, std::string_view text, MQConfig& config) {
  const auto set = [](auto& target, const auto& value) {
    if (value) target = *value;
    return value.has_value();
  };
  const auto set_number = [&](auto& target) {
    using Target = std::remove_reference_t<decltype(target)>;
    const auto value = parse_integer(text);
    // Out of the type is out of the range as well; what stays is out of it, too.
    if (!value || *value < 0 ||
        static_cast<std::uint64_t>(*value) > std::uint64_t{std::numeric_limits<Target>::max()})
      return false;
    target = static_cast<Target>(*value);
    return true;
  };
  return std::visit(
      Visitor{
          [&](const BoolField& f) { return set(config.*f.member, parse_bool(text)); },
          [&](const IntField& f) {
            if (!f.or_automatic || text != automatic) return set_number(config.*f.member);
            config.*f.member = MQConfig::automatic;
            return true;
          },
          [&](const DurationField& f) { return set(config.*f.member, parse_duration(text)); },
          [&](const DurationsField& f) { return set(config.*f.member, parse_durations(text)); },
          [&](const RetryField& f) { return set(config.*f.member, parse_retry_policy(text)); },
          [&](const TextField& f) {
            config.*f.member = text;
            return true;
          },
          [&](const auto& f) { return set_number(config.*f.member); },
      },
      field.kind);
}

bool in_range(const Field& field, const MQConfig& config) {
  return std::visit(Visitor{
                        [](const BoolField&) { return true; },
                        [&](const IntField& f) {
                          return is_automatic(f, config) || between(f, config.*f.member);
                        },
                        [&](const DurationField& f) {
                          return config.*f.member >= f.least && config.*f.member <= f.most;
                        },
                        [&](const DurationsField& f) {
                          const auto& values = config.*f.member;
                          return values.size() <= f.most_elements &&
                                 std::all_of(values.begin(), values.end(), [&](Milliseconds value) {
                                   return value >= f.least && value <= f.most;
                                 });
                        },
                        [&](const RetryField& f) { return !why_refused(config.*f.member); },
                        [&](const TextField& f) { return f.valid(config.*f.member); },
                        [&](const BytesField& f) {
                          const std::size_t value = config.*f.member;
                          return value <= static_cast<std::size_t>(f.most) &&
                                 between(f, static_cast<std::int64_t>(value));
                        },
                        [&](const auto& f) { return between(f, config.*f.member); },
                    },
                    field.kind);
}

std::string why_not(const Field& field, const MQConfig& config, const std::string& form) {
  const auto* text = std::get_if<TextField>(&field.kind);
  if (text != nullptr && text->why != nullptr) return text->why(config.*text->member);
  const auto* retries = std::get_if<RetryField>(&field.kind);
  if (retries != nullptr) return why_refused(config.*retries->member).value_or("");
  const std::string value = show(field, config);
  return (may_be_quoted(field) ? runtime::text::quoted(value) : "the value") +
         " is not allowed; allowed is " + form + allowed_by(field);
}

bool may_be_quoted(const Field& field) {
  const auto* text = std::get_if<TextField>(&field.kind);
  return text == nullptr || text->show == nullptr;
}

std::string config_table_markdown() {
  const MQConfig defaults;
  const auto cell = [](std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
      text.insert(at, 1, '\\');
    return text;
  };
  std::string out = "| Field | Variable | Default | Allowed | Meaning |\n|---|---|---|---|---|\n";
  for (const Field& field : table) {
    const std::string value = plain(field, defaults);
    std::string variables = '`' + variable_of(field) + '`';
    if (!field.common_variable.empty())
      variables = '`' + std::string(field.common_variable) + "`, " + variables;
    out += "| `" + std::string(field.name) + "` | " + variables + " | " +
           (value.empty() ? "(empty)" : '`' + value + '`') + " | " + cell(allowed_by(field)) +
           " | " + cell(std::string(field.doc)) + " |\n";
  }
  return out;
}

}  // namespace mx_rmq::api
