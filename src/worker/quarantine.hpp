#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace mx_rmq::worker {

/// The rule that a suspect runs alone: a message that was recovered from dead consumers twice or
/// more runs only while its *process* holds nothing else, so that a further crash condemns it and
/// no innocent that happened to be held beside it.
///
/// Process-wide: all workers of all queues in the process are members of one. Thread-safe; hooks
/// are called on the thread that caused them, without a lock held, and must only post to their own
/// loop.
class Quarantine {
 public:
  using Hook = std::function<void()>;

  /// What a worker is told.
  struct Hooks {
    Hook clear;    // somebody wants to run a suspect: give back what has not started, claim nothing
    Hook resume;   // that is over: claim again
    Hook granted;  // the process holds nothing: run the suspects now
  };

  using MemberId = std::size_t;

  static Quarantine& of_process();

  Quarantine() = default;
  Quarantine(const Quarantine&) = delete;
  Quarantine& operator=(const Quarantine&) = delete;

  MemberId join(Hooks hooks);
  /// Forgets the member, what it held and what it wanted.
  void leave(MemberId id);

  /// Before an ordinary claim: false while a quarantine is wanted or under way. After true,
  /// claim_ended() follows, after hold() of what was taken.
  bool begin_claim(MemberId id);
  void claim_ended(MemberId id);
  void hold(MemberId id, std::size_t messages);
  void drop(MemberId id, std::size_t messages);

  /// Asks for a quarantine; granted() follows once the process holds nothing, as soon as those who
  /// asked before are done.
  void want(MemberId id);
  /// Ends the member's quarantine, or its wish for one.
  void done(MemberId id);
  /// Whether an ordinary claim is refused now.
  [[nodiscard]] bool closed() const;
  /// What the whole process holds, claims under way counted as one each.
  [[nodiscard]] std::size_t held() const;
  /// Whether the process holds no message: claims may be under way, which find nothing more often than not.
  [[nodiscard]] bool idle() const;

 private:
  struct Member {
    Hooks hooks;
    std::size_t held = 0;
    std::size_t claims = 0;  // of what is held
  };
  using Calls = std::deque<Hook>;

  void grant_if_clear(Calls& calls);
  void drop(MemberId id, std::size_t messages, std::size_t claims);
  static void run(Calls& calls);

  mutable std::mutex mutex_;
  std::unordered_map<MemberId, Member> members_;
  std::deque<MemberId> wanting_;  // the first one has, or waits for, the quarantine
  bool granted_ = false;
  std::size_t held_ = 0;
  std::size_t claims_ = 0;
  MemberId last_ = 0;
};

}  // namespace mx_rmq::worker
