// serve: the dashboard.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <system_error>

#include "commands/commands.hpp"
#include "listen_at.hpp"
#include "web/dashboard.hpp"

namespace mxrmq {
namespace {

struct Settings {
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> hosts;
};

// There are no accounts: only who is on this machine may come.
void refuse_elsewhere(const ListenAt& at) {
  if (at.address == "127.0.0.1" || at.address == "::1") return;
  throw Refused(
      "--listen: only 127.0.0.1 and [::1]; whoever is elsewhere comes through a tunnel (ssh -L "
      "8080:127.0.0.1:8080) or a proxy with accounts of its own, named by --host");
}

ExitCode serve(Session& session, const Settings& settings) {
  sigset_t signals{};
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // for all threads that begin from here on
  const ListenAt at = parse_listen("--listen", settings.listen);
  refuse_elsewhere(at);
  web::HttpServer::Options listen;
  listen.address = at.address;
  listen.port = at.port;
  // Not initialized: that Redis is away is for the page to tell.
  mx_rmq::set_log_level(session.options().verbose ? mx_rmq::LogLevel::debug
                                                  : mx_rmq::LogLevel::off);
  mx_rmq::RedisMessageQueue queue(session.config());
  const std::string token = web::random_token();
  const web::Dashboard dashboard(queue, listen, {settings.hosts.begin(), settings.hosts.end()},
                                 token);
  std::cout << "http://" << url_host(at.address) << ':' << dashboard.port() << "/#token=" << token
            << std::endl;
  std::cerr << "mxrmq: open that address; Ctrl-C ends it\n";
  int signal = 0;
  ::sigwait(&signals, &signal);
  return ExitCode::ok;
}

}  // namespace

void add_serve(CLI::App& app, Session& session, Run& run) {
  const auto settings = std::make_shared<Settings>();
  CLI::App* const serving = app.add_subcommand("serve", "The dashboard, for a browser; read-only");
  serving->add_option("--listen", settings->listen,
                      "Address and port (127.0.0.1:8080); port 0 takes a free one");
  serving->add_option("--host", settings->hosts,
                      "A further name that browsers come by, with its port if that is not the "
                      "usual one: queues.example.com");
  serving->callback([&session, &run, settings] {
    run = [&session, settings] {
      try {
        return serve(session, *settings);
      } catch (const std::system_error& error) {
        std::cerr << "mxrmq: cannot listen at " << error.what() << '\n';
        return ExitCode::usage;
      }
    };
  });
}

}  // namespace mxrmq
