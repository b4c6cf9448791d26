#include "redis/connection/setup.hpp"

#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

namespace {

using Kind = SetupStep::Kind;

SetupVerdict garbage(std::string_view what, const Reply& reply) {
  SetupVerdict verdict;
  verdict.kind = SetupVerdict::Kind::garbage;
  verdict.text = "unexpected answer to " + std::string(what) + ": " + reply.describe();
  return verdict;
}

std::string_view name(Kind kind) noexcept {
  switch (kind) {
    case Kind::auth:
      return "AUTH";
    case Kind::role:
      return "ROLE";
    case Kind::select:
      return "SELECT";
    case Kind::set_name:
      return "CLIENT SETNAME";
    case Kind::client_id:
      return "CLIENT ID";
    case Kind::time:
      return "TIME";
    case Kind::load_script:
      return "SCRIPT LOAD";
    case Kind::replication_info:
      return "INFO replication";
    case Kind::sentinel_role:
      return "ROLE";
  }
  return "?";
}

SetupVerdict judge_error(const SetupStep& step, const std::string& text) {
  const ErrorMeaning what = classify(text);
  SetupVerdict verdict;
  verdict.code = std::string(what.code);
  verdict.text = std::string(name(step.kind)) + " refused: " + text;
  if (what.remedy == Remedy::wait || what.remedy == Remedy::reconnect) {
    verdict.kind = SetupVerdict::Kind::try_later;
    return verdict;
  }
  // A name, an id and the role are a convenience; what a right is missing for must not matter. No
  // password given, or a wrong one, is another thing.
  const bool asks_role = step.kind == Kind::role || step.kind == Kind::replication_info ||
                         step.kind == Kind::sentinel_role;
  const bool optional = asks_role || step.kind == Kind::set_name || step.kind == Kind::client_id;
  const bool credentials =
      what.code == "NOAUTH" || what.code == "WRONGPASS" || what.code == "DENIED";
  verdict.kind = optional && !credentials ? SetupVerdict::Kind::go_on : SetupVerdict::Kind::refuse;
  verdict.role_refused = asks_role;
  if (!optional && what.remedy == Remedy::fatal && !credentials && what.code == "ERR" &&
      text.find("unknown command") != std::string::npos) {
    verdict.text +=
        " (this is no Redis server of version 5 or later; a Sentinel, perhaps: then write "
        "redis+sentinel://HOST:PORT/NAME, with the name of the master)";
  }
  return verdict;
}

SetupVerdict judge_role(const ServerRole& role) {
  SetupVerdict verdict;
  if (role.kind == ServerRole::Kind::replica) {
    verdict.kind = SetupVerdict::Kind::replica;
    verdict.master = role.of;
  }
  if (role.kind == ServerRole::Kind::sentinel) {
    verdict.kind = SetupVerdict::Kind::sentinel;
    verdict.code = "ERR";
  }
  verdict.text = unfit_text(role);
  return verdict;
}

SetupVerdict judge_sentinel(const ServerRole& role) {
  SetupVerdict verdict;
  if (role.kind == ServerRole::Kind::master || role.kind == ServerRole::Kind::replica) {
    verdict.kind = SetupVerdict::Kind::replica;
    verdict.text =
        "this is a Redis server, not a Sentinel: write redis://HOST:PORT for a single "
        "server, or the hosts and ports of the Sentinels";
  }
  return verdict;
}

void add_auth(const Endpoint& endpoint, SetupPlan& plan) {
  const std::string& password = endpoint.password.reveal();
  if (!endpoint.user.empty()) {
    plan.push_back({Kind::auth, Command::of("AUTH", endpoint.user, password), {}});
  } else if (!password.empty()) {
    plan.push_back({Kind::auth, Command::of("AUTH", password), {}});
  }
}

void add_name(const Endpoint& endpoint, SetupPlan& plan) {
  if (endpoint.client_name.empty()) return;
  plan.push_back({Kind::set_name, Command::of("CLIENT", "SETNAME", endpoint.client_name), {}});
}

}  // namespace

SetupPlan make_sentinel_plan(const Endpoint& endpoint) {
  SetupPlan plan;
  add_auth(endpoint, plan);
  plan.push_back({Kind::sentinel_role, Command::of("ROLE"), {}});
  add_name(endpoint, plan);
  return plan;
}

SetupPlan make_any_plan(const Endpoint& endpoint) {
  SetupPlan plan;
  add_auth(endpoint, plan);
  add_name(endpoint, plan);
  plan.push_back({Kind::time, Command::of("TIME"), {}});
  return plan;
}

SetupPlan make_setup_plan(const Endpoint& endpoint, std::span<const lua::Script* const> scripts) {
  SetupPlan plan;
  add_auth(endpoint, plan);
  // In front of what a Sentinel does not know.
  plan.push_back({Kind::role, Command::of("ROLE"), {}});
  if (endpoint.db != 0) plan.push_back({Kind::select, Command::of("SELECT", endpoint.db), {}});
  add_name(endpoint, plan);
  plan.push_back({Kind::client_id, Command::of("CLIENT", "ID"), {}});
  plan.push_back({Kind::time, Command::of("TIME"), {}});
  for (const lua::Script* const script : scripts) {
    plan.push_back(
        {Kind::load_script, Command::of("SCRIPT", "LOAD", script->source), script->sha1});
  }
  plan.push_back({Kind::replication_info, Command::of("INFO", "replication"), {}});
  return plan;
}

SetupVerdict judge_setup_reply(const SetupStep& step, const Reply& reply) {
  if (reply.is_error()) return judge_error(step, reply.error_text());
  SetupVerdict verdict;
  switch (step.kind) {
    case Kind::auth:
    case Kind::select:
    case Kind::set_name:
      if (reply.kind() != Reply::Kind::status) return garbage(name(step.kind), reply);
      break;
    case Kind::role:
      if (!reply.is_array()) return garbage(name(step.kind), reply);
      return judge_role(read_role(reply));
    case Kind::replication_info:
      return judge_role(read_replication_info(reply));
    case Kind::sentinel_role:
      if (!reply.is_array()) return garbage(name(step.kind), reply);
      return judge_sentinel(read_role(reply));
    case Kind::client_id:
      if (reply.kind() != Reply::Kind::integer) return garbage(name(step.kind), reply);
      verdict.number = reply.as_integer();
      break;
    case Kind::time: {
      if (!reply.is_array() || reply.size() != 2) return garbage(name(step.kind), reply);
      for (const Reply& item : reply.as_array()) {
        if (item.kind() != Reply::Kind::string) return garbage(name(step.kind), reply);
      }
      try {
        verdict.number = reply.at(0).as_integer() * 1000 + reply.at(1).as_integer() / 1000;
      } catch (const Error&) {
        return garbage(name(step.kind), reply);
      }
      break;
    }
    case Kind::load_script:
      if (reply.kind() != Reply::Kind::string || reply.as_string() != step.sha1) {
        return garbage(name(step.kind), reply);
      }
      break;
  }
  return verdict;
}

}  // namespace mx_rmq::redis
