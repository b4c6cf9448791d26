// doctor: what a service would trip over at this Redis.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "commands/commands.hpp"
#include "terminal.hpp"

namespace mxrmq {
namespace {

using Level = mx_rmq::Finding::Level;

const char* name_of(Level level) {
  switch (level) {
    case Level::good:
      return "good";
    case Level::note:
      return "note";
    case Level::warning:
      return "warning";
    case Level::critical:
      break;
  }
  return "critical";
}

std::string coloured(Level level, const std::string& text) {
  if (level == Level::critical) return terminal::red(text);
  if (level == Level::warning) return terminal::yellow(text);
  return level == Level::note ? text : terminal::dim(text);
}

void write_text(const std::vector<mx_rmq::Finding>& findings) {
  std::string server;
  for (const auto& each : findings) {
    if (each.server != server) {
      server = each.server;
      if (!server.empty()) std::cout << terminal::bold(terminal::harmless(server)) << '\n';
    }
    const std::string level = name_of(each.level);
    const std::string padded = level + std::string(8 - level.size(), ' ');
    std::cout << "  " << coloured(each.level, padded) << "  " << terminal::harmless(each.subject)
              << ": " << terminal::harmless(each.seen) << '\n';
    if (!each.remedy.empty())
      std::cout << "            -> " << terminal::harmless(each.remedy) << '\n';
  }
  const auto bad = std::ranges::count_if(
      findings, [](const auto& each) { return each.level >= Level::warning; });
  std::cout << (bad == 0 ? "Nothing to trip over." : std::to_string(bad) + " to be looked at.")
            << std::endl;
}

ExitCode diagnose(Session& session) {
  const std::vector<mx_rmq::Finding> findings =
      mx_rmq::sync_wait(session.queue().admin().diagnose());
  const Format format = session.format();
  if (format == Format::table) {
    write_text(findings);
  } else {
    Output out(format, {{"level"}, {"server"}, {"subject"}, {"seen"}, {"remedy"}});
    for (const auto& each : findings)
      out.row({name_of(each.level), each.server, each.subject, each.seen, each.remedy});
    out.finish("");
  }
  Level worst = Level::good;
  for (const auto& each : findings) worst = std::max(worst, each.level);
  // As of check: 1 for a warning, 2 for what is critical.
  return static_cast<ExitCode>(worst <= Level::note ? 0 : worst == Level::warning ? 1 : 2);
}

}  // namespace

void add_doctor(CLI::App& app, Session& session, Run& run) {
  app.add_subcommand(
         "doctor", "What a service would trip over at this Redis: 0 nothing, 1 warning, 2 critical")
      ->callback([&session, &run] { run = [&session] { return diagnose(session); }; });
}

}  // namespace mxrmq
