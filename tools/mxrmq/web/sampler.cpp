#include "web/sampler.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "web/routes.hpp"

namespace mxrmq::web {

namespace {

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Sampler::Sampler(mx_rmq::RedisMessageQueue& queue, std::chrono::milliseconds every)
    : queue_(queue),
      every_(every),
      events_(std::make_shared<EventSource>([this](std::size_t watchers) {
        const std::lock_guard lock(mutex_);
        watchers_ = watchers;
        changed_.notify_all();
      })),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void Sampler::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return watchers_ > 0; })) {
    lock.unlock();
    events_->tell(sample());
    lock.lock();
    // Who comes in between sees the last state at once, and the next one soon.
    changed_.wait_for(lock, stop, every_, [&stop] { return stop.stop_requested(); });
  }
}

std::string Sampler::sample() {
  nlohmann::ordered_json state;
  try {
    state = mx_rmq::sync_wait(overview(&queue_));
    good_at_ = now_ms();
    stale_since_ = 0;
  } catch (const mx_rmq::Error& error) {
    if (stale_since_ == 0) stale_since_ = good_at_ != 0 ? good_at_ : now_ms();
    state["error"] = error.what();
    state["stale_since"] = stale_since_;
  }
  state["at"] = now_ms();
  return state.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mxrmq::web
