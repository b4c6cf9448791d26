// produce, cancel.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <memory>

#include "commands/commands.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using nlohmann::json;

struct Produce {
  std::string topic;
  std::string payload = "-";
  std::string id;
  std::string delay;
  std::string at;
  std::string priority;
  std::string ttl;
  std::vector<std::string> headers;
};

mx_rmq::ProduceOptions options_of(const Produce& asked) {
  mx_rmq::ProduceOptions options;
  if (!asked.id.empty()) options.message_id(asked.id).throw_if_duplicate();
  if (!asked.delay.empty()) options.delay(parse_duration("--delay", asked.delay));
  if (!asked.at.empty())
    options.at(std::chrono::system_clock::time_point(
        std::chrono::milliseconds(parse_time("--at", asked.at))));
  if (!asked.priority.empty())
    options.priority(mx_rmq::message_priority_from_string(asked.priority));
  if (!asked.ttl.empty()) options.ttl(parse_duration("--ttl", asked.ttl));
  for (const std::string& header : asked.headers) {
    const std::size_t equals = header.find('=');
    if (equals == std::string::npos)
      throw std::invalid_argument("--header: \"" + header +
                                  "\" has no =; write --header name=value");
    options.header(header.substr(0, equals), header.substr(equals + 1));
  }
  return options;
}

json parse_json(const std::string& where, const std::string& text) {
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    throw std::invalid_argument(where + ": not JSON: " + error.what() +
                                " (a text needs its quotes: '\"text\"')");
  }
}

// A JSON value a line; empty lines are left out. The place is told if one is wrong.
class Lines {
 public:
  Lines(std::istream& in, std::string name) : in_(in), name_(std::move(name)) {}

  bool next(json& value) {
    std::string line;
    while (std::getline(in_, line)) {
      ++number_;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      value = parse_json(name_ + ", line " + std::to_string(number_), line);
      return true;
    }
    return false;
  }

 private:
  std::istream& in_;
  const std::string name_;
  std::size_t number_ = 0;
};

ExitCode produce_lines(Session& session, const Produce& asked, std::istream& in,
                       const std::string& name) {
  if (!asked.id.empty())
    throw std::invalid_argument("--id: it goes with one message, not with lines");
  const mx_rmq::ProduceOptions options = options_of(asked);
  Lines lines(in, name);
  std::int64_t sent = 0;
  constexpr std::size_t most = 1'000;
  try {
    for (bool more = true; more;) {
      std::vector<mx_rmq::OutgoingMessage> batch;
      json value;
      while (batch.size() < most && (more = lines.next(value)))
        batch.emplace_back(asked.topic, std::move(value), options);
      if (batch.empty()) break;
      if (!session.options().dry_run)
        for (const std::string& id : mx_rmq::sync_wait(session.queue().produce_batch(batch)))
          std::cout << id << '\n';
      sent += static_cast<std::int64_t>(batch.size());
    }
  } catch (...) {
    std::cout << std::flush;
    if (sent == 0) throw;
    std::cerr << "mxrmq: produced " << grouped(sent) << " before what follows\n";
    const ExitCode code = guarded([]() -> ExitCode { throw; });
    return code == ExitCode::unknown ? code : ExitCode::partial;
  }
  std::cout << std::flush;
  std::cerr << (session.options().dry_run ? "would produce " : "produced ") << grouped(sent)
            << '\n';
  return ExitCode::ok;
}

ExitCode produce(Session& session, const Produce& asked) {
  if (asked.payload == "-") return produce_lines(session, asked, std::cin, "stdin");
  if (asked.payload[0] == '@') {
    std::ifstream file(asked.payload.substr(1));
    if (!file) throw std::invalid_argument(asked.payload.substr(1) + ": it cannot be read");
    return produce_lines(session, asked, file, asked.payload.substr(1));
  }
  const json payload = parse_json("JSON", asked.payload);
  const mx_rmq::ProduceOptions options = options_of(asked);
  if (session.options().dry_run) {
    std::cerr << "would produce 1\n";
    return ExitCode::ok;
  }
  std::cout << mx_rmq::sync_wait(session.queue().produce(asked.topic, payload, options)) << '\n';
  return ExitCode::ok;
}

ExitCode cancel(Session& session, const std::string& topic, const std::vector<std::string>& ids) {
  Output out(session.format(), {{"id"}, {"cancelled"}});
  std::size_t done = 0;
  for (const std::string& id : ids) {
    const bool cancelled =
        !session.options().dry_run && mx_rmq::sync_wait(session.queue().cancel(topic, id));
    if (cancelled) ++done;
    out.row({id, cancelled});
  }
  out.finish("");
  if (session.options().dry_run || done == ids.size()) return ExitCode::ok;
  return done == 0 ? ExitCode::not_found : ExitCode::partial;
}

}  // namespace

void add_messages(CLI::App& app, Session& session, Run& run) {
  const auto asked = std::make_shared<Produce>();
  CLI::App* const command =
      app.add_subcommand("produce", "Put messages into a topic; prints their ids");
  command->add_option("TOPIC", asked->topic, "Where it goes")->required();
  command->add_option(
      "JSON", asked->payload,
      "The payload; - (default) reads a JSON value a line from stdin, @FILE from a file");
  command->add_option("--id", asked->id, "Choose the id; refused if it is in use");
  command->add_option("--delay", asked->delay, "When it is due: 250ms, 1.5s, 30m, 2h, 7d from now");
  command->add_option("--at", asked->at,
                      "When it is due: 2026-11-28T15:04:05Z, or unix milliseconds");
  command->add_option("--priority", asked->priority, "high, normal or low");
  command->add_option("--ttl", asked->ttl, "How long it may wait once it is due");
  command->add_option("--header", asked->headers, "name=value; may be given several times");
  command->callback(
      [&session, &run, asked] { run = [&session, asked] { return produce(session, *asked); }; });

  CLI::App* const cancelling =
      app.add_subcommand("cancel", "Take back messages that no worker holds (1: none was found)");
  const auto topic = std::make_shared<std::string>();
  const auto ids = std::make_shared<std::vector<std::string>>();
  cancelling->add_option("TOPIC", *topic, "Its topic")->required();
  cancelling->add_option("ID", *ids, "Its id")->required();
  cancelling->callback([&session, &run, topic, ids] {
    run = [&session, topic, ids] { return cancel(session, *topic, *ids); };
  });
}

}  // namespace mxrmq
