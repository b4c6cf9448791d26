// promote, reschedule, reprioritise, move, purge: changes messages that no worker holds.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>

#include "commands/adding.hpp"
#include "commands/commands.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using mx_rmq::ChangeOutcome;
using mx_rmq::MessageChange;
using mx_rmq::MessageState;
using nlohmann::json;
using nlohmann::ordered_json;

struct Asked {
  std::string topic;
  std::vector<std::string> ids;
  std::string id;  // where it is one
  std::string at;
  std::string priority;
  std::string to;
  std::string state;
};

ExitCode code_of(const std::vector<MessageChange>& changes) {
  const auto is = [](ChangeOutcome outcome) {
    return [outcome](const MessageChange& each) { return each.outcome == outcome; };
  };
  const auto good = [](const MessageChange& each) {
    return each.outcome == ChangeOutcome::done || each.outcome == ChangeOutcome::already;
  };
  if (std::ranges::any_of(changes, is(ChangeOutcome::unknown))) return ExitCode::unknown;
  if (std::ranges::all_of(changes, good)) return ExitCode::ok;
  if (std::ranges::any_of(changes, good)) return ExitCode::partial;
  if (std::ranges::all_of(changes, is(ChangeOutcome::not_found))) return ExitCode::not_found;
  if (std::ranges::all_of(changes, is(ChangeOutcome::refused))) return ExitCode::refused;
  return ExitCode::partial;
}

ExitCode tell(Session& session, const std::vector<MessageChange>& changes) {
  Output out(session.format(), {{"id", 40}, {"outcome"}, {"state"}});
  for (const MessageChange& each : changes)
    out.row({each.id, std::string(to_string(each.outcome)),
             each.state ? json(std::string(to_string(*each.state))) : json()});
  out.finish("");
  return code_of(changes);
}

// With --dry-run: where they are.
ExitCode only_say(Session& session, const Asked& asked, const std::string& what) {
  std::size_t there = 0;
  Output out(session.format(), {{"id", 40}, {"state"}});
  for (const std::string& id : asked.ids) {
    const auto found = mx_rmq::sync_wait(session.queue().admin().find(asked.topic, id));
    if (found.message) ++there;
    out.row({id, found.message ? json(std::string(to_string(found.message->state))) : json()});
  }
  out.finish("");
  std::cerr << "would " << what << '\n';
  if (there == asked.ids.size()) return ExitCode::ok;
  return there == 0 ? ExitCode::not_found : ExitCode::partial;
}

bool may(const Session& session, const Asked& asked, const std::string& what) {
  if (asked.ids.size() == 1) return true;  // one that was named
  return session.allowed("Really " + what + " " +
                         grouped(static_cast<std::int64_t>(asked.ids.size())) + " messages of \"" +
                         asked.topic + "\", the first " + terminal::harmless(asked.ids.front()) +
                         "?");
}

// One after the other.
template <class Change>
ExitCode each_of(Session& session, const Asked& asked, const std::string& what, Change change) {
  if (session.options().dry_run) return only_say(session, asked, what);
  if (!may(session, asked, what)) return ExitCode::refused;
  std::vector<MessageChange> changes;
  for (const std::string& id : asked.ids) {
    try {
      changes.push_back(mx_rmq::sync_wait(change(session.queue().admin(), id)));
    } catch (const mx_rmq::Error&) {
      if (changes.empty()) throw;
      tell(session, changes);
      const ExitCode code = guarded([]() -> ExitCode { throw; });
      return code == ExitCode::unknown ? code : ExitCode::partial;
    }
  }
  return tell(session, changes);
}

ExitCode promote(Session& session, const Asked& asked) {
  if (session.options().dry_run) return only_say(session, asked, "promote");
  if (!may(session, asked, "promote")) return ExitCode::refused;
  return tell(session, mx_rmq::sync_wait(session.queue().admin().promote(asked.topic, asked.ids)));
}

ExitCode reschedule(Session& session, const Asked& asked) {
  const std::chrono::system_clock::time_point at{
      std::chrono::milliseconds(parse_time("--at", asked.at))};
  return each_of(session, asked, "reschedule", [&](mx_rmq::Admin admin, const std::string& id) {
    return admin.reschedule(asked.topic, id, at);
  });
}

ExitCode reprioritise(Session& session, const Asked& one) {
  const auto priority = mx_rmq::message_priority_from_string(one.priority);
  Asked asked = one;
  asked.ids = {one.id};
  return each_of(session, asked, "reprioritise", [&](mx_rmq::Admin admin, const std::string& id) {
    return admin.reprioritise(asked.topic, id, priority);
  });
}

ExitCode move(Session& session, const Asked& asked) {
  return each_of(session, asked, "move", [&](mx_rmq::Admin admin, const std::string& id) {
    return admin.move(asked.topic, id, asked.to);
  });
}

ExitCode purge(Session& session, const Asked& asked) {
  const MessageState state = mx_rmq::message_state_from_string(asked.state);
  mx_rmq::PageRequest first;
  first.limit = 3;
  first.payload_bytes = 0;
  const auto page = mx_rmq::sync_wait(session.queue().admin().list(asked.topic, state, first));
  std::string what = "throw away all " + grouped(page.total) + " " + asked.state +
                     " messages of \"" + asked.topic + "\" for ever";
  if (!page.messages.empty()) what += ", the first " + terminal::harmless(page.messages.front().id);
  if (session.options().dry_run) {
    std::cout << "would " << what << '\n';
    return ExitCode::ok;
  }
  if (page.total > 0 && !session.typed("This will " + what + ".", asked.topic))
    return ExitCode::refused;
  ordered_json record;
  record["removed"] = mx_rmq::sync_wait(session.queue().admin().purge(asked.topic, state));
  write_record(session.format(), record);
  return ExitCode::ok;
}

}  // namespace

void add_change(CLI::App& app, Session& session, Run& run) {
  const Adding<Asked> adding{app, session, run};
  auto asked = std::make_shared<Asked>();
  CLI::App* command = adding.command("promote", "Make delayed messages ready now", asked, promote);
  command->add_option("ID", asked->ids, "Their ids")->required();

  asked = std::make_shared<Asked>();
  command = adding.command("reschedule", "Have messages be due at another time", asked, reschedule);
  command->add_option("ID", asked->ids, "Their ids")->required();
  command->add_option("--at", asked->at, "2026-11-28T15:04:05Z, or unix milliseconds")->required();

  asked = std::make_shared<Asked>();
  command = adding.command("reprioritise", "Give a message another priority", asked, reprioritise);
  command->add_option("ID", asked->id, "Its id")->required();
  command->add_option("PRIORITY", asked->priority, "high, normal or low")->required();

  asked = std::make_shared<Asked>();
  command = adding.command("move", "Move messages to another topic (never lost, may be in both)",
                           asked, move);
  command->add_option("ID", asked->ids, "Their ids")->required();
  command->add_option("--to", asked->to, "The other topic")->required();

  asked = std::make_shared<Asked>();
  command = adding.command("purge", "Throw away what waits or is delayed now", asked, purge);
  command->add_option("--state", asked->state, "waiting, suspect, delayed or dead")->required();
}

}  // namespace mxrmq
