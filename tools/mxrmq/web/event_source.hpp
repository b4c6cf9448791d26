#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace mxrmq::web {

/// The newest state of something, told to any number of browsers that listen. Who is slow misses
/// states in between, and nobody holds up another one. Thread-safe.
class EventSource {
 public:
  /// Called when there is a newer state, on the thread of tell(), without a lock held.
  using Wake = std::function<void()>;

  /// How many listen is told at each change, so that who makes the states can pause.
  explicit EventSource(std::function<void(std::size_t)> listeners_changed);

  /// The newest state, as the data of an event: one line.
  void tell(std::string state);

  std::uint64_t listen(Wake wake);
  void leave(std::uint64_t listener);
  /// The event to be sent to who has had those up to `*seen`; empty if there is no newer one. Moves
  /// `*seen` on.
  [[nodiscard]] std::string next(std::uint64_t* seen) const;
  [[nodiscard]] std::size_t listeners() const;

 private:
  const std::function<void(std::size_t)> listeners_changed_;
  mutable std::mutex mutex_;
  std::string state_;
  std::uint64_t version_ = 0;  // 0: nothing was told yet
  std::uint64_t last_listener_ = 0;
  std::map<std::uint64_t, Wake> wakes_;
};

}  // namespace mxrmq::web
