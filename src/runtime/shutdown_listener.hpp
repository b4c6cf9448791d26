#pragma once

namespace mx_rmq::runtime {

/// Something that waits on a loop and wants to be told when the loop shuts down. Lives in the
/// waiting coroutine's frame, linked into the loop's list. Loop thread only.
class ShutdownListener {
 public:
  ShutdownListener() = default;
  ShutdownListener(const ShutdownListener&) = delete;
  ShutdownListener& operator=(const ShutdownListener&) = delete;

  /// Called once, already unlinked. May unlink other listeners.
  virtual void on_shutdown() noexcept = 0;

 protected:
  ~ShutdownListener() = default;

 private:
  friend class ShutdownListeners;
  ShutdownListener* previous_ = nullptr;
  ShutdownListener* next_ = nullptr;
  bool linked_ = false;
};

/// The loop's list of them.
class ShutdownListeners {
 public:
  void add(ShutdownListener& listener) noexcept {
    listener.previous_ = last_;
    listener.next_ = nullptr;
    listener.linked_ = true;
    (last_ != nullptr ? last_->next_ : first_) = &listener;
    last_ = &listener;
  }

  /// Does nothing if the listener is not in the list.
  void remove(ShutdownListener& listener) noexcept {
    if (!listener.linked_) return;
    (listener.previous_ != nullptr ? listener.previous_->next_ : first_) = listener.next_;
    (listener.next_ != nullptr ? listener.next_->previous_ : last_) = listener.previous_;
    listener.previous_ = listener.next_ = nullptr;
    listener.linked_ = false;
  }

  void tell_all() noexcept {
    while (first_ != nullptr) {
      ShutdownListener& listener = *first_;
      remove(listener);
      listener.on_shutdown();
    }
  }

 private:
  ShutdownListener* first_ = nullptr;
  ShutdownListener* last_ = nullptr;
};

}  // namespace mx_rmq::runtime
