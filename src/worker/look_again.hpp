#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "runtime/event_loop.hpp"

namespace mx_rmq::worker {

/// Has the worker look again, soon, at what it can claim, wait for and run alone: once, however
/// often that is asked for meanwhile. Whoever changes what such decisions depend on asks. Loop
/// thread only.
class LookAgain {
 public:
  LookAgain(runtime::EventLoop& loop, std::function<void()> look)
      : loop_(loop), state_(std::make_shared<State>()) {
    state_->look = std::move(look);
  }

  void soon() {
    if (state_->asked || ended_) return;
    loop_.defer([weak = std::weak_ptr<State>(state_)] {
      const auto state = weak.lock();
      if (!state) return;
      state->asked = false;
      state->look();
    });
    state_->asked = true;
  }
  /// Nothing further is looked at.
  void end() noexcept { ended_ = true; }

 private:
  struct State {
    std::function<void()> look;
    bool asked = false;
  };

  runtime::EventLoop& loop_;
  const std::shared_ptr<State> state_;
  bool ended_ = false;
};

}  // namespace mx_rmq::worker
