#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/data/history.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/event.hpp"
#include "runtime/one_shot.hpp"
#include "worker/run.hpp"
#include "worker/shared.hpp"

namespace mx_rmq::worker {

/// The worker coroutines: max_workers of them take messages from the local queue and run their
/// handlers. A run that has not ended at its deadline counts as failed: its coroutine is given up
/// (a zombie, counted) and another one takes its place. Loop thread only.
class Runner {
 public:
  explicit Runner(Shared& shared);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Starts the coroutines. `keep` is held by each until it ends, zombies included: it keeps alive
  /// what they refer to.
  void start(std::shared_ptr<void> keep);
  /// There are messages that may run: one coroutine looks, and has others look if there are more.
  void wake();

  /// Settles a message that never started: expired, or no envelope. True if it was.
  bool settle_unfit(const std::shared_ptr<Delivery>& delivery, std::int64_t now);
  /// Gives back a message that has not started, to the head of its list, uncounted.
  void release(std::shared_ptr<Delivery> delivery);
  /// Gives back what has not started, the newest first, uncounted; what waits for a blocking thread has
  /// not.
  void release_unstarted();
  /// A message was lost: its run, if any, does not count, and is not begun any more.
  void lost(const std::shared_ptr<Delivery>& delivery);

  [[nodiscard]] bool idle() const noexcept { return runs_.empty(); }
  /// Waits until no handler runs, up to `deadline` or, before interrupt(), until hurry().
  Task<bool> wait_idle(runtime::TimePoint deadline);
  void hurry();
  /// Fires the stop token of everything that runs; failures count as interruptions from now on.
  void interrupt();
  /// Gives up what still runs: released, one interruption more.
  void abandon();
  /// No more work: the coroutines end. Completes when all but the zombies have.
  Task<> finish();

  /// Warns of runs that are close to their deadline.
  void check();
  /// Why handlers that block do not run; empty if they do.
  [[nodiscard]] std::string trouble() const;

 private:
  struct Seat;

  Task<> work(std::shared_ptr<Seat> seat, std::shared_ptr<void> keep);
  Task<> run_one(std::shared_ptr<Seat> seat, std::shared_ptr<Delivery> delivery);
  bool prepare(const std::shared_ptr<Seat>& seat, runtime::TimePoint now);
  static Task<> call(std::shared_ptr<Run> run, const detail::ErasedHandler* handler);
  std::shared_ptr<Delivery> next();
  bool turn_is_over();
  bool may_run(std::size_t topic) const;
  void add_seat();
  void arm_deadline(const std::shared_ptr<Seat>& seat);
  void on_deadline(const std::shared_ptr<Seat>& seat);
  void give_up(const std::shared_ptr<Seat>& seat, Outcome outcome);
  void conclude(const std::shared_ptr<Run>& run, const Outcome& outcome);
  void begin(const std::shared_ptr<Seat>& seat, std::shared_ptr<Delivery> delivery);
  void ended(const std::shared_ptr<Seat>& seat);

  /// It becomes a dead letter "expired" without having begun.
  void expire(const std::shared_ptr<Delivery>& delivery);
  void dead(const std::shared_ptr<Delivery>& delivery, const char* reason, broker::History history,
            int failures);

  // --- on blocking threads: runner_threads.cpp ---
  Task<bool> call_on_thread(std::shared_ptr<Run> run);
  bool submit(const std::shared_ptr<Run>& run, runtime::OneShot<runtime::JobEnd>* ended);
  static bool has_begun(Run& run);
  bool withdraw(Run& run);
  void give_back(std::optional<std::size_t> topic, std::vector<std::shared_ptr<Delivery>> items);
  void starve(Topic& topic, std::shared_ptr<Delivery> waited);
  void ask_for_thread();
  void thread_came();

  Shared& shared_;
  std::unique_ptr<runtime::Scope> scope_;
  std::weak_ptr<void> keep_;
  std::vector<std::shared_ptr<Seat>> idle_;  // wait for work, the last one is woken first
  std::vector<std::shared_ptr<Seat>> runs_;  // have a run that counts
  runtime::Event none_runs_;
  runtime::Event seats_left_;
  std::size_t seats_ = 0;  // coroutines that are no zombies
  std::size_t woken_ = 0;  // are on their way to look for a message
  bool resting_ = false;   // one goes on in the loop's next turn
  std::uint64_t drain_ = 0;
  int taken_ = 0;         // in this drain
  std::size_t last_ = 0;  // topic of the last message taken
  bool finishing_ = false;
  bool interrupting_ = false;
  bool hurried_ = false;
  runtime::JobId asked_;        // its turn comes when there is a thread for a starved topic
  runtime::TimerId ask_again_;  // where the system has none to start
  std::size_t hung_ = 0;        // blocking threads that zombies keep
};

}  // namespace mx_rmq::worker
