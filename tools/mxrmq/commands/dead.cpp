// dead ...: looks at dead letters, puts them back to work, throws them away.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <thread>

#include "commands/commands.hpp"
#include "dead_filter.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using mx_rmq::DeadLetter;
using nlohmann::json;
using nlohmann::ordered_json;

struct Asked {
  std::string topic;
  std::vector<std::string> ids;
  std::string reason;
  std::string error;
  std::string before;
  std::string rate;
  std::int64_t limit = 0;  // 0: the command's own
  std::int64_t offset = 0;
  bool all = false;
};

DeadFilter filter_of(const Asked& asked) {
  DeadFilter filter;
  filter.reason = asked.reason;
  filter.error = asked.error;
  if (!asked.before.empty()) filter.before = parse_time("--before", asked.before);
  return filter;
}

// Calls `each` with those that match, the newest first, until it returns false. Says how far it is
// when that takes long.
void walk(Session& session, const Asked& asked, const std::function<bool(DeadLetter&)>& each) {
  const DeadFilter filter = filter_of(asked);
  auto letters = session.queue().dead_letters();
  constexpr std::int64_t page = 500;
  std::int64_t seen = 0;
  for (;;) {
    auto found = mx_rmq::sync_wait(letters.list(asked.topic, asked.offset + seen, page));
    for (DeadLetter& letter : found)
      if (filter.matches(letter) && !each(letter)) return;
    seen += static_cast<std::int64_t>(found.size());
    if (static_cast<std::int64_t>(found.size()) < page) break;
    if (terminal::interactive()) std::cerr << "\rlooked at " << grouped(seen) << std::flush;
  }
  if (terminal::interactive() && seen >= page) std::cerr << "\r\x1b[K";
}

ExitCode list(Session& session, const Asked& asked) {
  Output out(session.format(),
             {{"id", 40}, {"reason"}, {"died"}, {"attempts"}, {"error", 60}, {"payload", 60}});
  std::int64_t left = asked.limit > 0 ? asked.limit : 50;
  walk(session, asked, [&](DeadLetter& letter) {
    out.row({letter.message.id, letter.reason, utc(letter.dead_at), letter.message.meta.retry_count,
             letter.last_error, letter.message.payload.dump()});
    return --left > 0;
  });
  out.finish("No dead letter of \"" + asked.topic + "\" that fits.");
  return ExitCode::ok;
}

ExitCode show(Session& session, const Asked& asked) {
  ExitCode code = ExitCode::ok;
  for (const std::string& id : asked.ids) {
    const auto letter = mx_rmq::sync_wait(session.queue().dead_letters().get(asked.topic, id));
    if (!letter) {
      std::cerr << "mxrmq: there is no dead letter \"" << terminal::harmless(id) << "\" in \""
                << asked.topic << "\"\n";
      code = ExitCode::not_found;
      continue;
    }
    const mx_rmq::MessageMeta& meta = letter->message.meta;
    ordered_json record;
    record["id"] = letter->message.id;
    record["topic"] = letter->message.topic;
    record["reason"] = letter->reason;
    record["error"] = letter->last_error;
    record["died"] = utc(letter->dead_at);
    record["produced"] = utc(letter->message.created_at);
    record["priority"] = std::string(to_string(letter->message.priority));
    record["attempts"] = meta.retry_count;
    record["recoveries"] = meta.recoveries;
    record["interruptions"] = meta.interruptions;
    json times = json::array();
    for (const std::int64_t at : meta.attempt_times) times.push_back(utc(at));
    record["attempt_times"] = times;
    record["headers"] = letter->message.headers;
    record["payload"] = letter->message.payload;
    if (!letter->raw.empty()) record["raw"] = letter->raw;
    write_record(session.format(), record);
  }
  return code;
}

