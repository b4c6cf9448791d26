#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection/endpoint.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

namespace mx_rmq::redis {

/// One command of the pipeline that makes a connection usable.
struct SetupStep {
  enum class Kind : std::uint8_t {
    auth,
    role,
    select,
    set_name,
    client_id,
    time,
    load_script,
    replication_info,  ///< sent only where the role was not told
    sentinel_role      ///< the question for the role where a Sentinel is expected
  };
  Kind kind;
  Command command;
  std::string_view sha1;  ///< load_script: what the server must answer
};
using SetupPlan = std::vector<SetupStep>;

/// AUTH if there is a password, ROLE, SELECT if not 0, CLIENT SETNAME if there is a name, CLIENT
/// ID, TIME, SCRIPT LOAD of each; last INFO replication, for where ROLE was refused. No HELLO:
/// RESP2 only. The scripts must outlive the plan.
[[nodiscard]] SetupPlan make_setup_plan(const Endpoint& endpoint,
                                        std::span<const lua::Script* const> scripts);
/// The same for a connection to a Sentinel: AUTH, ROLE, CLIENT SETNAME.
[[nodiscard]] SetupPlan make_sentinel_plan(const Endpoint& endpoint);
/// The same for a connection to whatever server: AUTH, CLIENT SETNAME, TIME.
[[nodiscard]] SetupPlan make_any_plan(const Endpoint& endpoint);

/// What the reply to a step means for the connection.
struct SetupVerdict {
  enum class Kind : std::uint8_t {
    go_on,
    try_later,  ///< LOADING, too many clients ...: an ordinary failed attempt
    refuse,     ///< wrong credentials, missing rights: long pause, never go on without
    sentinel,   ///< no server that could ever be used: as refuse
    replica,    ///< no master, or no Sentinel: a failed attempt, because that may change
    garbage     ///< not what the step's command answers
  };
  Kind kind = Kind::go_on;
  std::string code{};
  std::string text{};
  std::string master{};       ///< replica: who it says its master is; empty if it did not
  std::int64_t number = 0;    ///< client id, or unix ms
  bool role_refused = false;  ///< this question for the role was refused
};
[[nodiscard]] SetupVerdict judge_setup_reply(const SetupStep& step, const Reply& reply);

}  // namespace mx_rmq::redis
