#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/bearings.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

class Connection;

/// What goes behind a script: see Route::eval_with.
struct SentBehind {
  SentBehind() = default;
  SentBehind(std::vector<Command> the_commands, Reply* the_last)
      : commands(std::move(the_commands)), last(the_last) {}

  std::vector<Command> commands;
  Reply* last = nullptr;
};

/// Runs a script over one connection to a clear end: see Route::eval.
Task<Reply> eval_on(std::shared_ptr<Connection> connection, const lua::Script* script,
                    Command evalsha, runtime::TimePoint deadline, std::uint64_t only_epoch,
                    SentBehind behind = SentBehind());
/// The same over whatever connection the bearings name, asked before each try.
Task<Reply> eval_by(std::shared_ptr<Bearings> bearings, const lua::Script* script, Command evalsha,
                    runtime::TimePoint deadline, std::uint64_t only_epoch,
                    SentBehind behind = SentBehind());

}  // namespace mx_rmq::redis
