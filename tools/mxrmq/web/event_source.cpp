#include "web/event_source.hpp"

#include <utility>
#include <vector>

namespace mxrmq::web {

EventSource::EventSource(std::function<void(std::size_t)> listeners_changed)
    : listeners_changed_(std::move(listeners_changed)) {}

void EventSource::tell(std::string state) {
  std::vector<Wake> wakes;
  {
    const std::lock_guard lock(mutex_);
    state_ = std::move(state);
    ++version_;
    for (const auto& [id, wake] : wakes_) wakes.push_back(wake);
  }
  for (const Wake& wake : wakes) wake();
}

std::uint64_t EventSource::listen(Wake wake) {
  std::uint64_t id = 0;
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    id = ++last_listener_;
    wakes_.emplace(id, std::move(wake));
    count = wakes_.size();
  }
  listeners_changed_(count);
  return id;
}

void EventSource::leave(std::uint64_t listener) {
  std::size_t count = 0;
  {
    const std::lock_guard lock(mutex_);
    wakes_.erase(listener);
    count = wakes_.size();
  }
  listeners_changed_(count);
}

std::string EventSource::next(std::uint64_t* seen) const {
  const std::lock_guard lock(mutex_);
  if (version_ == 0 || *seen == version_) return {};
  *seen = version_;
  return "data: " + state_ + "\n\n";
}

std::size_t EventSource::listeners() const {
  const std::lock_guard lock(mutex_);
  return wakes_.size();
}

}  // namespace mxrmq::web
