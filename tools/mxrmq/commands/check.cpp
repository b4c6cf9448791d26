// check, acl: for monitors and for who sets Redis up.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>

#include "acl_line.hpp"
#include "commands/commands.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

struct Limits {
  std::vector<std::string> topics;
  std::int64_t waiting_warn = -1, waiting_crit = -1;
  std::int64_t dead_warn = -1, dead_crit = -1;
  std::int64_t min_consumers = -1;
  std::string oldest_warn, oldest_crit;  // durations
};

// By the conventions of Nagios plugins, which most monitors read.
enum class State : int { ok = 0, warning = 1, critical = 2, unknown = 3 };

struct Finding {
  State state = State::ok;
  std::vector<std::string> why;

  void say(State worse, const std::string& text) {
    state = std::max(state, worse);
    why.push_back(text);
  }
  void older(std::int64_t value, std::int64_t warn, std::int64_t crit, const std::string& topic) {
    const std::string what =
        "next of " + topic + " waits for " + in_words(std::chrono::milliseconds(value));
    if (crit >= 0 && value >= crit) return say(State::critical, what);
    if (warn >= 0 && value >= warn) say(State::warning, what);
  }
  void above(std::int64_t value, std::int64_t warn, std::int64_t crit, const std::string& what) {
    if (crit >= 0 && value >= crit) return say(State::critical, grouped(value) + " " + what);
    if (warn >= 0 && value >= warn) say(State::warning, grouped(value) + " " + what);
  }
};

// A label of performance data in its quotes.
std::string label(const std::string& topic, const char* what) {
  return "'" + topic + " " + what + "'";
}

// -1: it was not given.
std::int64_t limit_of(const std::string& option, const std::string& text) {
  return text.empty() ? -1 : parse_duration(option, text).count();
}

ExitCode check(Session& session, const Limits& limits) {
  const std::int64_t oldest_warn = limit_of("--oldest-warn", limits.oldest_warn);
  const std::int64_t oldest_crit = limit_of("--oldest-crit", limits.oldest_crit);
  Finding finding;
  std::string data;
  std::size_t topics = 0;
  try {
    auto names = limits.topics;
    if (names.empty()) names = mx_rmq::sync_wait(session.queue().admin().topics());
    const auto snapshot = mx_rmq::sync_wait(session.queue().metrics().collect(names));
    topics = snapshot.topics.size();
    for (const auto& [topic, each] : snapshot.topics) {
      finding.above(each.pending, limits.waiting_warn, limits.waiting_crit, "waiting in " + topic);
      finding.above(each.dead_letters, limits.dead_warn, limits.dead_crit, "dead in " + topic);
      const auto oldest = each.ages.oldest().value_or(std::chrono::milliseconds(0));
      finding.older(oldest.count(), oldest_warn, oldest_crit, topic);
      if (each.consumers < limits.min_consumers)
        finding.say(State::critical, "only " + grouped(each.consumers) + " consumers of " + topic);
      data += " " + label(topic, "waiting") + "=" + std::to_string(each.pending) + " " +
              label(topic, "dead") + "=" + std::to_string(each.dead_letters) + " " +
              label(topic, "oldest") + "=" + std::to_string(oldest.count()) + "ms";
    }
  } catch (const mx_rmq::ServerError& error) {
    finding.say(State::unknown, error.what());
  } catch (const mx_rmq::Error& error) {
    finding.say(State::critical, error.what());
  }
  constexpr const char* words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  const int state = static_cast<int>(finding.state);
  std::cout << "MXRMQ " << words[state] << " - ";
  for (std::size_t i = 0; i < finding.why.size(); ++i)
    std::cout << (i > 0 ? ", " : "") << terminal::harmless(finding.why[i]);
  if (finding.why.empty()) std::cout << grouped(static_cast<std::int64_t>(topics)) << " topics";
  if (!data.empty()) std::cout << " |" << data;
  std::cout << std::endl;
  return static_cast<ExitCode>(state);
}

}  // namespace

void add_check(CLI::App& app, Session& session, Run& run) {
  const auto limits = std::make_shared<Limits>();
  CLI::App* const checking = app.add_subcommand(
      "check",
      "For monitors: 0 ok, 1 warning, 2 critical, 3 unknown, in the form of a Nagios plugin");
  const auto number = [&](const char* name, std::int64_t& value, const char* what) {
    checking->add_option(name, value, what)->check(CLI::NonNegativeNumber);
  };
  checking->add_option("TOPIC", limits->topics, "Only these (all)");
  number("--waiting-warn", limits->waiting_warn, "Warning from so many waiting in a topic on");
  number("--waiting-crit", limits->waiting_crit, "Critical from so many on");
  number("--dead-warn", limits->dead_warn, "Warning from so many dead letters in a topic on");
  number("--dead-crit", limits->dead_crit, "Critical from so many on");
  checking->add_option("--oldest-warn", limits->oldest_warn,
                       "Warning if the next message of a topic has waited for so long, as 1m");
  checking->add_option("--oldest-crit", limits->oldest_crit, "Critical if for so long, as 5m");
  number("--min-consumers", limits->min_consumers, "Critical if a topic has fewer");
  checking->callback(
      [&session, &run, limits] { run = [&session, limits] { return check(session, *limits); }; });

  CLI::App* const acl =
      app.add_subcommand("acl", "The rights that the library needs, as a line for redis.conf");
  const auto user = std::make_shared<std::string>("mxrmq");
  acl->add_option("--user", *user, "The user's name (mxrmq)");
  acl->callback([&session, &run, user] {
    run = [&session, user] {
      const std::string prefix = session.config().queue_prefix;
      std::cout << acl_line(*user, prefix.empty() ? "mx" : prefix) << '\n';
      return ExitCode::ok;
    };
  });
}

}  // namespace mxrmq
