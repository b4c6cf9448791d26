#include "runtime/executor_jobs.hpp"

#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"

#include "runtime/log.hpp"
#include "runtime/shutdown_listener.hpp"

namespace mx_rmq::runtime {

/// What the jobs that are under way share. It listens for the loop's shutdown while there are some,
/// and they keep it alive.
class ExecutorJobs::Core final : public ShutdownListener,
                                 public std::enable_shared_from_this<ExecutorJobs::Core> {
 public:
  explicit Core(EventLoop& loop) : loop_(&loop) {}

  // --- loop thread ---

  std::uint64_t add(Job job, Done done) {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) throw ShutdownError("mx_rmq: the Runtime is ending");
    if (entries_.empty()) loop_->add_listener(*this);
    entries_.emplace(++last_, Entry{std::move(job), std::move(done)});
    return last_;
  }
  /// Forgets a job that has not begun, and tells nobody.
  Job take_back(std::uint64_t number, Done* done) {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(number);
    if (entry == entries_.end() || entry->second.begun) return {};
    *done = std::move(entry->second.done);
    Job job = std::move(entry->second.job);
    erase(entry);
    return job;
  }
  void tell(Done done, JobEnd end) {
    loop_->defer([done = std::move(done), end] { done(end); });
  }

  // --- any thread ---

  void run(std::uint64_t number) noexcept {
    Job job;
    {
      const std::lock_guard lock(mutex_);
      const auto entry = entries_.find(number);
      if (entry == entries_.end() || std::exchange(entry->second.begun, true)) return;
      job = std::move(entry->second.job);
    }
    try {
      job();
    } catch (const std::exception& error) {
      log::error("a job of an executor threw", "what", error.what());
    } catch (...) {
      log::error("a job of an executor threw something that is no std::exception");
    }
    job = {};
    end(number, JobEnd::completed);
  }
  /// The executor has let go of it without running it.
  void dropped(std::uint64_t number) noexcept {
    {
      const std::lock_guard lock(mutex_);
      const auto entry = entries_.find(number);
      if (entry == entries_.end() || std::exchange(entry->second.begun, true)) return;
    }
    end(number, JobEnd::cancelled);
  }

 private:
  struct Entry {
    Job job;
    Done done;
    bool begun = false;
  };
  using Entries = std::map<std::uint64_t, Entry>;

  void end(std::uint64_t number, JobEnd how) noexcept {
    const std::lock_guard lock(mutex_);  // the loop's shutdown waits meanwhile
    if (loop_ == nullptr) return;
    try {
      loop_->post([self = shared_from_this(), number, how] { self->told(number, how); });
    } catch (const std::exception& error) {
      log::debug("a job of an executor ended when its loop had", "why", error.what());
    }
  }
  void told(std::uint64_t number, JobEnd how) {
    Entry ended;
    {
      const std::lock_guard lock(mutex_);
      const auto entry = entries_.find(number);
      if (entry == entries_.end()) return;  // the shutdown has told it
      ended = std::move(entry->second);
      erase(entry);
    }
    ended.done(how);
  }
  void erase(Entries::iterator entry) {
    entries_.erase(entry);
    if (entries_.empty() && loop_ != nullptr) loop_->remove_listener(*this);
  }
  void on_shutdown() noexcept override {
    Entries left;
    EventLoop* loop = nullptr;
    {
      const std::lock_guard lock(mutex_);
      loop = std::exchange(loop_, nullptr);
      left = std::exchange(entries_, {});
    }
    // From the ready list: who is told may end what others listen with.
    for (auto& [number, entry] : left)
      loop->defer([done = std::move(entry.done),
                   end = entry.begun ? JobEnd::abandoned : JobEnd::cancelled] { done(end); });
  }

  std::mutex mutex_;  // guards all that follows
  EventLoop* loop_;   // nullptr once it shuts down
  Entries entries_;
  std::uint64_t last_ = 0;
};

/// What an executor is given; copies mean the same job.
class ExecutorJobs::Ticket {
 public:
  Ticket(std::shared_ptr<Core> core, std::uint64_t number)
      : core_(std::move(core)), number_(number) {}
  ~Ticket() { core_->dropped(number_); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void run() const noexcept { core_->run(number_); }

 private:
  const std::shared_ptr<Core> core_;
  const std::uint64_t number_;
};

ExecutorJobs::ExecutorJobs(EventLoop& loop, Executor executor)
    : executor_(std::move(executor)), core_(std::make_shared<Core>(loop)) {}

JobId ExecutorJobs::submit(Job job, Done done) {
  const std::uint64_t number = core_->add(std::move(job), std::move(done));
  const auto ticket = std::make_shared<Ticket>(core_, number);
  try {
    executor_([ticket] { ticket->run(); });
  } catch (...) {
    Done nobody;
    if (core_->take_back(number, &nobody)) throw;
    // It has begun, and `done` tells its end: the error is the executor's own.
    log::warn("an executor threw though it had begun its work");
  }
  return JobId{number};
}

bool ExecutorJobs::withdraw(JobId id) {
  Done done;
  const Job job = core_->take_back(id.value, &done);  // destroyed here: it is the user's code
  if (!job) return false;
  core_->tell(std::move(done), JobEnd::withdrawn);
  return true;
}

}  // namespace mx_rmq::runtime