ExitCode groups(Session& session, const Asked& asked) {
  struct Group {
    std::int64_t count = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::string sample;
  };
  std::map<std::pair<std::string, std::string>, Group> found;
  std::int64_t left = asked.limit > 0 ? asked.limit : 100'000;
  walk(session, asked, [&](DeadLetter& letter) {
    Group& group = found[{letter.reason, normalised(letter.last_error)}];
    if (group.count++ == 0) {
      group.last = letter.dead_at;
      group.sample = letter.message.id;
    }
    group.first = letter.dead_at;
    return --left > 0;
  });
  std::vector<std::pair<std::pair<std::string, std::string>, Group>> sorted(found.begin(),
                                                                            found.end());
  std::ranges::stable_sort(
      sorted, [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  Output out(session.format(),
             {{"count"}, {"reason"}, {"error", 80}, {"first"}, {"last"}, {"sample"}});
  for (const auto& [what, group] : sorted)
    out.row(
        {group.count, what.first, what.second, utc(group.first), utc(group.last), group.sample});
  out.finish("No dead letter of \"" + asked.topic + "\" that fits.");
  return ExitCode::ok;
}

ExitCode export_letters(Session& session, const Asked& asked) {
  std::int64_t left = asked.limit > 0 ? asked.limit : INT64_MAX;
  walk(session, asked, [&](DeadLetter& letter) {
    ordered_json line;
    line["reason"] = letter.reason;
    line["last_error"] = letter.last_error;
    line["dead_at"] = letter.dead_at;
    line["message"] = json(letter.message);
    if (!letter.raw.empty()) line["raw"] = letter.raw;
    std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
    return --left > 0 && std::cout.good();
  });
  std::cout << std::flush;
  return ExitCode::ok;
}

// What of the asked-for is there now, the oldest first: nothing else is touched.
std::vector<std::string> chosen(Session& session, const Asked& asked) {
  if (!asked.ids.empty()) return asked.ids;
  std::vector<std::string> ids;
  const std::size_t most = asked.limit > 0 ? static_cast<std::size_t>(asked.limit) : SIZE_MAX;
  walk(session, asked, [&](DeadLetter& letter) {
    ids.push_back(letter.message.id);
    return true;
  });
  std::ranges::reverse(ids);
  if (ids.size() > most) ids.resize(most);
  return ids;
}

struct Tally {
  std::int64_t done = 0;
  std::int64_t missing = 0;
  std::int64_t unknown = 0;
};

// One after the other, at most `rate` a second.
Tally act_on(Session& session, const Asked& asked, const std::vector<std::string>& ids,
             bool requeue) {
  Tally tally;
  const double rate = asked.rate.empty() ? 0 : parse_rate("--rate", asked.rate);
  auto letters = session.queue().dead_letters();
  auto next = std::chrono::steady_clock::now();
  for (const std::string& id : ids) {
    if (rate > 0) {
      std::this_thread::sleep_until(next);
      next += std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          std::chrono::duration<double>(1 / rate));
    }
    try {
      const bool did = mx_rmq::sync_wait(requeue ? letters.requeue(asked.topic, id)
                                                 : letters.remove(asked.topic, id));
      ++(did ? tally.done : tally.missing);
    } catch (const mx_rmq::OutcomeUnknown&) {
      ++tally.unknown;
    } catch (...) {
      std::cerr << "mxrmq: " << grouped(tally.done) << " were done before what follows\n";
      throw;
    }
    const std::int64_t so_far = tally.done + tally.missing + tally.unknown;
    if (so_far % 100 == 0 && terminal::interactive())
      std::cerr << '\r' << grouped(so_far) << " of "
                << grouped(static_cast<std::int64_t>(ids.size())) << std::flush;
  }
  if (ids.size() >= 100 && terminal::interactive()) std::cerr << "\r\x1b[K";
  return tally;
}

ExitCode act(Session& session, const Asked& asked, bool requeue) {
  const bool filtered = !asked.reason.empty() || !asked.error.empty() || !asked.before.empty();
  if (asked.ids.empty() && !filtered && !asked.all)
    throw std::invalid_argument("say which: ids, --reason, --error, --before, or --all of them");
  if (!asked.ids.empty() && (filtered || asked.all))
    throw std::invalid_argument("ids and filters: give one of them");
  const std::vector<std::string> ids = chosen(session, asked);
  const auto count = static_cast<std::int64_t>(ids.size());
  if (count == 0) {
    std::cerr << "No dead letter of \"" << asked.topic << "\" that fits.\n";
    return ExitCode::not_found;
  }
  const char* const verb = requeue ? "requeue" : "remove";
  const std::string what =
      std::string(verb) + " " + grouped(count) + " of the dead letters of \"" + asked.topic + "\"";
  if (session.options().dry_run) {
    std::cout << "would " << what << ", the oldest " << terminal::harmless(ids.front()) << '\n';
    return ExitCode::ok;
  }
  const bool ask = !requeue || count > 1;
  if (ask && !session.allowed("Really " + what + "?")) return ExitCode::refused;
  const Tally tally = act_on(session, asked, ids, requeue);
  ordered_json record;
  record[requeue ? "requeued" : "removed"] = tally.done;
  record["skipped"] = tally.missing;
  record["unknown"] = tally.unknown;
  write_record(session.format(), record);
  if (tally.unknown > 0) return ExitCode::unknown;
  if (tally.missing == 0) return ExitCode::ok;
  return tally.done == 0 ? ExitCode::not_found : ExitCode::partial;
}

ExitCode purge(Session& session, const Asked& asked) {
  auto letters = session.queue().dead_letters();
  const std::int64_t count = mx_rmq::sync_wait(letters.count(asked.topic));
  if (session.options().dry_run) {
    std::cout << "would throw away all " << grouped(count) << " dead letters of \"" << asked.topic
              << "\"\n";
    return ExitCode::ok;
  }
  if (!session.allowed("Throw away all " + grouped(count) + " dead letters of \"" + asked.topic +
                       "\" for ever?"))
    return ExitCode::refused;
  ordered_json record;
  record["removed"] = mx_rmq::sync_wait(letters.purge(asked.topic));
  write_record(session.format(), record);
  return ExitCode::ok;
}

using Command = ExitCode (*)(Session&, const Asked&);

struct Adding {
  CLI::App& dead;
  Session& session;
  Run& run;

  CLI::App* command(const char* name, const char* what, std::shared_ptr<Asked> asked,
                    std::function<ExitCode(Session&, const Asked&)> function) const {
    CLI::App* const added = dead.add_subcommand(name, what);
    added->add_option("TOPIC", asked->topic, "Their topic")->required();
    added->callback([this_session = &session, this_run = &run, asked, function] {
      *this_run = [=] { return function(*this_session, *asked); };
    });
    return added;
  }
};

void add_filter(CLI::App* command, Asked& asked, const char* limit) {
  command->add_option("--reason", asked.reason,
                      "retries, rejected, expired, decode, poison or interrupted");
  command->add_option("--error", asked.error, "Last error like this; * stands for any text");
  command->add_option("--before", asked.before,
                      "Died before: 2026-11-28T15:04:05Z or unix milliseconds");
  command->add_option("--limit", asked.limit, limit)->check(CLI::PositiveNumber);
}

}  // namespace

