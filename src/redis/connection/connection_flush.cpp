#include "redis/connection/connection.hpp"
#include "redis/connection/context.hpp"

// A connection's writing: what was queued in a loop turn leaves in its flush hook.
namespace mx_rmq::redis {

namespace {

// At most so much in one write.
constexpr std::size_t write_buffers = 256;
constexpr std::size_t write_bytes = std::size_t{1} << 20;

}  // namespace

void Connection::want_flush() {
  if (dirty_ || transport_ == nullptr || blocked_ || !fsm_.wants_write()) return;
  dirty_ = true;
  context_->mark_dirty(*this);
}

void Connection::flush() {
  dirty_ = false;
  if (const TimePoint now = context_->loop.now(); now >= fsm_.next_wake()) {
    fsm_.on_timer(now, actions_);
    perform();
  }
  const bool held = holding_ && fsm_.state() != LaneState::setting_up;
  while (transport_ != nullptr && !blocked_ && !held && fsm_.wants_write()) {
    buffers_.clear();
    const std::size_t skip = fsm_.gather(buffers_, write_buffers, write_bytes);
    std::size_t offered = 0;
    for (const SharedBytes& each : buffers_) offered += each.size;
    const std::size_t taken = transport_->write(buffers_, skip);
    fsm_.on_written(taken);
    blocked_ = taken < offered - skip;
  }
  buffers_.clear();
  arm_timer();
}

}  // namespace mx_rmq::redis
