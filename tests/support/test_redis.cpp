#include "support/test_redis.hpp"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#ifdef MX_RMQ_WITH_TLS
#include "support/tls_server.hpp"
#endif

namespace mx_rmq::test {
namespace {

class OnePlainServer final : public TestRedis {
 public:
  RedisServer& server() override { return server_; }

 private:
  RedisServer server_;
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
#endif

using Maker = std::function<std::unique_ptr<TestRedis>()>;
template <class Kind>
std::unique_ptr<TestRedis> make() {
  return std::make_unique<Kind>();
}

const std::map<std::string, Maker>& kinds() {
  static const std::map<std::string, Maker> all{
      {"one", make<OnePlainServer>},
#ifdef MX_RMQ_WITH_TLS
      {"tls", make<OverTls>},
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
