#include "worker/quarantine.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::worker {

Quarantine& Quarantine::of_process() {
  // Never destroyed: workers may still leave while static objects are being destroyed.
  static Quarantine* const instance = new Quarantine;
  return *instance;
}

void Quarantine::run(Calls& calls) {
  for (auto& call : calls) call();
}

void Quarantine::grant_if_clear(Calls& calls) {
  if (granted_ || wanting_.empty() || held_ != 0) return;
  granted_ = true;
  calls.push_back(members_.at(wanting_.front()).hooks.granted);
}

Quarantine::MemberId Quarantine::join(Hooks hooks) {
  const std::lock_guard lock(mutex_);
  members_[++last_].hooks = std::move(hooks);
  return last_;
}

void Quarantine::leave(MemberId id) {
  done(id);
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    const auto found = members_.find(id);
    if (found == members_.end()) return;
    held_ -= found->second.held;
    claims_ -= found->second.claims;
    members_.erase(found);
    grant_if_clear(calls);
  }
  run(calls);
}

bool Quarantine::begin_claim(MemberId id) {
  const std::lock_guard lock(mutex_);
  const auto member = members_.find(id);
  if (!wanting_.empty() || member == members_.end()) return false;
  ++member->second.held;
  ++member->second.claims;
  ++held_;
  ++claims_;
  return true;
}

void Quarantine::claim_ended(MemberId id) { drop(id, 1, 1); }

void Quarantine::drop(MemberId id, std::size_t messages) { drop(id, messages, 0); }

void Quarantine::hold(MemberId id, std::size_t messages) {
  const std::lock_guard lock(mutex_);
  const auto member = members_.find(id);
  if (member == members_.end()) return;
  member->second.held += messages;
  held_ += messages;
}

void Quarantine::drop(MemberId id, std::size_t messages, std::size_t claims) {
  if (messages == 0) return;
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    const auto member = members_.find(id);
    if (member == members_.end()) return;
    const auto dropped = std::min(messages, member->second.held);
    member->second.held -= dropped;
    held_ -= dropped;
    const auto ended = std::min(claims, member->second.claims);
    member->second.claims -= ended;
    claims_ -= ended;
    grant_if_clear(calls);
  }
  run(calls);
}

void Quarantine::want(MemberId id) {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    if (!members_.contains(id) || std::ranges::find(wanting_, id) != wanting_.end()) return;
    const bool first = wanting_.empty();
    wanting_.push_back(id);
    if (first)
      for (const auto& [each, member] : members_) calls.push_back(member.hooks.clear);
    grant_if_clear(calls);
  }
  run(calls);
}

void Quarantine::done(MemberId id) {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(wanting_, id);
    if (found == wanting_.end()) return;
    if (found == wanting_.begin()) granted_ = false;
    wanting_.erase(found);
    if (wanting_.empty()) {
      for (const auto& [each, member] : members_) calls.push_back(member.hooks.resume);
    } else {
      grant_if_clear(calls);
    }
  }
  run(calls);
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
  return held_ == claims_;
}

}  // namespace mx_rmq::worker
