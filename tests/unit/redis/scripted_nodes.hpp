// Several servers that are not there, told apart by their ports, and a client of theirs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "redis/topology/client.hpp"
#include "runtime/on_loop.hpp"
#include "runtime/scope.hpp"
#include "unit/redis/evalsha.hpp"
#include "unit/redis/machine.hpp"
#include "unit/redis/scripted_server.hpp"

namespace mx_rmq::redis {

inline constexpr const lua::Script* node_scripts[] = {&test_script};

// A transport to whichever server has the port that it is told to connect to.
class NodeTransport final : public Transport {
 public:
  using Nodes = std::map<int, std::shared_ptr<ServerScript>>;

  NodeTransport(runtime::EventLoop& loop, TransportEvents& events, std::shared_ptr<Nodes> nodes)
      : loop_(loop), events_(events), nodes_(std::move(nodes)) {}
  void connect(const Address& address) override {
    std::shared_ptr<ServerScript>& server = (*nodes_)[address.port];
    if (server == nullptr) {
      server = std::make_shared<ServerScript>();
      server->refuse_connections = true;
    }
    server->any_setup = true;
    there_ = std::make_unique<ScriptedTransport>(loop_, events_, server, node_scripts);
    there_->connect(address);
  }
  std::size_t write(std::span<const SharedBytes> buffers, std::size_t skip) override {
    return there_->write(buffers, skip);
  }
  void close() override {
    if (there_ != nullptr) there_->close();
  }

 private:
  runtime::EventLoop& loop_;
  TransportEvents& events_;
  const std::shared_ptr<Nodes> nodes_;
  std::unique_ptr<ScriptedTransport> there_;
};

struct End {
  std::string reply, error;
};

// What a test of a kind of Redis works with. The client is made by the test.
class NodesWorld {
 public:
  NodesWorld() = default;
  ~NodesWorld() { close(); }
  // For the destructor of who has more than this: nodes answer until then.
  void close() {
    if (client == nullptr) return;
    run([this] { return client->close(loop().now() + std::chrono::seconds(1)); });
    on_loop([this] { client.reset(); });
  }
  NodesWorld(const NodesWorld&) = delete;
  NodesWorld& operator=(const NodesWorld&) = delete;

  runtime::EventLoop& loop() { return runtime_.event_loop(); }
  ServerScript& node(int port) {
    std::shared_ptr<ServerScript>& server = (*nodes_)[port];
    if (server == nullptr) server = std::make_shared<ServerScript>();
    return *server;
  }
  Seams seams() {
    Seams seams = scripted_seams(loop(), nullptr, node_scripts);
    seams.transport = [this](TransportEvents& events) {
      return std::make_unique<NodeTransport>(loop(), events, nodes_);
    };
    return seams;
  }
  static ClientOptions options(int port) {
    ClientOptions options;
    options.endpoint.host = "seed";
    options.endpoint.port = port;
    options.pool_size = 2;
    options.scripts = node_scripts;
    options.connection.backoff_min = std::chrono::milliseconds(1);
    options.connection.backoff_max = std::chrono::milliseconds(5);
    return options;
  }

  template <class Make>
  void run(Make make) {
    sync_wait(runtime::run_on(loop(), std::move(make)));
  }
  void on_loop(std::function<void()> what) {
    run([&what] { return call_it(&what); });
  }
  // Over the route to produce for `tag`; a script, of which the reply must be a text.
  End eval(std::string tag, std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
    End end;
    run([&] { return eval_to(this, tag, loop().now() + timeout, &end); });
    return end;
  }
  // The same for one command.
  End echo(std::string tag, std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
    End end;
    run([&] { return echo_to(this, tag, loop().now() + timeout, &end); });
    return end;
  }
  // Begun now; `end` has it once `over()` says so.
  void spawn_eval(std::string tag, End* end) {
    on_loop([&] {
      if (scope_ == nullptr) scope_ = std::make_unique<runtime::Scope>(loop());
      scope_->spawn(eval_to(this, tag, loop().now() + std::chrono::seconds(20), end));
    });
  }
  void join() {
    run([this] { return scope_->join(); });
    on_loop([this] { scope_.reset(); });
  }
  // What the client's check() throws; empty if nothing.
  std::string check(std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
    std::string error;
    run([&] { return check_to(this, loop().now() + timeout, &error); });
    return error;
  }
  // How many commands of that name a node got.
  int count(int port, const std::string& name) {
    int count = 0;
    on_loop([&] {
      for (const Arguments& each : node(port).commands) count += each[0] == name ? 1 : 0;
    });
    return count;
  }

  int connections(int port) {
    int count = 0;
    on_loop([&] { count = node(port).connections; });
    return count;
  }

  std::shared_ptr<Client> client;

 private:
  static Task<> call_it(std::function<void()>* call) {
    (*call)();
    co_return;
  }
  static Task<> eval_to(NodesWorld* world, std::string tag, TimePoint deadline, End* end) {
    const std::string_view arguments[] = {"x"};
    Command command = evalsha(test_script, {}, arguments);
    Route& route = world->client->route(LaneRole::produce, tag);
    try {
      const Reply reply = co_await route.eval(test_script, std::move(command), deadline);
      end->reply = reply.as_string();
    } catch (const Error& error) {
      end->error = name_of(error);
    }
  }
  static Task<> echo_to(NodesWorld* world, std::string tag, TimePoint deadline, End* end) {
    Command command = Command::of("ECHO", "x");
    Route& route = world->client->route(LaneRole::produce, tag);
    try {
      const Reply reply = co_await route.send(std::move(command), deadline);
      end->reply = reply.is_error() ? reply.error_text() : reply.as_string();
    } catch (const Error& error) {
      end->error = name_of(error);
    }
  }
  static Task<> check_to(NodesWorld* world, TimePoint deadline, std::string* error) {
    try {
      co_await world->client->check(deadline);
    } catch (const Error& thrown) {
      *error = name_of(thrown);
    }
  }
  static std::string name_of(const Error& error) {
    const std::string text = error.what();
    if (dynamic_cast<const OutcomeUnknown*>(&error) != nullptr) return "unknown: " + text;
    if (dynamic_cast<const ConnectionError*>(&error) != nullptr) return "connection: " + text;
    if (dynamic_cast<const TimeoutError*>(&error) != nullptr) return "timeout: " + text;
    if (dynamic_cast<const ShutdownError*>(&error) != nullptr) return "shutdown: " + text;
    return text;
  }

  const std::shared_ptr<NodeTransport::Nodes> nodes_ = std::make_shared<NodeTransport::Nodes>();
  std::unique_ptr<runtime::Scope> scope_;
  Runtime runtime_;
};

// CLUSTER SLOTS: who serves from which slot to which, by port.
struct Part {
  int first, last, port;
};
inline std::string cluster_slots(const std::vector<Part>& parts) {
  std::string text = "*" + std::to_string(parts.size()) + "\r\n";
  for (const Part& part : parts) {
    text += "*3\r\n:" + std::to_string(part.first) + "\r\n:" + std::to_string(part.last) +
            "\r\n*4\r\n" + bulk("node") + ":" + std::to_string(part.port) + "\r\n" + bulk("id") +
            "*0\r\n";
  }
  return text;
}

}  // namespace mx_rmq::redis
