// history, stats: what happened, by the minute and now.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <thread>

#include "commands/commands.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// Of two states of the counters, what happened in between. A topic that was forgotten meanwhile
// began anew.
std::int64_t between(std::int64_t before, std::int64_t now) {
  return now >= before ? now - before : now;
}

json per_second(std::int64_t before, std::int64_t now, milliseconds time) {
  if (time.count() <= 0) return nullptr;
  const double rate =
      static_cast<double>(between(before, now)) * 1e3 / static_cast<double>(time.count());
  return std::round(rate * 10) / 10;
}

ExitCode show_history(Session& session, const std::string& topic, const std::string& range_text) {
  const milliseconds range = parse_duration("--range", range_text);
  const auto history = mx_rmq::sync_wait(session.queue().admin().history(topic, range));
  Output out(session.format(), {{"time"},
                                {"produced"},
                                {"completed"},
                                {"retried"},
                                {"died"},
                                {"expired"},
                                {"recovered"},
                                {"waiting"},
                                {"delayed"},
                                {"held"},
                                {"dead"},
                                {"oldest_ms"},
                                {"consumers"}});
  const mx_rmq::HistoryPoint* before = nullptr;
  for (const mx_rmq::HistoryPoint& each : history.points) {
    const auto since = [&](std::int64_t mx_rmq::MessageCounters::*counter) -> json {
      if (before == nullptr) return nullptr;
      return between(before->counters.*counter, each.counters.*counter);
    };
    using mx_rmq::MessageCounters;
    const auto at = std::chrono::duration_cast<milliseconds>(each.at.time_since_epoch()).count();
    out.row({utc(at).substr(0, 16), since(&MessageCounters::produced),
             since(&MessageCounters::completed), since(&MessageCounters::retried),
             since(&MessageCounters::dead), since(&MessageCounters::expired),
             since(&MessageCounters::recovered), each.pending, each.delayed, each.processing,
             each.dead_letters, each.oldest.count(), each.consumers});
    before = &each;
  }
  out.finish(
      "Nothing was noted of this topic in that time: nobody consumed it, and no exporter ran.");
  return ExitCode::ok;
}

void show_stats(Session& session, const mx_rmq::MetricsSnapshot& now,
                const mx_rmq::MetricsSnapshot& before, milliseconds time) {
  Output out(session.format(), {{"topic", 40},
                                {"in/s"},
                                {"out/s"},
                                {"retried/s"},
                                {"died/s"},
                                {"waiting"},
                                {"delayed"},
                                {"held"},
                                {"dead"},
                                {"oldest"}});
  for (const auto& [topic, each] : now.topics) {
    const auto found = before.topics.find(topic);
    const auto rate = [&](std::int64_t mx_rmq::MessageCounters::*counter) -> json {
      if (found == before.topics.end()) return nullptr;
      return per_second(found->second.counters.*counter, each.counters.*counter, time);
    };
    const auto oldest = each.ages.oldest();
    json age;
    if (oldest && session.format() == Format::table) age = in_words(*oldest);
    if (oldest && session.format() != Format::table) age = oldest->count();
    using mx_rmq::MessageCounters;
    out.row({topic, rate(&MessageCounters::produced), rate(&MessageCounters::completed),
             rate(&MessageCounters::retried), rate(&MessageCounters::dead), each.pending,
             each.delayed, each.processing, each.dead_letters, age});
  }
  out.finish("No topic yet: nothing was produced with this prefix. (--prefix, --url)");
}

// Rates need two looks: the first ones are those of the first second.
ExitCode stats(Session& session, const std::vector<std::string>& topics) {
  const bool again = !session.options().watch.empty();
  const milliseconds pause =
      again ? parse_duration("--watch", session.options().watch) : milliseconds(1'000);
  if (pause < milliseconds(100)) throw std::invalid_argument("--watch: 100ms or more is");
  mx_rmq::MetricsCollector metrics = session.queue().metrics();
  const auto look = [&] {
    return mx_rmq::sync_wait(topics.empty() ? metrics.collect_all() : metrics.collect(topics));
  };
  auto before = look();
  auto then = std::chrono::steady_clock::now();
  do {
    std::this_thread::sleep_for(pause);
    auto snapshot = look();
    const auto now = std::chrono::steady_clock::now();
    if (again && terminal::colourful()) std::cout << "\x1b[H\x1b[2J";
    show_stats(session, snapshot, before, std::chrono::duration_cast<milliseconds>(now - then));
    before = std::move(snapshot);
    then = now;
  } while (again && std::cout);
  return ExitCode::ok;
}

}  // namespace

void add_history(CLI::App& app, Session& session, Run& run) {
  CLI::App* const history = app.add_subcommand(
      "history", "What happened in a topic, by the minute or, beyond 8 hours, by ten of them");
  const auto topic = std::make_shared<std::string>();
  const auto range = std::make_shared<std::string>("1h");
  history->add_option("TOPIC", *topic, "Its name")->required();
  history->add_option("--range", *range, "How far back, at most 7d (1h)");
  history->callback([&session, &run, topic, range] {
    run = [&session, topic, range] { return show_history(session, *topic, *range); };
  });

  CLI::App* const now =
      app.add_subcommand("stats", "Rates of this second; --watch: again and again");
  const auto topics = std::make_shared<std::vector<std::string>>();
  now->add_option("TOPIC", *topics, "Only these (all)");
  now->callback(
      [&session, &run, topics] { run = [&session, topics] { return stats(session, *topics); }; });
}

}  // namespace mxrmq
