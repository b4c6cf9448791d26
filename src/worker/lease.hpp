#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/data/tag.hpp"
#include "runtime/mono_clock.hpp"
#include "worker/held.hpp"

namespace mx_rmq::worker {

using broker::Tag;
using runtime::Duration;
using runtime::TimePoint;

struct Delivery;

/// What one consumer (a queue on one topic) knows about itself: its name, the numbers of its
/// claims, what it holds, until when. Pure: it is told what was sent and answered and says what may
/// be done; no clock, no socket. Thread: one.
///
/// The rules it keeps: one claim under way at a time; a claim number is never used twice; after a
/// claim without an answer, and after a new connection, a tend comes before anything else; a tag
/// that the server misses is lost unless its settlement is unanswered; once lost, all that was held
/// is lost and the consumer goes on under another name.
class Lease {
 public:
  using Item = std::shared_ptr<Delivery>;

  /// `id` is unique to this consumer (128 random bits).
  Lease(std::string id, Duration length);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }

  // --- claims ---

  /// Whether a claim may be sent: none is under way and no tend is owed.
  [[nodiscard]] bool may_claim() const noexcept { return !claiming_ && !owes_tend_; }
  /// The number of the claim that is sent now.
  std::uint64_t begin_claim();
  /// Whether the consumer holds and settles nothing: it need not be registered.
  [[nodiscard]] bool fresh() const noexcept { return held_.empty(); }
  /// The claim of `incarnation` that was sent at `sent` was answered; hold() of each message that
  /// it `took_any` of follows. False if the consumer has another name by now: they are not ours.
  bool claim_answered(std::uint64_t incarnation, bool took_any, TimePoint sent);
  void hold(Tag tag, Item item) { held_.add(tag, std::move(item)); }
  /// Provably nothing was taken.
  void claim_failed() noexcept { claiming_ = false; }
  /// It may have been executed, or may still be, or what it brought could not be taken in and is
  /// not held: a tend is owed, and tending goes on for a lease even if nothing is held, to give
  /// back what a late copy takes.
  void claim_unanswered(TimePoint now);

  // --- messages ---

  [[nodiscard]] bool holds(std::uint64_t incarnation, Tag tag) const;
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }
  /// Its settlement is on its way.
  void settling(Tag tag);
  /// Settled, or given up: forgotten.
  void settled(std::uint64_t incarnation, Tag tag);
  /// It cannot be handled or settled here: forgotten, so that the next tend gives it back.
  void let_go(std::uint64_t incarnation, Tag tag) noexcept;

  // --- tend ---

  struct Tend {
    std::uint64_t incarnation = 0;
    std::uint64_t last_claim = 0;  // answered or given up
    std::uint64_t debt = 0;        // which reasons to tend it covers
    std::vector<Tag> tags;         // held or being settled
  };
  /// Whether there is anything to tend at `now`.
  [[nodiscard]] bool needs_tend(TimePoint now) const noexcept;
  /// A new connection: what was under way on the old one is uncertain. True if a tend is owed now.
  bool reconnected();
  [[nodiscard]] bool owes_tend() const noexcept { return owes_tend_; }
  [[nodiscard]] Tend begin_tend() const;
  /// The tend that was sent at `sent` renewed the lease; `missing` of its tags are not there. Gives
  /// those that are lost: their messages are somebody else's.
  std::vector<Item> tend_answered(const Tend& tend, const std::vector<Tag>& missing,
                                  TimePoint sent);
  /// The server says that the consumer is not registered or being reaped, to a call made under
  /// `incarnation`. Gives everything that was held. Another name from now on.
  std::vector<Item> lost(std::uint64_t incarnation);

  // --- time ---

  /// Until when the lease surely holds: counted from when the last renewal was sent.
  [[nodiscard]] TimePoint until() const noexcept { return until_; }

 private:
  void rename();
  void owe() noexcept;

  const std::string id_;
  const Duration length_;
  std::string name_;
  std::uint64_t incarnation_ = 0;
  std::uint64_t claim_ = 0;  // last number used
  bool claiming_ = false;
  std::uint64_t debt_ = 0;  // one more for each reason to tend before anything else
  bool owes_tend_ = false;
  TimePoint strays_until_{};  // a late copy of an unanswered claim may come up to then
  TimePoint until_{};
  Held held_;
};

}  // namespace mx_rmq::worker
