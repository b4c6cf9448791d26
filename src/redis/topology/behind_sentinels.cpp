#include "redis/topology/behind_sentinels.hpp"

#include <utility>

namespace mx_rmq::redis {

namespace {

/// Looks up where the master is that the Sentinels name, whatever host it is asked for.
class MasterResolver final : public Resolver, public std::enable_shared_from_this<MasterResolver> {
 public:
  MasterResolver(std::shared_ptr<MasterWatch> watch, std::shared_ptr<Resolver> hosts)
      : watch_(std::move(watch)), hosts_(std::move(hosts)) {}

  void resolve(std::string, int, Callback done) override {
    watch_->find([self = shared_from_this(), done = std::move(done)](const Answer& answer) {
      if (!answer.master) {
        Result none;
        none.error = answer.why;
        none.explained = true;
        none.unfit = answer.hopeless;
        done(std::move(none));
        return;
      }
      self->look_up(*answer.master, done);
    });
  }

 private:
  using Answer = MasterWatch::Answer;

  void look_up(const api::HostPort& master, const Callback& done) {
    hosts_->resolve(master.host, master.port, [master, done](Result result) {
      // Whom a certificate must name, and by what a connection knows where it leads.
      for (Address& each : result.addresses) each.name = master.host;
      if (result.addresses.empty()) {
        result.error = "cannot resolve the master's host \"" + master.host + "\": " + result.error;
        result.explained = true;
      }
      done(std::move(result));
    });
  }

  const std::shared_ptr<MasterWatch> watch_;
  const std::shared_ptr<Resolver> hosts_;
};

Seams to_the_master(Seams seams, std::shared_ptr<MasterWatch> watch) {
  seams.resolver = std::make_shared<MasterResolver>(std::move(watch), seams.resolver);
  return seams;
}

}  // namespace

BehindSentinels::BehindSentinels(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                                 std::shared_ptr<MasterWatch> watch)
    : OneServer(loop, std::move(options), to_the_master(std::move(seams), watch)),
      watch_(std::move(watch)) {
  watch_->enter();
}

ClientHealth BehindSentinels::health() const {
  ClientHealth health = OneServer::health();
  health.discovery = watch_->trouble().empty() ? "ok" : watch_->trouble();
  return health;
}

Task<> BehindSentinels::close(TimePoint deadline) {
  co_await OneServer::close(deadline);
  if (std::exchange(left_, true)) co_return;
  co_await watch_->leave();
}

}  // namespace mx_rmq::redis
