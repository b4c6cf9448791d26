// pause, resume, interrupt: what the workers do.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>

#include "commands/commands.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

ExitCode would(const std::string& what) {
  std::cout << "would " << what << '\n';
  return ExitCode::ok;
}

ExitCode pause_topic(Session& session, const std::string& topic, const std::string& span) {
  std::optional<std::chrono::milliseconds> duration;
  if (!span.empty()) duration = parse_duration("--for", span);
  const std::string how_long = span.empty() ? " until it is resumed" : " for " + span;
  const std::string what = "pause \"" + topic + "\" in all processes" + how_long;
  if (session.options().dry_run) return would(what);
  if (!session.allowed("Really " + what + "?")) return ExitCode::refused;
  const mx_rmq::Paused paused = mx_rmq::sync_wait(session.queue().admin().pause(topic, duration));
  if (paused.unanswered == 0) return ExitCode::ok;
  std::cerr
      << "mxrmq: it is paused, but " << paused.unanswered
      << " consumers have not said that they begin nothing more: they have died, stand still,\n"
         "cannot be asked, or are of an older version. What they had claimed may still begin.\n";
  return ExitCode::partial;
}

ExitCode resume_topic(Session& session, const std::string& topic) {
  if (session.options().dry_run) return would("resume \"" + topic + "\"");
  mx_rmq::sync_wait(session.queue().admin().resume(topic));
  return ExitCode::ok;
}

ExitCode interrupt_message(Session& session, const std::string& topic, const std::string& id) {
  const std::string what = "have the handler of message " + id + " stop";
  if (session.options().dry_run) return would(what);
  if (!session.allowed("Really " + what + "?")) return ExitCode::refused;
  if (mx_rmq::sync_wait(session.queue().interrupt(topic, id))) return ExitCode::ok;
  std::cerr << "mxrmq: nobody handles message " << id << " of \"" << topic << "\" now\n";
  return ExitCode::not_found;
}

}  // namespace

void add_steer(CLI::App& app, Session& session, Run& run) {
  const auto topic = std::make_shared<std::string>();
  const auto span = std::make_shared<std::string>();
  CLI::App* const pause =
      app.add_subcommand("pause", "Have no process begin messages of a topic any more");
  pause->add_option("TOPIC", *topic, "Its name")->required();
  pause->add_option("--for", *span, "It ends by itself after so long (30m); else by resume");
  pause->callback([&session, &run, topic, span] {
    run = [&session, topic, span] { return pause_topic(session, *topic, *span); };
  });

  CLI::App* const resume = app.add_subcommand("resume", "End the pause of a topic");
  resume->add_option("TOPIC", *topic, "Its name")->required();
  resume->callback([&session, &run, topic] {
    run = [&session, topic] { return resume_topic(session, *topic); };
  });

  const auto id = std::make_shared<std::string>();
  CLI::App* const interrupt = app.add_subcommand(
      "interrupt", "Have the stop token of a message that is being handled fire");
  interrupt->add_option("TOPIC", *topic, "Its topic")->required();
  interrupt->add_option("ID", *id, "Its id")->required();
  interrupt->callback([&session, &run, topic, id] {
    run = [&session, topic, id] { return interrupt_message(session, *topic, *id); };
  });
}

}  // namespace mxrmq
