// A master, its replicas and the Sentinels that watch it, of a test's own.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/child_process.hpp"
#include "support/redis_client.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {

struct SentinelOptions {
  std::size_t replicas = 1;
  std::size_t sentinels = 3;
  std::chrono::milliseconds down_after = std::chrono::milliseconds(800);
  std::chrono::milliseconds failover_timeout = std::chrono::milliseconds(4000);
  std::string password = {};                      // of the servers
  std::string sentinel_password = {};             // of the Sentinels
  std::vector<std::string> users = {};            // ACL lines of the servers
  std::vector<std::string> sentinel_users = {};   // ACL lines of the Sentinels
  std::vector<std::string> server_config = {};    // further lines of redis.conf
  std::vector<std::string> sentinel_config = {};  // and of sentinel.conf
  bool tls = false;  // everybody speaks TLS; both configurations say with what, see tls_config()
};

// One Sentinel, on a port of 127.0.0.1.
class SentinelProcess {
 public:
  // `conf` gets the port to listen on, and returns the lines of sentinel.conf.
  SentinelProcess(std::string directory, std::string password,
                  const std::function<std::string(int port)>& conf);

  int port() const noexcept { return port_; }
  bool answers() const;
  // Signed in; an error reply is returned.
  Value ask(const std::vector<std::string>& arguments) const;
  void kill9() { process_.kill(); }
  // Again, with what it had written down.
  void restart();
  void pause() { process_.pause(); }
  void resume() { process_.resume(); }
  bool running() { return process_.running(); }
  std::string log() const { return process_.output(); }

 private:
  void launch();

  std::string file_, password_, socket_;
  int port_ = 0;
  ChildProcess process_;
};

// All of it runs, and the Sentinels agree, when the constructor is done; all of it is gone with it.
// Members throw std::runtime_error when something fails; not to be called by several threads.
class SentinelSet {
 public:
  static constexpr const char* name = "mymaster";

  explicit SentinelSet(SentinelOptions options = {});
  ~SentinelSet();
  SentinelSet(const SentinelSet&) = delete;
  SentinelSet& operator=(const SentinelSet&) = delete;

  // redis+sentinel://..., with TLS rediss+sentinel://...; with the servers' password, if one is
  // set. `sign_in` ("user:password@") instead of it.
  std::string url(const std::string& sign_in = "") const;
  std::size_t servers() const noexcept { return servers_.size(); }
  RedisServer& server(std::size_t index) { return *servers_.at(index); }
  std::size_t sentinels() const noexcept { return sentinels_.size(); }
  SentinelProcess& sentinel(std::size_t index) { return *sentinels_.at(index); }

  // The server that says it is a master and that the first Sentinel that answers names.
  std::size_t master();
  // Waits for that to be another one than `old`.
  std::size_t await_master_other_than(std::size_t old,
                                      std::chrono::milliseconds within = std::chrono::seconds(15));
  // SENTINEL FAILOVER; returns when it is said to have begun.
  void begin_failover();
  // Waits until every Sentinel that runs sees all servers and all Sentinels that run, and each
  // server is the master or has its data.
  void await_calm(std::chrono::milliseconds within = std::chrono::seconds(25));
  // What all processes have written, for a failed test.
  std::string logs() const;

 private:
  bool calm(std::string& why);
  Value first_answer(const std::vector<std::string>& arguments);

  SentinelOptions options_;
  std::string directory_;
  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::vector<std::unique_ptr<SentinelProcess>> sentinels_;
};

}  // namespace mx_rmq::test
