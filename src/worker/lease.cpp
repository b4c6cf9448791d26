#include "worker/lease.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "runtime/planted.hpp"
#include "worker/delivery.hpp"

namespace mx_rmq::worker {

Lease::Lease(std::string id, Duration length) : id_(std::move(id)), length_(length) { rename(); }

void Lease::rename() {
  ++incarnation_;
  name_ = id_ + '.' + std::to_string(incarnation_);
}

void Lease::owe() noexcept {
  owes_tend_ = true;
  ++debt_;
}

std::uint64_t Lease::begin_claim() {
  assert(!claiming_ && "one claim is under way at a time");
  claiming_ = true;
  return ++claim_;
}

bool Lease::claim_answered(std::uint64_t incarnation, bool took_any, TimePoint sent) {
  claiming_ = false;
  if (incarnation != incarnation_) return false;
  if (took_any) until_ = std::max(until_, sent + length_);
  return true;
}

void Lease::claim_unanswered(TimePoint now) {
  held_.erase_claim(claim_);
  claiming_ = false;
  if (MX_RMQ_PLANTED("uses_a_claim_number_again")) --claim_;
  owe();
  strays_until_ = now + length_;
}

bool Lease::holds(std::uint64_t incarnation, Tag tag) const {
  return incarnation == incarnation_ && held_.contains(tag);
}

void Lease::settling(Tag tag) {
  if (Held::Entry* const entry = held_.find(tag)) entry->settling = true;
}

void Lease::settled(std::uint64_t incarnation, Tag tag) {
  if (incarnation == incarnation_) held_.erase(tag);
}

void Lease::let_go(std::uint64_t incarnation, Tag tag) noexcept {
  if (incarnation != incarnation_ || !held_.contains(tag)) return;
  held_.erase(tag);
  owe();
}

bool Lease::needs_tend(TimePoint now) const noexcept {
  return owes_tend_ || !held_.empty() || now < strays_until_;
}

bool Lease::reconnected() {
  // A claim under way is not counted: whoever sent it learns its fate and says so.
  if (!held_.empty()) owe();
  return owes_tend_;
}

Lease::Tend Lease::begin_tend() const {
  Tend tend;
  tend.incarnation = incarnation_;
  tend.last_claim = claiming_ ? claim_ - 1 : claim_;
  tend.debt = debt_;
  tend.tags.reserve(held_.size());
  held_.each([&tend](Tag tag, const Held::Entry& entry) {
    if (MX_RMQ_PLANTED("tends_only_what_runs") && entry.item->state == Delivery::State::queued)
      return;
    tend.tags.push_back(tag);
  });
  return tend;
}

std::vector<Lease::Item> Lease::tend_answered(const Tend& tend, const std::vector<Tag>& missing,
                                              TimePoint sent) {
  std::vector<Item> gone;
  if (tend.incarnation != incarnation_) return gone;
  if (tend.debt == debt_) owes_tend_ = false;  // else it was sent before the last reason came up
  until_ = std::max(until_, sent + length_);
  for (const Tag tag : missing) {
    Held::Entry* const entry = held_.find(tag);
    // Being settled and not there: the settlement did it, and its answer (or that of its next copy)
    // says so.
    if (entry == nullptr || entry->settling) continue;
    gone.push_back(std::move(entry->item));
    held_.erase(tag);
  }
  return gone;
}

std::vector<Lease::Item> Lease::lost(std::uint64_t incarnation) {
  std::vector<Item> gone;
  if (incarnation != incarnation_) return gone;
  owes_tend_ = false;
  gone.reserve(held_.size());
  held_.each([&gone](Tag, const Held::Entry& entry) { gone.push_back(entry.item); });
  held_.clear();
  strays_until_ = {};
  until_ = {};
  rename();
  return gone;
}

}  // namespace mx_rmq::worker
