// completion, manual: made from what the parser knows, so they are never behind it.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "command_tree.hpp"
#include "commands/commands.hpp"
#include "completion.hpp"
#include "manual.hpp"

namespace mxrmq {

void add_help(CLI::App& app, Run& run) {
  CLI::App* const completing = app.add_subcommand(
      "completion", "What completes command lines in a shell: source <(mxrmq completion bash)");
  const auto shell = std::make_shared<std::string>();
  completing->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completing->callback([&app, &run, shell] {
    run = [&app, shell] {
      const CommandHelp program = read_commands(app);
      if (*shell == "bash") std::cout << bash_completion(program);
      if (*shell == "zsh") std::cout << zsh_completion(program);
      if (*shell == "fish") std::cout << fish_completion(program);
      std::cout << std::flush;
      return ExitCode::ok;
    };
  });
  app.add_subcommand("manual", "The manual page mxrmq(1): mxrmq manual | man -l -")
      ->callback([&app, &run] {
        run = [&app] {
          std::cout << manual_page(read_commands(app), app.get_footer(), MXRMQ_VERSION)
                    << std::flush;
          return ExitCode::ok;
        };
      });
}

}  // namespace mxrmq