void add_dead(CLI::App& app, Session& session, Run& run) {
  CLI::App* const dead = app.add_subcommand(
      "dead", "Dead letters: list, show, groups, requeue, remove, purge, export");
  dead->require_subcommand(1);
  const Adding adding{*dead, session, run};
  const auto make = [] { return std::make_shared<Asked>(); };

  auto asked = make();
  CLI::App* command = adding.command("list", "The newest first", asked, list);
  add_filter(command, *asked, "How many (50)");
  command->add_option("--offset", asked->offset, "Without the newest so many")
      ->check(CLI::NonNegativeNumber);

  asked = make();
  command = adding.command("show", "All that is known of some", asked, show);
  command->add_option("ID", asked->ids, "Their ids")->required();

  asked = make();
  command = adding.command(
      "groups",
      "How many died of what: errors that differ in numbers, ids and quoted parts are one", asked,
      groups);
  add_filter(command, *asked, "Look at so many, the newest (100,000)");

  asked = make();
  command =
      adding.command("export", "As JSON, one a line, the newest first", asked, export_letters);
  add_filter(command, *asked, "How many (all)");

  for (const bool requeue : {true, false}) {
    asked = make();
    command =
        adding.command(requeue ? "requeue" : "remove",
                       requeue ? "Put some back to work, as new, the oldest first"
                               : "Throw some away; their chosen ids may be used again",
                       asked, [requeue](Session& s, const Asked& a) { return act(s, a, requeue); });
    command->add_option("ID", asked->ids, "Their ids; or a filter, or --all");
    command->add_flag("--all", asked->all, "All that are dead now");
    add_filter(command, *asked, "The oldest so many (all)");
    command->add_option("--rate", asked->rate, "At most so many: 50/s, 600/m");
  }
  asked = make();
  adding.command("purge", "Throw all away that are dead now", asked, purge);
}

}  // namespace mxrmq
