#include "worker/quarantine.hpp"

#include <algorithm>
#include <cassert>

namespace mx_rmq::worker {

Quarantine& Quarantine::of_process() {
  // Never destroyed: workers may still leave while static objects are being destroyed.
  static Quarantine* const instance = new Quarantine;
  return *instance;
}

void Quarantine::run(const Calls& calls) {
  for (const auto& call : calls) call();
}

void Quarantine::grant_if_clear(Calls& calls) {
  if (granted_ || wanting_.empty() || held_ != 0) return;
  calls.push_back(wanting_.front()->hooks_.granted);
  granted_ = true;
}

bool Quarantine::closed() const {
  const std::lock_guard lock(mutex_);
  return !wanting_.empty();
}

std::size_t Quarantine::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

bool Quarantine::idle() const {
  const std::lock_guard lock(mutex_);
  assert(claims_ <= held_ && "a claim under way counts as held");
  return held_ == claims_;
}

void Quarantine::Member::join(Hooks hooks) {
  const std::lock_guard lock(quarantine_.mutex_);
  assert(!joined_ && "a worker is a member once");
  quarantine_.members_.push_back(this);
  hooks_ = std::move(hooks);
  joined_ = true;
}

void Quarantine::Member::leave() {
  done();
  Calls calls;
  {
    const std::lock_guard lock(quarantine_.mutex_);
    if (!joined_) return;
    quarantine_.held_ -= std::exchange(held_, 0);
    quarantine_.claims_ -= std::exchange(claims_, 0);
    joined_ = false;
    std::erase(quarantine_.members_, this);
    quarantine_.grant_if_clear(calls);
  }
  run(calls);
}

Quarantine::Member::Claim Quarantine::Member::begin_claim() {
  const std::lock_guard lock(quarantine_.mutex_);
  if (!quarantine_.wanting_.empty() || !joined_) return nullptr;
  ++held_;
  ++claims_;
  ++quarantine_.held_;
  ++quarantine_.claims_;
  return Claim(this);
}

void Quarantine::Member::change(std::size_t more, std::size_t less, std::size_t claims_ended) {
  Calls calls;
  {
    const std::lock_guard lock(quarantine_.mutex_);
    if (!joined_) return;
    // What was counted before it left and came again is not counted any more.
    const std::size_t dropped = std::min(less, held_);
    const std::size_t ended = std::min(claims_ended, claims_);
    held_ = held_ + more - dropped;
    claims_ -= ended;
    quarantine_.held_ = quarantine_.held_ + more - dropped;
    quarantine_.claims_ -= ended;
    if (dropped > 0) quarantine_.grant_if_clear(calls);
  }
  run(calls);
}

Quarantine::Member::Turn Quarantine::Member::want() {
  Calls calls;
  {
    const std::lock_guard lock(quarantine_.mutex_);
    auto& wanting = quarantine_.wanting_;
    if (!joined_ || std::ranges::find(wanting, this) != wanting.end()) return nullptr;
    if (wanting.empty())
      for (const Member* member : quarantine_.members_) calls.push_back(member->hooks_.clear);
    wanting.push_back(this);
    quarantine_.grant_if_clear(calls);
  }
  Turn turn(this);
  run(calls);
  return turn;
}

void Quarantine::Member::done() {
  Calls calls;
  {
    const std::lock_guard lock(quarantine_.mutex_);
    auto& wanting = quarantine_.wanting_;
    const auto found = std::ranges::find(wanting, this);
    if (found == wanting.end()) return;
    if (found == wanting.begin()) quarantine_.granted_ = false;
    wanting.erase(found);
    if (wanting.empty()) {
      for (const Member* member : quarantine_.members_) calls.push_back(member->hooks_.resume);
    } else {
      quarantine_.grant_if_clear(calls);
    }
  }
  run(calls);
}

}  // namespace mx_rmq::worker
