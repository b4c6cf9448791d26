#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/executor_jobs.hpp"
#include "runtime/log.hpp"
#include "runtime/one_shot.hpp"
#include "worker/during.hpp"
#include "worker/run.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Claimer;

/// The runs of handlers that block: each waits for a blocking thread, or for its turn on the
/// executor of its topic, and begins when it has it. A topic of which one got none in all the time
/// that the run itself may take is *starved*: nothing of it is claimed until a job that does
/// nothing has had its turn. Loop thread only.
class BlockingRuns {
 public:
  /// `claimer` is told of the sources of topics that are starved no longer.
  BlockingRuns(runtime::EventLoop& loop, Claimer& claimer);

  /// Late callbacks do nothing once `keep` is gone.
  void start(std::weak_ptr<void> keep) { keep_ = std::move(keep); }
  void add(const Topic& topic);
  void add(Source& source);

  enum class End : std::uint8_t {
    called,     // the handler, to its end
    withdrawn,  // before its turn came
    no_thread,  // there is none for it to wait for
  };
  Task<End> call(std::shared_ptr<Run> run);
  /// Whether runs of this topic may be more than run at the same time (`most_at_work`): the others
  /// wait with the threads for those, instead of in the local queue.
  [[nodiscard]] bool keeps_back(const Topic& topic) const {
    return records_[topic.id].crew != nullptr;
  }
  void set_most_at_work(std::size_t most);
  /// It waits for others of its topic.
  [[nodiscard]] bool kept_back(const Run& run) const;
  /// True if it waited for a thread: its handler will not be called, and it ends by itself.
  bool withdraw(Run& run);

  /// A message got no thread in time, or its executor did not take it.
  void starve(const Topic& topic);
  [[nodiscard]] bool starved(const Topic& topic) const { return records_[topic.id].starved; }

  /// Counts the blocking thread that a run keeps which was given up, if it has one of ours. Another
  /// one of its topic may begin in its place.
  [[nodiscard]] Counted count_hung(const Run& run);
  /// Runs that wait for a thread. Any thread.
  [[nodiscard]] std::size_t waiting() const noexcept;
  /// Why handlers that block do not run; empty if they do.
  [[nodiscard]] std::string trouble() const;

  /// Nothing further is asked for.
  void stop();

 private:
  /// A job whose turn comes when there is a thread for starved topics.
  struct Question {
    runtime::JobId job;
    runtime::TimerId again;  // where there was nobody to take the job
  };
  struct Record {
    Record(const Topic& of, runtime::EventLoop& loop);

    const Topic& topic;
    std::vector<Source*> sources;                       // of the topic
    std::optional<runtime::ExecutorJobs> executor;      // of the topic, instead of the pool
    std::shared_ptr<runtime::BlockingPool::Crew> crew;  // in the pool
    Question asked;                                     // of the executor
    bool starved = false;
    runtime::log::Every gate{std::chrono::seconds(5)};
  };

  runtime::JobId submit(Record& record, runtime::BlockingPool::Job job,
                        runtime::BlockingPool::Done done,
                        std::shared_ptr<runtime::BlockingPool::Crew> crew = {});
  void take_back(Record& record, runtime::JobId job);
  bool submit_run(const std::shared_ptr<Run>& run, runtime::OneShot<runtime::JobEnd>* ended);
  [[nodiscard]] Record& record_of(const Run& run) {
    return records_[run.delivery->source->topic.id];
  }
  [[nodiscard]] Question& question_of(Record& record) {
    return record.executor ? record.asked : asked_;
  }
  void ask_for_thread(Record& record);
  void ask_later(Record& record);
  void thread_came(const Record& record);

  runtime::EventLoop& loop_;
  Claimer& claimer_;
  std::weak_ptr<void> keep_;
  std::deque<Record> records_;  // by topic
  // The threads hold it too.
  const std::shared_ptr<std::atomic<std::int64_t>> waiting_ =
      std::make_shared<std::atomic<std::int64_t>>(0);
  std::atomic<std::int64_t> hung_{0};
  Question asked_;  // of the pool
  std::size_t most_at_work_ = 1;
  bool stopped_ = false;
};

}  // namespace mx_rmq::worker
