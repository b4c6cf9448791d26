#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace mx_rmq::worker {

/// The rule that a suspect runs alone: a message that was recovered from dead consumers twice or
/// more runs only while its *process* holds nothing else, so that a further crash condemns it and
/// no innocent that happened to be held beside it.
///
/// Process-wide: all workers of all queues in the process are members of one. Thread-safe; hooks
/// are called on the thread that caused them, without a lock held, and must only post to their own
/// loop. What is counted or asked for is an object, whose end takes it back.
class Quarantine {
 public:
  using Hook = std::function<void()>;

  /// What a worker is told.
  struct Hooks {
    Hook clear;    // somebody wants to run a suspect: give back what has not started, claim nothing
    Hook resume;   // that is over: claim again
    Hook granted;  // the process holds nothing: run the suspects now
  };

  class Member;
  class Holding;

  static Quarantine& of_process();

  Quarantine() = default;
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;

  /// Whether an ordinary claim is refused now.
  [[nodiscard]] bool closed() const;
  /// What the whole process holds, claims under way counted as one each.
  [[nodiscard]] std::size_t held() const;
  /// Whether the process holds no message: claims may be under way, which find nothing more often
  /// than not.
  [[nodiscard]] bool idle() const;

 private:
  using Calls = std::vector<Hook>;

  void grant_if_clear(Calls& calls);
  static void run(const Calls& calls);

  mutable std::mutex mutex_;
  std::vector<Member*> members_;
  std::deque<Member*> wanting_;  // the first one has, or waits for, the quarantine
  bool granted_ = false;
  std::size_t held_ = 0;
  std::size_t claims_ = 0;  // of what is held
};

/// One worker's part in a quarantine, which must outlive it. Who is no member holds and gets
/// nothing.
class Quarantine::Member {
 public:
  explicit Member(Quarantine& quarantine) noexcept : quarantine_(quarantine) {}
  ~Member() { leave(); }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  void join(Hooks hooks);
  /// What it held and wanted is forgotten.
  void leave();

  struct EndClaim {
    void operator()(Member* member) const { member->change(0, 1, 1); }
  };
  /// A claim under way, from before it is sent until what it took is counted in a Holding.
  using Claim = std::unique_ptr<Member, EndClaim>;
  /// Null while a quarantine is wanted or under way: nothing may be claimed.
  [[nodiscard]] Claim begin_claim();

  struct EndTurn {
    void operator()(Member* member) const { member->done(); }
  };
  /// A quarantine, or the wish for one.
  using Turn = std::unique_ptr<Member, EndTurn>;
  /// Asks for a quarantine: the hook `granted` follows once the process holds nothing, as soon as
  /// those who asked before are done. Null if this member has asked already.
  [[nodiscard]] Turn want();

  [[nodiscard]] const Quarantine& quarantine() const noexcept { return quarantine_; }

 private:
  friend Quarantine;
  friend Holding;

  void change(std::size_t more, std::size_t less, std::size_t claims_ended);
  void done();

  Quarantine& quarantine_;
  // Under its mutex.
  Hooks hooks_;
  bool joined_ = false;
  std::size_t held_ = 0;
  std::size_t claims_ = 0;  // of what is held
};

/// How many messages one consumer holds. Thread: one.
class Quarantine::Holding {
 public:
  explicit Holding(Member& member) noexcept : member_(member) {}
  ~Holding() { set(0); }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

  void set(std::size_t messages) {
    if (messages == messages_) return;
    const std::size_t before = std::exchange(messages_, messages);
    if (messages > before) member_.change(messages - before, 0, 0);
    if (messages < before) member_.change(0, before - messages, 0);
  }

 private:
  Member& member_;
  std::size_t messages_ = 0;
};

}  // namespace mx_rmq::worker
