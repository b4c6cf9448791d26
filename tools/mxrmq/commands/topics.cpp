// topics, topic: what there is, in numbers.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <thread>

#include "commands/commands.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::vector<std::string> known_topics(Session& session) {
  return mx_rmq::sync_wait(session.queue().admin().topics());
}

mx_rmq::MetricsSnapshot collect(Session& session, std::vector<std::string> topics) {
  return mx_rmq::sync_wait(session.queue().metrics().collect(std::move(topics)));
}

// For how long: for people in words, for programs in milliseconds.
json age(Session& session, std::optional<std::chrono::milliseconds> waits) {
  if (!waits) return nullptr;
  if (session.format() == Format::table) return in_words(*waits);
  return waits->count();
}

ExitCode show_topics(Session& session) {
  const auto snapshot = collect(session, known_topics(session));
  Output out(session.format(), {{"topic", 40},
                                {"waiting"},
                                {"delayed"},
                                {"held"},
                                {"dead"},
                                {"oldest"},
                                {"consumers"},
                                {"paused"},
                                {"produced"},
                                {"completed"},
                                {"retried"}});
  for (const auto& [topic, each] : snapshot.topics)
    out.row({topic, each.pending, each.delayed, each.processing, each.dead_letters,
             age(session, each.ages.oldest()), each.consumers, each.paused, each.counters.produced,
             each.counters.completed, each.counters.retried});
  out.finish("No topic yet: nothing was produced with this prefix. (--prefix, --url)");
  return ExitCode::ok;
}

// Shows it again every --watch, in the place of the last one on a terminal, until Ctrl-C.
ExitCode repeatedly(Session& session, const std::function<ExitCode()>& show) {
  if (session.options().watch.empty()) return show();
  const auto pause = parse_duration("--watch", session.options().watch);
  if (pause < std::chrono::milliseconds(100))
    throw std::invalid_argument("--watch: 100ms or more is");
  for (;;) {
    if (terminal::colourful()) std::cout << "\x1b[H\x1b[2J";
    const ExitCode code = show();
    if (code != ExitCode::ok || !std::cout) return code;
    std::this_thread::sleep_for(pause);
  }
}

// "partitions=4", and so on: all are read before anything is changed.
mx_rmq::TopicSettings settings_of(const std::vector<std::string>& words) {
  mx_rmq::TopicSettings settings;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name != "partitions")
      throw std::invalid_argument("set: \"" + word + "\": what can be set is partitions=N");
    const bool number = !value.empty() && value.size() <= 4 &&
                        value.find_first_not_of("0123456789") == std::string::npos;
    if (!number)
      throw std::invalid_argument("partitions: \"" + value + "\" is no number up to 1024");
    settings.partitions(std::stoi(value));
  }
  return settings;
}

ExitCode set_topic(Session& session, const std::string& topic,
                   const std::vector<std::string>& words) {
  const mx_rmq::TopicSettings settings = settings_of(words);
  const std::string what = "change the settings of \"" + topic + "\" for all processes";
  if (session.options().dry_run) {
    std::cout << "would " << what << '\n';
    return ExitCode::ok;
  }
  if (!session.allowed("Really " + what + "? Partitions cannot become fewer again."))
    return ExitCode::refused;
  mx_rmq::sync_wait(session.queue().configure(topic, settings));
  return ExitCode::ok;
}

ExitCode show_topic(Session& session, const std::string& topic) {
  const auto snapshot = collect(session, {topic});
  const mx_rmq::TopicMetrics& metrics = snapshot.topics.at(topic);
  const mx_rmq::MessageCounters& counters = metrics.counters;
  if (counters.produced == 0 && metrics.total() == 0 && metrics.consumers == 0) {
    std::cerr << "mxrmq: there is no topic \"" << topic << "\" with this prefix\n";
    return ExitCode::not_found;
  }
  ordered_json record;
  record["topic"] = topic;
  record["partitions"] =
      mx_rmq::sync_wait(session.queue().settings(topic)).partitions().value_or(1);
  record["paused"] = metrics.paused;
  if (metrics.paused_until) {
    record["paused_until"] =
        utc(std::chrono::floor<std::chrono::milliseconds>(metrics.paused_until->time_since_epoch())
                .count());
  }
  record["waiting"] = metrics.pending;
  record["suspects"] = metrics.suspects;
  record["delayed"] = metrics.delayed;
  record["held"] = metrics.processing;
  record["dead"] = metrics.dead_letters;
  record["consumers"] = metrics.consumers;
  record["oldest"] = age(session, metrics.ages.oldest());
  record["oldest_high"] = age(session, metrics.ages.high);
  record["oldest_normal"] = age(session, metrics.ages.normal);
  record["oldest_low"] = age(session, metrics.ages.low);
  record["oldest_suspect"] = age(session, metrics.ages.suspect);
  record["oldest_due"] = age(session, metrics.ages.due);
  record["produced"] = counters.produced;
  record["duplicates"] = counters.duplicates;
  record["completed"] = counters.completed;
  record["retried"] = counters.retried;
  record["became_dead"] = counters.dead;
  for (const auto& [reason, count] : metrics.dead_by_reason) record["dead_" + reason] = count;
  record["expired"] = counters.expired;
  record["cancelled"] = counters.cancelled;
  record["recovered"] = counters.recovered;
  record["lease_lost"] = counters.lease_lost;
  record["requeued"] = counters.requeued;
  record["removed"] = counters.removed;
  record["dropped"] = counters.dropped;
  write_record(session.format(), record);
  return ExitCode::ok;
}

}  // namespace

void add_topics(CLI::App& app, Session& session, Run& run) {
  CLI::App* const all = app.add_subcommand("topics", "All topics, with what waits in each");
  all->callback(
      [&] { run = [&] { return repeatedly(session, [&] { return show_topics(session); }); }; });

  CLI::App* const one =
      app.add_subcommand("topic", "One topic: what it holds, its settings and counters");
  const auto topic = std::make_shared<std::string>();
  one->add_option("TOPIC", *topic, "Its name")->required();
  CLI::App* const set =
      one->add_subcommand("set", "Change settings of the topic for all processes: partitions=N");
  const auto words = std::make_shared<std::vector<std::string>>();
  set->add_option("NAME=VALUE", *words, "What to set")->required();
  one->callback([&session, &run, topic, words] {
    run = [&session, topic, words] {
      if (!words->empty()) return set_topic(session, *topic, *words);
      return repeatedly(session, [&] { return show_topic(session, *topic); });
    };
  });
}

}  // namespace mxrmq
