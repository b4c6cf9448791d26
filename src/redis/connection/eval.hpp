#pragma once

#include <cstdint>
#include <memory>

#include "mx_rmq/task.hpp"
#include "redis/connection/bearings.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

class Connection;

/// Runs a script over one connection to a clear end: see Route::eval.
Task<Reply> eval_on(std::shared_ptr<Connection> connection, const lua::Script* script,
                    Command evalsha, runtime::TimePoint deadline, std::uint64_t only_epoch);

/// The same over whatever connection the bearings name, asked before each try.
Task<Reply> eval_by(std::shared_ptr<Bearings> bearings, const lua::Script* script, Command evalsha,
                    runtime::TimePoint deadline, std::uint64_t only_epoch);

}  // namespace mx_rmq::redis
