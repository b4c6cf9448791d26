// mxrmq: looks into a queue and steers it.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "commands/commands.hpp"
#include "session.hpp"

namespace mxrmq {
namespace {

constexpr const char* footer =
    "Redis is found by --url, else by REDIS_URL and the other variables of the library (MQ_...);\n"
    "passwords belong there, not into arguments that others can see.\n"
    "\n"
    "Exit codes: 0 ok, 1 not found, 2 wrong usage, 3 Redis does not answer, 4 refused,\n"
    "5 sent without an answer (it may have happened), 6 done in part.\n"
    "\n"
    "Examples:\n"
    "  mxrmq topics --watch 2s\n"
    "  mxrmq produce orders '{\"id\": 7}' --delay 30s\n"
    "  mxrmq show orders 0190163d-8694-739b-aea5-966c26f8ad91\n"
    "  mxrmq find orders --header tenant=7 --state waiting\n"
    "  mxrmq purge orders --state delayed --dry-run\n"
    "  mxrmq dead groups orders\n"
    "  mxrmq dead requeue orders --error '*timeout*' --rate 50/s --dry-run\n"
    "  mxrmq dead export orders > dead.jsonl\n"
    "  mxrmq check --dead-crit 1 --oldest-crit 5m\n";

void add_global(CLI::App& app, Options& options) {
  app.add_option("--url", options.url,
                 "Where Redis is: redis://host, redis+sentinel://..., redis+cluster://...");
  app.add_option("--prefix", options.prefix, "The queue_prefix of the services (mx)");
  app.add_option("-o,--output", options.output, "table, json, jsonl or tsv")
      ->check(CLI::IsMember({"table", "json", "jsonl", "tsv"}));
  app.add_option("--timeout", options.timeout, "How long to wait for Redis (5s)");
  app.add_option("--watch", options.watch, "topics, topic, stats: show it again so often (2s)");
  app.add_flag("--yes", options.yes, "Do not ask before what cannot be undone");
  app.add_flag("--no-input", options.no_input, "Never ask; what would have to is refused");
  app.add_flag("--dry-run", options.dry_run, "Say what would be done, and do nothing");
  app.add_flag("-v,--verbose", options.verbose, "Write the library's log to stderr");
}

int run(int argc, char** argv) {
  CLI::App app{"mxrmq: looks into the queues of mx-rmq on a Redis, and steers them.", "mxrmq"};
  app.fallthrough();  // global options may stand behind the command
  app.require_subcommand(1);
  Options options;
  Session session(options);
  Run command;
  add_global(app, options);
  add_topics(app, session, command);
  add_messages(app, session, command);
  add_look(app, session, command);
  add_change(app, session, command);
  add_dead(app, session, command);
  add_steer(app, session, command);
  add_history(app, session, command);
  add_exporter(app, session, command);
  add_check(app, session, command);
  add_doctor(app, session, command);
#ifdef MXRMQ_WITH_SERVE
  add_serve(app, session, command);
#endif
  add_help(app, command);
  app.add_subcommand("version", "The version")->callback([&] {
    command = [] {
      std::cout << "mxrmq " MXRMQ_VERSION "\n";
      return ExitCode::ok;
    };
  });
  app.footer(footer);  // after them: they would have it too
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  return static_cast<int>(guarded(command));
}

}  // namespace
}  // namespace mxrmq

int main(int argc, char** argv) { return mxrmq::run(argc, argv); }
