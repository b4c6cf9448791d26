#pragma once

#include <functional>

#include "session.hpp"

namespace CLI {
class App;
}  // namespace CLI

/// Each adds commands to the program. What they do is left in `run`, and called when all arguments
/// were read and are right.
namespace mxrmq {

using Run = std::function<ExitCode()>;

void add_topics(CLI::App& app, Session& session, Run& run);    // topics, topic
void add_messages(CLI::App& app, Session& session, Run& run);  // produce, cancel
void add_look(CLI::App& app, Session& session, Run& run);      // list, show, find
void add_change(CLI::App& app, Session& session, Run& run);    // promote ... purge
void add_dead(CLI::App& app, Session& session, Run& run);      // dead ...
void add_steer(CLI::App& app, Session& session, Run& run);     // pause, resume, interrupt
void add_check(CLI::App& app, Session& session, Run& run);     // check, acl

void add_doctor(CLI::App& app, Session& session, Run& run);    // doctor
void add_serve(CLI::App& app, Session& session, Run& run);     // serve
void add_help(CLI::App& app, Run& run);                        // completion, manual
void add_history(CLI::App& app, Session& session, Run& run);   // history, stats
void add_exporter(CLI::App& app, Session& session, Run& run);  // exporter

}  // namespace mxrmq
