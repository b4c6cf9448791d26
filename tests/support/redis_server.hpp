// A redis-server of a test's own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "support/child_process.hpp"
#include "support/redis_client.hpp"

namespace mx_rmq::test {

struct RedisOptions {
  bool tcp = false;         // also listen on a free port of 127.0.0.1
  bool tls = false;         // that port speaks TLS; `config` says with what, see TlsServer
  bool cluster = false;     // with tcp: a node of a Cluster; see RedisCluster
  bool appendonly = false;  // keep data over kill9() and restart()
  std::string appendfsync = "everysec";
  std::string password = {};                  // requirepass
  bool debug_command = false;                 // DEBUG, from Redis 7 on off by default
  std::vector<std::string> users = {};        // ACL lines, as "bob on >secret ~* &* +@all"
  std::vector<std::string> config = {};       // lines of redis.conf
  std::vector<std::string> arguments = {};    // of the command line
  std::vector<std::string> environment = {};  // "NAME=value"
  std::chrono::milliseconds start_timeout = std::chrono::seconds(20);
};

// Runs a server on a unix socket in a directory of its own; both are gone when this object is, and
// the server also when the test's process dies. The program is $MX_RMQ_REDIS_SERVER, else
// redis-server. Members may be called by several threads; everything that fails throws
// std::runtime_error.
class RedisServer {
 public:
  explicit RedisServer(RedisOptions options = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  // For MQConfig::redis_url; with the password, if one is set.
  std::string url() const;  // unix:///tmp/.../redis.sock
  // redis://127.0.0.1:port, or rediss:// with RedisOptions::tls; needs RedisOptions::tcp
  std::string tcp_url() const;
  const std::string& socket_path() const noexcept { return socket_; }
  const std::string& directory() const noexcept { return directory_; }
  int port() const noexcept { return port_; }
  pid_t pid() const noexcept { return process_.pid(); }
  std::string log() const { return process_.output(); }

  // Ends it with SIGTERM; returns when the process is gone.
  void stop();
  // Ends it with SIGKILL; returns when the process is gone.
  void kill9();
  // Starts it again on the same directory, data and addresses; ends it first if it runs.
  void restart();
  // The same at another port.
  void restart_elsewhere();
  // Stops and continues the process: a server that accepts and answers nothing.
  void pause() { process_.pause(); }
  void resume() { process_.resume(); }

  // A command over a connection that this object keeps, opened anew when lost. An error reply
  // throws.
  Value command(const std::vector<std::string>& arguments);
  // The same, with the error reply returned.
  Value try_command(const std::vector<std::string>& arguments);
  // From now on the two above are answered by this, which may stand for more than this server.
  // Before anybody else uses it.
  void commands_go_to(std::function<Value(const std::vector<std::string>&)> whom);
  // A connection for the caller, signed in.
  RedisClient connect() const;

 private:
  void launch();
  bool answers() const;

  RedisOptions options_;
  std::string program_;
  std::string directory_;
  std::string socket_;
  int port_ = 0;
  ChildProcess process_;
  std::mutex client_mutex_;
  std::unique_ptr<RedisClient> client_;
  std::function<Value(const std::vector<std::string>&)> whom_;
};

}  // namespace mx_rmq::test
