// list, show, find: looks at messages where they lie.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "commands/adding.hpp"
#include "commands/commands.hpp"
#include "exact_json.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using mx_rmq::MessageState;
using mx_rmq::StoredMessage;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr int page = 1'000;

struct Asked {
  std::string topic;
  std::vector<std::string> ids;
  std::vector<std::string> states;
  std::string state = "waiting";
  std::string priority;
  std::string from = "head";
  std::string payload = "120";
  std::string text;
  std::string header;
  std::string error;
  std::int64_t offset = 0;
  std::int64_t limit = 50;
  std::int64_t scan_limit = 100'000;
  int most = 100;
  bool raw = false;
};

json time_or_null(const std::optional<std::int64_t>& at) { return at ? json(utc(*at)) : json(); }
json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

std::size_t payload_bytes(const std::string& asked) {
  if (asked == "full") return SIZE_MAX;
  if (asked == "none") return 0;
  std::size_t end = 0;
  unsigned long long bytes = 0;
  const bool digit = !asked.empty() && asked[0] >= '0' && asked[0] <= '9';
  try {
    if (digit) bytes = std::stoull(asked, &end);
  } catch (const std::out_of_range&) {
    end = 0;
  }
  if (!digit || end != asked.size())
    throw std::invalid_argument(
        "--payload: \"" + asked +
        "\" is nothing of this kind; write full, none or a number of bytes");
  return static_cast<std::size_t>(bytes);
}

// What is told of a message of each state, beside its id.
std::vector<Column> columns_of(MessageState state) {
  switch (state) {
    case MessageState::delayed:
      return {{"id", 40}, {"priority"},  {"due"},        {"attempts"},
              {"size"},   {"error", 40}, {"payload", 60}};
    case MessageState::held:
      return {{"id", 40},   {"priority"}, {"holder", 40}, {"lease_until"},
              {"attempts"}, {"size"},     {"payload", 60}};
    case MessageState::dead:
      return {{"id", 40}, {"reason"},    {"died"},       {"attempts"},
              {"size"},   {"error", 60}, {"payload", 60}};
    default:
      return {{"id", 40}, {"priority"}, {"produced"}, {"attempts"}, {"size"}, {"payload", 60}};
  }
}

json column_of(const StoredMessage& message, const std::string& column) {
  if (column == "id") return message.id;
  if (column == "state") return std::string(to_string(message.state));
  if (column == "priority")
    return message.readable ? json(std::string(to_string(message.priority))) : json();
  if (column == "produced") return message.readable ? json(utc(message.created_at)) : json();
  if (column == "due") return time_or_null(message.due_at);
  if (column == "died") return time_or_null(message.died_at);
  if (column == "lease_until") return time_or_null(message.lease_until);
  if (column == "holder") return message.holder;
  if (column == "reason") return message.reason;
  if (column == "attempts") return message.attempts;
  if (column == "size") return message.size;
  if (column == "error") return text_or_null(message.last_error);
  return message.payload_cut ? message.payload + "…" : message.payload;
}

std::vector<json> row_of(const StoredMessage& message, const std::vector<Column>& columns) {
  std::vector<json> row;
  for (const Column& each : columns) row.push_back(column_of(message, each.name));
  return row;
}

ExitCode list(Session& session, const Asked& asked) {
  const MessageState state = mx_rmq::message_state_from_string(asked.state);
  mx_rmq::PageRequest request;
  request.offset = asked.offset;
  request.from_tail = asked.from == "tail";
  request.payload_bytes = payload_bytes(asked.payload);
  if (!asked.priority.empty())
    request.priority = mx_rmq::message_priority_from_string(asked.priority);
  const std::vector<Column> columns = columns_of(state);
  Output out(session.format(), columns);
  std::int64_t left = asked.limit;
  while (left > 0) {
    request.limit = static_cast<int>(std::min<std::int64_t>(left, page));
    const auto found = mx_rmq::sync_wait(session.queue().admin().list(asked.topic, state, request));
    for (const StoredMessage& each : found.messages) out.row(row_of(each, columns));
    left -= request.limit;
    request.offset += request.limit;
    if (request.offset >= found.total) break;
  }
  out.finish("No " + asked.state + " message in \"" + asked.topic + "\".");
  return ExitCode::ok;
}

ordered_json record_of(const std::string& topic, const StoredMessage& message) {
  ordered_json record;
  record["id"] = message.id;
  record["topic"] = topic;
  record["state"] = std::string(to_string(message.state));
  record["partition"] = message.partition;
  if (message.due_at) record["due"] = utc(*message.due_at);
  if (message.died_at) record["died"] = utc(*message.died_at);
  if (!message.reason.empty()) record["reason"] = message.reason;
  if (message.state == MessageState::held) {
    record["holder"] = message.holder;
    record["lease_until"] = time_or_null(message.lease_until);
  }
  if (message.state == MessageState::waiting || message.state == MessageState::suspect)
    record["before_it"] = message.place;
  record["size"] = message.size;
  if (!message.readable) {
    record["unreadable"] = message.payload;
    return record;
  }
  record["priority"] = std::string(to_string(message.priority));
  record["produced"] = utc(message.created_at);
  record["expires"] = utc(message.expire_at);
  record["attempts"] = message.attempts;
  record["recoveries"] = message.recoveries;
  record["interruptions"] = message.interruptions;
  json times = json::array();
  for (const std::int64_t at : message.attempt_times) times.push_back(utc(at));
  record["attempt_times"] = times;
  if (message.requeued_at) record["requeued"] = utc(*message.requeued_at);
  record["error"] = text_or_null(message.last_error);
  record["headers"] = message.headers;
  record["payload"] = exact_json(message.payload);
  return record;
}

