#include "support/test_redis.hpp"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>

#include "support/cluster_commands.hpp"
#include "support/redis_cluster.hpp"
#include "support/sentinel_set.hpp"
#ifdef MX_RMQ_WITH_TLS
#include "support/tls_server.hpp"
#include "support/tls_sets.hpp"
#endif

namespace mx_rmq::test {
namespace {

class OnePlainServer final : public TestRedis {
 public:
  RedisServer& server() override { return server_; }

 private:
  RedisServer server_;
};

// Nobody fails over: a master that stands still for a while, or a machine that is busy, is not what
// these tests are about.
class BehindSentinels : public TestRedis {
 public:
  explicit BehindSentinels(SentinelOptions options = {}) : set_(patient(std::move(options))) {}
  RedisServer& server() override { return set_.server(0); }
  void lead(MQConfig& config) override { config.redis_url = set_.url(); }
  std::vector<std::string> environment() override { return {"REDIS_URL=" + set_.url()}; }

 private:
  static SentinelOptions patient(SentinelOptions options) {
    options.down_after = std::chrono::minutes(10);
    return options;
  }
  SentinelSet set_;
};

// Three masters. The one that has the topic "t" stands for them all.
class OnCluster : public TestRedis {
 public:
  explicit OnCluster(ClusterOptions options = {})
      : cluster_(patient(std::move(options))), commands_(cluster_) {
    server().commands_go_to(
        [this](const std::vector<std::string>& arguments) { return commands_(arguments); });
  }
  RedisServer& server() override { return cluster_.node(cluster_.first_owner("{t}")); }
  std::size_t nodes() const override { return cluster_.masters(); }
  void lead(MQConfig& config) override { config.redis_url = cluster_.url(); }
  std::vector<std::string> environment() override { return {"REDIS_URL=" + cluster_.url()}; }

 private:
  static ClusterOptions patient(ClusterOptions options) {
    options.node_timeout = std::chrono::minutes(1);
    return options;
  }
  RedisCluster cluster_;
  ClusterCommands commands_;
};

#ifdef MX_RMQ_WITH_TLS
class OverTls final : public TestRedis {
 public:
  RedisServer& server() override { return server_.redis(); }
  void lead(MQConfig& config) override { server_.lead_here(config); }
  std::vector<std::string> environment() override {
    return {"REDIS_URL=" + server_.url(), "MX_RMQ_TLS_CA_FILE=" + server_.ca_file()};
  }

 private:
  TlsServer server_;
};

// The same kinds over TLS.
template <class Kind, class Options>
class AllOverTls final : public TestRedis {
 public:
  RedisServer& server() override { return kind_.server(); }
  std::size_t nodes() const override { return kind_.nodes(); }
  void lead(MQConfig& config) override {
    kind_.lead(config);
    config.tls_ca_file = ca_file();
  }
  std::vector<std::string> environment() override {
    std::vector<std::string> all = kind_.environment();
    all.push_back("MX_RMQ_TLS_CA_FILE=" + ca_file());
    return all;
  }

 private:
  std::string ca_file() const { return files_.path() + "/ca.pem"; }

  TlsFiles files_;
  Kind kind_{over_tls(files_, Options())};
};
#endif

using Maker = std::function<std::unique_ptr<TestRedis>()>;
template <class Kind>
std::unique_ptr<TestRedis> make() {
  return std::make_unique<Kind>();
}

const std::map<std::string, Maker>& kinds() {
  static const std::map<std::string, Maker> all{
      {"one", make<OnePlainServer>},
      {"sentinel", make<BehindSentinels>},
      {"cluster", make<OnCluster>},
#ifdef MX_RMQ_WITH_TLS
      {"tls", make<OverTls>},
      {"sentinel-tls", make<AllOverTls<BehindSentinels, SentinelOptions>>},
      {"cluster-tls", make<AllOverTls<OnCluster, ClusterOptions>>},
#endif
  };
  return all;
}

}  // namespace

const std::string& TestRedis::kind() {
  static const std::string kind = [] {
    const char* const set = std::getenv("MX_RMQ_TEST_ON");
    return std::string(set == nullptr || *set == '\0' ? "one" : set);
  }();
  return kind;
}

namespace {
std::atomic<bool> is_made{false};
}

bool TestRedis::made() noexcept { return is_made; }

TestRedis& TestRedis::get() {
  is_made = true;
  static const std::unique_ptr<TestRedis> instance = [] {
    const auto found = kinds().find(kind());
    if (found == kinds().end()) {
      std::string known;
      for (const auto& [name, maker] : kinds()) known += " " + name;
      throw std::runtime_error("MX_RMQ_TEST_ON=" + kind() + ": there are" + known);
    }
    return found->second();
  }();
  return *instance;
}

}  // namespace mx_rmq::test
