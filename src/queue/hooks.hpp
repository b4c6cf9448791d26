#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "mx_rmq/middleware.hpp"
#include "mx_rmq/tracing.hpp"

namespace mx_rmq::queue {

/// What a program has hung around its handlers and its messages. Constant once shared.
struct Hooks {
  std::vector<Middleware> around;             ///< the first is the outermost
  std::vector<ProduceMiddleware> on_produce;  ///< in order
  std::shared_ptr<Tracer> tracer;             ///< or none
  ProcessSpans spans = ProcessSpans::linked;
};

/// The hooks of a queue. Any thread.
class HookList {
 public:
  HookList() : hooks_(std::make_shared<const Hooks>()) {}

  [[nodiscard]] std::shared_ptr<const Hooks> get() const {
    const std::lock_guard lock(mutex_);
    return hooks_;
  }
  /// Whether a produce has to look at them.
  [[nodiscard]] bool concern_produce() const noexcept {
    return concern_produce_.load(std::memory_order_acquire);
  }
  /// Calls `change` with a copy, which is what is shared from now on.
  template <class F>
  void change(F change) {
    const std::lock_guard lock(mutex_);
    share(change);
  }
  /// The same for what concerns handlers: they see all of it, from the first message on. Throws
  /// std::logic_error, beginning with `call`, once it is sealed.
  template <class F>
  void change_before_start(const char* call, F change) {
    const std::lock_guard lock(mutex_);
    if (sealed_) {
      throw std::logic_error(std::string(call) +
                             ": the queue consumes already; call it before start()");
    }
    share(change);
  }

  /// While it lives the hooks of handlers stay as they are.
  class Seal {
   public:
    explicit Seal(HookList& list) : list_(list) { list_.seal(true); }
    ~Seal() { list_.seal(false); }
    Seal(const Seal&) = delete;
    Seal& operator=(const Seal&) = delete;

   private:
    HookList& list_;
  };

 private:
  void seal(bool whether) {
    const std::lock_guard lock(mutex_);
    sealed_ = whether;
  }
  // Under mutex_.
  template <class F>
  void share(F& change) {
    Hooks next = *hooks_;
    change(next);
    concern_produce_.store(!next.on_produce.empty() || next.tracer != nullptr,
                           std::memory_order_release);
    hooks_ = std::make_shared<const Hooks>(std::move(next));
  }

  mutable std::mutex mutex_;
  bool sealed_ = false;
  std::shared_ptr<const Hooks> hooks_;
  std::atomic<bool> concern_produce_{false};
};

}  // namespace mx_rmq::queue
