#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "mx_rmq/task.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/one_shot.hpp"
#include "worker/during.hpp"
#include "worker/run.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Claimer;

/// The runs of handlers that block: each waits for a blocking thread, and begins when it has one. A
/// source of which one got none in all the time that the run itself may take is *starved*: nothing
/// of it is claimed until a job that does nothing has had its turn. Loop thread only.
class BlockingRuns {
 public:
  /// `claimer` is told of sources that are starved no longer.
  BlockingRuns(runtime::EventLoop& loop, Claimer& claimer);

  /// Late callbacks do nothing once `keep` is gone.
  void start(std::weak_ptr<void> keep) { keep_ = std::move(keep); }
  void add(Source& source);

  enum class End : std::uint8_t {
    called,     // the handler, to its end
    withdrawn,  // before its turn came
    no_thread,  // there is none for it to wait for
  };
  Task<End> call(std::shared_ptr<Run> run);
  /// True if it waited for a thread: its handler will not be called, and it ends by itself.
  bool withdraw(Run& run);

  /// A message got no thread in time.
  void starve(Source& source);
  [[nodiscard]] bool starved(const Source& source) const { return records_[source.id].starved; }

  /// Counts a blocking thread that a run keeps which was given up.
  [[nodiscard]] Counted count_hung() { return count_in(hung_); }
  /// Runs that wait for a thread. Any thread.
  [[nodiscard]] std::size_t waiting() const noexcept;
  /// Why handlers that block do not run; empty if they do.
  [[nodiscard]] std::string trouble() const;

  /// Nothing further is asked for.
  void stop();

 private:
  struct Record {
    explicit Record(Source& of) : source(of) {}

    Source& source;
    bool starved = false;
    runtime::log::Every gate{std::chrono::seconds(5)};
  };

  bool submit(const std::shared_ptr<Run>& run, runtime::OneShot<runtime::JobEnd>* ended);
  void ask_for_thread();
  void thread_came();

  runtime::EventLoop& loop_;
  Claimer& claimer_;
  std::weak_ptr<void> keep_;
  std::deque<Record> records_;  // by source
  // The threads hold it too.
  const std::shared_ptr<std::atomic<std::int64_t>> waiting_ =
      std::make_shared<std::atomic<std::int64_t>>(0);
  std::atomic<std::int64_t> hung_{0};
  runtime::JobId asked_;        // its turn comes when there is a thread for a starved source
  runtime::TimerId ask_again_;  // where the system has none to start
  bool stopped_ = false;
};

}  // namespace mx_rmq::worker
