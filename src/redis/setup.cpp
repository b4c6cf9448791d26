#include "redis/setup.hpp"

#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/classify.hpp"

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
  }
  return "?";
}

SetupVerdict judge_error(const SetupStep& step, const std::string& text) {
  const Verdict what = classify(text);
  SetupVerdict verdict;
  verdict.code = std::string(what.code);
  verdict.text = std::string(name(step.kind)) + " refused: " + text;
  if (what.remedy == Remedy::wait || what.remedy == Remedy::reconnect) {
    verdict.kind = SetupVerdict::Kind::try_later;
    return verdict;
  }
  // A name and an id are a convenience; what a right is missing for must not matter. No password
  // given, or a wrong one, is another thing.
  const bool optional = step.kind == Kind::set_name || step.kind == Kind::client_id;
  const bool credentials =
      what.code == "NOAUTH" || what.code == "WRONGPASS" || what.code == "DENIED";
  verdict.kind = optional && !credentials ? SetupVerdict::Kind::go_on : SetupVerdict::Kind::refuse;
  return verdict;
}

}  // namespace

SetupPlan make_setup_plan(const ConnectOptions& options,
                          std::span<const lua::Script* const> scripts) {
  SetupPlan plan;
  const std::string& password = options.password.reveal();
  if (!options.user.empty()) {
    plan.push_back({Kind::auth, Command::of("AUTH", options.user, password), {}});
  } else if (!password.empty()) {
    plan.push_back({Kind::auth, Command::of("AUTH", password), {}});
  }
  if (options.db != 0) plan.push_back({Kind::select, Command::of("SELECT", options.db), {}});
  if (!options.client_name.empty()) {
    plan.push_back({Kind::set_name, Command::of("CLIENT", "SETNAME", options.client_name), {}});
  }
  plan.push_back({Kind::client_id, Command::of("CLIENT", "ID"), {}});
  plan.push_back({Kind::time, Command::of("TIME"), {}});
  for (const lua::Script* const script : scripts) {
    plan.push_back(
        {Kind::load_script, Command::of("SCRIPT", "LOAD", script->source), script->sha1});
  }
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
