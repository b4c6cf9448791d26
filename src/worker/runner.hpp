#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/blocking_runs.hpp"
#include "worker/local_queue.hpp"
#include "worker/look_again.hpp"
#include "worker/outcomes.hpp"
#include "worker/pace.hpp"
#include "worker/run.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

/// The worker coroutines: max_workers of them take messages from the local queue and run their
/// handlers. A run that has not ended at its deadline counts as failed: its coroutine is given up
/// (a zombie, counted) and another one takes its place. Loop thread only.
class Runner {
 public:
  Runner(runtime::EventLoop& loop, const MQConfig& config, LookAgain& look_again, Claimer& claimer);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Starts the coroutines. `keep` is held by each until it ends, zombies included: it keeps alive
  /// what they refer to.
  void start(std::shared_ptr<void> keep);
  void add(const Topic& topic);
  /// Its topic was added before.
  void add(Source& source);

  /// Messages that were claimed, at `now` (ms) of the server's clock: they wait in the local queue
  /// for a coroutine, suspects in front; what cannot run is settled or given back at once. Those
  /// that were taken in are null afterwards, also when this throws.
  void take_in(std::vector<std::shared_ptr<Delivery>>& deliveries, std::int64_t now);
  /// How many of a source wait in the local queue; of a topic, and of all, those that stand by too.
  [[nodiscard]] std::size_t queued(const Source& source) const { return queued_[source.id]; }
  [[nodiscard]] std::size_t queued(const Topic& topic) const {
    return queue_.size(topic.id) + standing_by(records_[topic.id]);
  }
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size() + standing_by_; }
  /// The bytes of all that wait in the local queue.
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queue_.bytes(); }
  /// How fast a topic's messages are finished.
  [[nodiscard]] const Pace& pace(const Topic& topic) const { return records_[topic.id].pace; }
  /// How many of a topic run.
  [[nodiscard]] std::size_t running(const Topic& topic) const { return records_[topic.id].running; }
  /// Coroutines that have nothing to run; and those among them that this topic may have.
  [[nodiscard]] std::size_t free_seats() const noexcept;
  [[nodiscard]] std::size_t seats_for(const Topic& topic) const;
  /// None of it is to be claimed: its handlers get no thread.
  [[nodiscard]] bool starved(const Topic& topic) const { return threads_.starved(topic); }

  /// Gives back what has not started, the newest first, uncounted; what waits for a blocking thread
  /// has not.
  void release_unstarted() { give_back(nullptr, {}); }
  /// Gives back what of a topic waits behind the first `kept`, uncounted.
  void give_back_behind(const Topic& topic, std::size_t kept);
  /// A topic was paused by this version of its settings: nothing of it starts that was claimed by
  /// an earlier one; what has not started goes back. 0: it is not paused.
  void pause(const Topic& topic, std::int64_t version);
  /// Fires the stop token of a message of this source that runs. False: none with that id does.
  bool interrupt(const Source& source, std::string_view id);
  /// A message was lost: if its run waits for a blocking thread, it is not begun. One that runs
  /// keeps its coroutine until it ends or its deadline comes; its stop token fires.
  void lost(const std::shared_ptr<Delivery>& delivery);

  // --- the end, in this order ---

  /// Nothing starts any more; what has not started goes back.
  void close();
  /// Waits until no handler runs, up to `deadline` or, before interrupt(), until hurry().
  Task<bool> wait_idle(runtime::TimePoint deadline);
  void hurry();
  /// Fires the stop token of everything that runs; failures count as interruptions from now on.
  void interrupt();
  /// Gives up what still runs: released, one interruption more.
  void abandon();
  /// The coroutines end. Completes when all but the zombies have.
  Task<> finish();

  // --- figures ---

  /// Warns of runs that are close to their deadline, and of zombies.
  void check();
  /// Why handlers that block do not run; empty if they do.
  [[nodiscard]] std::string trouble() const { return threads_.trouble(); }
  /// Handlers that run now. Any thread, as the next.
  [[nodiscard]] std::size_t active() const noexcept;
  /// Messages that were claimed and have not started.
  [[nodiscard]] std::size_t not_started() const noexcept;
  /// Handlers that were given up and have not ended.
  [[nodiscard]] std::int64_t zombies() const noexcept { return zombies_.load(); }
  [[nodiscard]] const RunTimes& times(const Topic& topic) const { return outcomes_.times(topic); }
  [[nodiscard]] const Outcomes& outcomes() const noexcept { return outcomes_; }
  [[nodiscard]] double completed_per_minute() { return outcomes_.completed_per_minute(); }

 private:
  struct Seat;
  struct Record {
    Record(const Topic& of, std::size_t workers) : topic(of), pace(workers) {}

    const Topic& topic;
    std::size_t running = 0;
    std::size_t most_at_work = 0;  // what is more stands by
    std::int64_t paused_by = 0;    // the version of its settings; see pause()
    Pace pace;
  };

  Task<> work(std::shared_ptr<Seat> seat, std::shared_ptr<void> keep);
  void wake();
  std::shared_ptr<Delivery> next();
  bool turn_is_over();
  bool may_run(std::size_t id) const;
  [[nodiscard]] bool may_start(const Delivery& delivery) const;
  [[nodiscard]] std::size_t at_work() const noexcept { return runs_.size() - standing_by_; }
  [[nodiscard]] std::size_t most_at_work() const noexcept;
  [[nodiscard]] static std::size_t standing_by(const Record& record) noexcept;
  [[nodiscard]] bool may_stand_by(const Record& record) const;
  void count_running(Record& record, std::size_t running) noexcept;
  void add_seat();

  Task<> run_one(std::shared_ptr<Seat> seat, const std::shared_ptr<Delivery>& delivery);
  void spoilt(const std::shared_ptr<Seat>& seat, Delivery& delivery, std::exception_ptr error);
  void begin(const std::shared_ptr<Seat>& seat, std::shared_ptr<Delivery> delivery);
  bool prepare(const std::shared_ptr<Seat>& seat, runtime::TimePoint now);
  static Task<> call(std::shared_ptr<Run> run, const detail::ErasedHandler* handler);
  void ended(const std::shared_ptr<Seat>& seat);

  void arm_deadline(const std::shared_ptr<Seat>& seat);
  void on_deadline(const std::shared_ptr<Seat>& seat);
  void stop_late(const std::shared_ptr<Seat>& seat);
  void give_up(const std::shared_ptr<Seat>& seat, Outcome outcome);
  void starve(const std::shared_ptr<Delivery>& waited);
  void enqueue(std::shared_ptr<Delivery>&& delivery, std::size_t level);
  void give_back(const Topic* topic, std::vector<std::shared_ptr<Delivery>> items);
  void release(std::vector<std::shared_ptr<Delivery>> items);
  void rest_if_nothing_is_here(Record& record);

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  LookAgain& look_again_;
  LocalQueue queue_;
  Outcomes outcomes_;
  BlockingRuns threads_;
  runtime::Scope scope_;
  std::weak_ptr<void> keep_;

  std::deque<Record> records_;               // by topic
  std::vector<std::size_t> queued_;          // of each source
  std::size_t resting_ = 0;                  // topics of which nothing runs
  std::size_t standing_by_ = 0;              // runs that do, see may_stand_by()
  std::vector<std::shared_ptr<Seat>> idle_;  // wait for work, the last one is woken first
  std::vector<std::shared_ptr<Seat>> runs_;  // have a run that counts
  std::atomic<std::size_t> with_run_{0};     // as many, for other threads
  std::atomic<std::int64_t> zombies_{0};
  runtime::Event none_runs_;
  runtime::Event seats_left_;
  std::size_t seats_ = 0;   // coroutines that are no zombies
  std::size_t woken_ = 0;   // are on their way to look for a message
  bool next_turn_ = false;  // one goes on in the loop's next turn
  std::uint64_t drain_ = 0;
  int taken_ = 0;         // in this drain
  std::size_t last_ = 0;  // topic of the last message taken
  bool closed_ = false;
  bool finishing_ = false;
  bool hurried_ = false;
};

}  // namespace mx_rmq::worker