ExitCode show(Session& session, const Asked& asked) {
  ExitCode code = ExitCode::ok;
  for (const std::string& id : asked.ids) {
    const auto found =
        mx_rmq::sync_wait(session.queue().admin().find(asked.topic, id, asked.scan_limit));
    if (found.message && asked.raw) {
      std::cout << found.message->payload << '\n' << std::flush;
    } else if (found.message) {
      write_record(session.format(), record_of(asked.topic, *found.message));
    } else {
      std::cerr << "mxrmq: " << (found.everywhere ? "there is no message \"" : "not found: \"")
                << terminal::harmless(id) << "\" in \"" << asked.topic << '"';
      if (!found.everywhere)
        std::cerr << "; " << grouped(found.looked_at)
                  << " were looked at, and the lists are longer: say --scan-limit";
      std::cerr << '\n';
      code =
          found.everywhere && code != ExitCode::partial ? ExitCode::not_found : ExitCode::partial;
    }
  }
  return code;
}

mx_rmq::SearchRequest search_of(const Asked& asked) {
  mx_rmq::SearchRequest request;
  request.text = asked.text;
  request.error = asked.error;
  if (!asked.header.empty()) {
    const std::size_t equals = asked.header.find('=');
    if (equals == std::string::npos || equals == 0)
      throw std::invalid_argument("--header: \"" + asked.header +
                                  "\" is no name=value; write --header tenant=7");
    request.header_name = asked.header.substr(0, equals);
    request.header_value = asked.header.substr(equals + 1);
  }
  if ((asked.text.empty() ? 0 : 1) + (asked.header.empty() ? 0 : 1) +
          (asked.error.empty() ? 0 : 1) !=
      1)
    throw std::invalid_argument("say what to look for: one of --text, --header, --error");
  for (const std::string& each : asked.states)
    request.states.push_back(mx_rmq::message_state_from_string(each));
  request.most = asked.most;
  request.scan_limit = asked.scan_limit;
  request.payload_bytes = payload_bytes(asked.payload);
  return request;
}

ExitCode find(Session& session, const Asked& asked) {
  const std::vector<Column> columns{{"id", 40},   {"state"},     {"priority"},   {"produced"},
                                    {"attempts"}, {"error", 40}, {"payload", 60}};
  const bool visible = terminal::interactive();
  const auto result = mx_rmq::sync_wait(session.queue().admin().search(
      asked.topic, search_of(asked), [visible](const mx_rmq::SearchProgress& progress) {
        if (visible)
          std::cerr << "\rlooked at " << grouped(progress.looked_at) << ", now "
                    << to_string(progress.state) << "; found " << grouped(progress.found)
                    << "\x1b[K" << std::flush;
        return true;
      }));
  if (visible) std::cerr << "\r\x1b[K";
  Output out(session.format(), columns);
  for (const StoredMessage& each : result.messages) out.row(row_of(each, columns));
  out.finish("Nothing found.");
  std::cerr << "looked at " << grouped(result.looked_at)
            << (result.everywhere ? ": all\n" : "; there are more: say --scan-limit, --max\n");
  if (!result.messages.empty()) return ExitCode::ok;
  return result.everywhere ? ExitCode::not_found : ExitCode::partial;
}

}  // namespace

void add_look(CLI::App& app, Session& session, Run& run) {
  const Adding<Asked> adding{app, session, run};
  auto asked = std::make_shared<Asked>();
  CLI::App* command =
      adding.command("list", "The messages of a topic in one state, a page", asked, list);
  command->add_option("--state", asked->state, "waiting (default), suspect, delayed, held, dead");
  command->add_option("--priority", asked->priority, "Of waiting ones: high, normal or low");
  command->add_option("--from", asked->from, "head (default): next ones first; tail: last ones")
      ->check(CLI::IsMember({"head", "tail"}));
  command->add_option("--offset", asked->offset, "Without the first so many")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--limit", asked->limit, "How many (50)")->check(CLI::PositiveNumber);
  command->add_option("--payload", asked->payload, "Bytes of each payload (120), full or none");

  asked = std::make_shared<Asked>();
  command = adding.command("show", "All that is known of a message, wherever it is", asked, show);
  command->add_option("ID", asked->ids, "Its id")->required();
  command->add_flag("--raw", asked->raw, "Only the payload, byte for byte");
  command
      ->add_option("--scan-limit", asked->scan_limit,
                   "Look at so many waiting messages at most (100,000)")
      ->check(CLI::NonNegativeNumber);

  asked = std::make_shared<Asked>();
  command = adding.command("find", "Messages by a text in them, in small steps", asked, find);
  command->add_option("--text", asked->text, "In the payload");
  command->add_option("--header", asked->header, "A header: name=value, exactly");
  command->add_option("--error", asked->error, "In the error of the last attempt");
  command->add_option("--state", asked->states, "Only in this state; may be given several times");
  command->add_option("--max", asked->most, "End when so many were found (100)")
      ->check(CLI::Range(1, page));
  command->add_option("--scan-limit", asked->scan_limit, "Look at so many at most (100,000)")
      ->check(CLI::PositiveNumber);
  command->add_option("--payload", asked->payload, "Bytes of each payload (120), full or none");
}

}  // namespace mxrmq
