#include "redis/connection/seams.hpp"

#include <random>

#include "redis/connection/tls/tls_transport.hpp"
#include "redis/connection/uv_resolver.hpp"
#include "redis/connection/uv_transport.hpp"

namespace mx_rmq::redis {

namespace {

class SystemRng final : public Rng {
 public:
  std::uint64_t next() override { return engine_(); }

 private:
  // Ids are made of it: no two processes may begin with the same.
  static std::mt19937_64 seeded() {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(),
                       device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }

  std::mt19937_64 engine_ = seeded();
};

}  // namespace

std::string Address::text() const {
  if (local) return "unix:" + host;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Seams Seams::real(runtime::EventLoop& loop, const ConnectionOptions& options) {
  Seams seams;
  auto read_buffer = std::make_shared<UvTransport::ReadBuffer>();
  seams.plain_transport = [&loop, options, read_buffer](TransportEvents& events) {
    return std::make_unique<UvTransport>(loop, events, read_buffer, options);
  };
  seams.secure = options.tls.has_value();
  seams.transport =
      seams.secure ? over_tls(loop, *options.tls, seams.plain_transport) : seams.plain_transport;
  seams.resolver = std::make_shared<UvResolver>(loop);
  seams.rng = std::make_shared<SystemRng>();
  seams.may_probe = true;
  return seams;
}

}  // namespace mx_rmq::redis
