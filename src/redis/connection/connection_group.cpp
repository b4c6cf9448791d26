#include "redis/connection/connection_group.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "redis/connection/connection.hpp"
#include "redis/connection/role.hpp"

namespace mx_rmq::redis {

using namespace std::chrono_literals;

namespace {

// So long after the last refusal by a node of a Cluster health tells of it.
constexpr auto cluster_trouble_lasts = 30s;
constexpr auto probe_every = 10s;

// Nobody else can listen there.
bool on_this_machine(const Address& address) noexcept {
  const std::string& host = address.host;
  return address.local || host.starts_with("127.") || host == "::1" ||
         host.starts_with("::ffff:127.");
}

std::shared_ptr<const SetupPlan> make_plan(const ClientOptions& options,
                                           std::span<const lua::Script* const> scripts) {
  switch (options.peer) {
    case Peer::sentinel:
      return std::make_shared<const SetupPlan>(make_sentinel_plan(options.endpoint));
    case Peer::any:
      return std::make_shared<const SetupPlan>(make_any_plan(options.endpoint));
    case Peer::master:
    case Peer::probe:
      break;
  }
  return std::make_shared<const SetupPlan>(make_setup_plan(options.endpoint, scripts));
}

}  // namespace

ConnectionGroup::ConnectionGroup(runtime::EventLoop& the_loop, ClientOptions the_options,
                                 Seams the_seams)
    : loop(the_loop),
      options(std::move(the_options)),
      seams(std::move(the_seams)),
      watch(options.watch ? options.watch : std::make_shared<RoleWatch>()),
      plan(make_plan(options, options.scripts)),
      listening_plan(make_plan(options, {})),
      clock(the_loop),
      channels(options.channels),
      closed(the_loop),
      log_ready(1s),
      log_lost(1s),
      log_failed(10s),
      log_refused(10s),
      log_unfit(10s),
      log_idle(1s),
      log_cluster(10s),
      log_plain_password(1h) {
  if (options.connection.tls && !seams.secure) {
    throw std::logic_error("TLS was asked for, and these connections would have none");
  }
  watch->add(*this);
  loop.add_listener(*this);
  hook_ = loop.add_flush_hook([this] { flush(); });
}

ConnectionGroup::~ConnectionGroup() {
  watch->remove(*this);
  loop.remove_flush_hook(hook_);
  loop.remove_listener(*this);
}

void ConnectionGroup::mark_dirty(Connection& connection) { dirty_.push_back(&connection); }

void ConnectionGroup::remove(Connection& connection) noexcept {
  std::erase(connections_, &connection);
  std::erase(dirty_, &connection);
  std::replace(flushing_.begin(), flushing_.end(), &connection, static_cast<Connection*>(nullptr));
}

void ConnectionGroup::flush() {
  if (dirty_.empty()) return;
  std::swap(dirty_, flushing_);
  // Flushing one may destroy none, but a copy of the size is not enough if one is removed
  // meanwhile.
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    if (flushing_[i] != nullptr) flushing_[i]->flush();
  }
  flushing_.clear();
}

void ConnectionGroup::note_time(const Address& from, std::int64_t server_ms,
                                runtime::TimePoint sent) {
  const bool same = clock_of_ && clock_of_->name == from.name && clock_of_->port == from.port;
  if (clock_of_ && !same) clock = ServerClock(loop);
  clock_of_ = from;
  clock.observe(server_ms, sent, loop.now());
}

void ConnectionGroup::note_cluster(const std::string& error_text) {
  cluster_error_ = error_text + std::string(explained(error_text));
  cluster_error_at_ = loop.now();
  runtime::log::error(log_cluster, "a command was refused by a node of a Redis Cluster", "address",
                      options.endpoint.address(), "why", cluster_error_);
}

std::string ConnectionGroup::cluster_trouble() const {
  if (cluster_error_.empty() || loop.now() - cluster_error_at_ > cluster_trouble_lasts) return {};
  return cluster_error_;
}

void ConnectionGroup::probe(const Address& address) {
  const runtime::TimePoint now = loop.now();
  if (!seams.may_probe || loop.stopping()) return;
  if (probed_ && now - *probed_ < probe_every) return;
  probed_ = now;
  const auto question =
      seams.secure ? PortProbe::Question::speaks_plain : PortProbe::Question::speaks_tls;
  const auto told = [this, address](bool yes) {
    silence_.clear();
    if (!yes) return;
    silence_ = seams.secure ? unfit_plain_text(address.text()) : unfit_tls_text(address.text());
    runtime::log::error(log_unfit, "cannot work with what is there, trying again", "address",
                        options.endpoint.address(), "why", silence_);
    const std::vector<Connection*> all = connections_;
    for (Connection* const each : all) each->explain_silence(silence_);
  };
  probe_ = std::make_unique<PortProbe>(loop, seams.plain_transport, address, question, told);
}

void ConnectionGroup::warn_of_plain_password(const Address& address) {
  if (seams.secure || options.endpoint.password.empty() || on_this_machine(address)) return;
  runtime::log::warn(log_plain_password,
                     "the password and all messages go over the network unencrypted: write "
                     "rediss:// in redis_url if the server has a port for TLS",
                     "address", options.endpoint.address());
}

// The loop ends: nothing more can be sent or awaited.
void ConnectionGroup::on_shutdown() noexcept {
  probe_.reset();
  const std::vector<Connection*> all = connections_;
  for (Connection* const each : all) each->abort();
}

}  // namespace mx_rmq::redis
