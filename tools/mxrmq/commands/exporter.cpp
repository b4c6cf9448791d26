// exporter: figures of a whole Redis for Prometheus.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>

#include "commands/commands.hpp"
#include "listen_at.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

struct Settings {
  std::string listen = "127.0.0.1:9476";
  std::size_t max_topics = 500;
  std::string max_age = "5s";
};

// Signals are blocked in all threads and taken by this one.
class Stop {
 public:
  Stop() {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGINT);
    ::sigaddset(&signals_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  // True: it came; false: it has not in that time.
  [[nodiscard]] bool came_within(std::chrono::seconds time) const {
    const timespec limit{static_cast<time_t>(time.count()), 0};
    return ::sigtimedwait(&signals_, nullptr, &limit) > 0;
  }

 private:
  sigset_t signals_{};
};

// So that the history goes on though nobody consumes.
void note_history(mx_rmq::RedisMessageQueue& queue) {
  mx_rmq::Admin admin = queue.admin();
  for (const std::string& topic : mx_rmq::sync_wait(admin.topics()))
    mx_rmq::sync_wait(admin.note_history(topic));
}

ExitCode serve(Session& session, const Settings& settings) {
  const ListenAt at = parse_listen("--listen", settings.listen);
  const auto max_age = parse_duration("--max-age", settings.max_age);
  const Stop stop;
  mx_rmq::set_log_level(session.options().verbose ? mx_rmq::LogLevel::debug
                                                  : mx_rmq::LogLevel::warn);
  // Not initialized: that Redis is away is one of the figures.
  mx_rmq::RedisMessageQueue queue(session.config());
  const auto options = mx_rmq::MetricsServerOptions()
                           .address(at.address)
                           .port(at.port)
                           .scope(mx_rmq::MetricsScope::cluster)
                           .max_topics(settings.max_topics)
                           .max_age(max_age);
  const std::uint16_t port = mx_rmq::sync_wait(queue.serve_metrics(options));
  std::cerr << "mxrmq: metrics at http://" << url_host(at.address) << ':' << port << "/metrics\n";
  bool told = false;
  do {
    try {
      note_history(queue);
      told = false;
    } catch (const mx_rmq::Error& error) {
      if (!std::exchange(told, true))
        std::cerr << "mxrmq: no history is noted: " << error.what() << '\n';
    }
  } while (!stop.came_within(std::chrono::seconds(20)));
  return ExitCode::ok;
}

}  // namespace

void add_exporter(CLI::App& app, Session& session, Run& run) {
  const auto settings = std::make_shared<Settings>();
  CLI::App* const exporter = app.add_subcommand(
      "exporter", "Figures of all topics for Prometheus, over HTTP; one for each Redis is enough");
  exporter->add_option("--listen", settings->listen, "ADDRESS:PORT (127.0.0.1:9476)");
  exporter
      ->add_option("--max-topics", settings->max_topics,
                   "Of more topics the rest is told together, as _other (500)")
      ->check(CLI::PositiveNumber);
  exporter->add_option("--max-age", settings->max_age,
                       "Ask Redis no more often than that, whoever reads (5s)");
  exporter->callback([&session, &run, settings] {
    run = [&session, settings] { return serve(session, *settings); };
  });
}

}  // namespace mxrmq
