#pragma once

#include <CLI/CLI.hpp>
#include <memory>

#include "commands/commands.hpp"

namespace mxrmq {

/// Adds commands about one topic. `Asked` has a member `topic`; what else a command takes is added
/// to what command() gives.
template <class Asked>
struct Adding {
  CLI::App& app;
  Session& session;
  Run& run;

  CLI::App* command(const char* name, const char* what, const std::shared_ptr<Asked>& asked,
                    ExitCode (*function)(Session&, const Asked&)) const {
    CLI::App* const added = app.add_subcommand(name, what);
    added->add_option("TOPIC", asked->topic, "Their topic")->required();
    added->callback([this_session = &session, this_run = &run, asked, function] {
      *this_run = [=] { return function(*this_session, *asked); };
    });
    return added;
  }
};

}  // namespace mxrmq
