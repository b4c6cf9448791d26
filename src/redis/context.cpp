#include "redis/context.hpp"

#include <algorithm>
#include <utility>

#include "redis/connection.hpp"

namespace mx_rmq::redis {

using namespace std::chrono_literals;

Context::Context(runtime::EventLoop& the_loop, ClientOptions the_options, Seams the_seams)
    : loop(the_loop),
      options(std::move(the_options)),
      seams(std::move(the_seams)),
      plan(std::make_shared<const SetupPlan>(make_setup_plan(options.connect, options.scripts))),
      blocking_plan(std::make_shared<const SetupPlan>(make_setup_plan(options.connect, {}))),
      clock(the_loop),
      closed(the_loop),
      log_ready(1s),
      log_lost(1s),
      log_failed(10s),
      log_refused(10s) {
  loop.add_listener(*this);
  hook_ = loop.add_flush_hook([this] { flush(); });
}

Context::~Context() {
  loop.remove_flush_hook(hook_);
  loop.remove_listener(*this);
}

void Context::mark_dirty(Connection& connection) { dirty_.push_back(&connection); }

void Context::remove(Connection& connection) noexcept {
  std::erase(connections_, &connection);
  std::erase(dirty_, &connection);
  std::replace(flushing_.begin(), flushing_.end(), &connection, static_cast<Connection*>(nullptr));
}

void Context::flush() {
  if (dirty_.empty()) return;
  std::swap(dirty_, flushing_);
  // Flushing one may destroy none, but a copy of the size is not enough if one is removed meanwhile.
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    if (flushing_[i] != nullptr) flushing_[i]->flush();
  }
  flushing_.clear();
}

// The loop ends: nothing more can be sent or awaited.
void Context::on_shutdown() noexcept {
  const std::vector<Connection*> all = connections_;
  for (Connection* const each : all) each->abort();
}

}  // namespace mx_rmq::redis
