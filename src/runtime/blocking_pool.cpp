#include "runtime/blocking_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mx_rmq/errors.hpp"

#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/thread_setup.hpp"

namespace mx_rmq::runtime {

namespace {

struct WaitingJob {
  std::uint64_t number = 0;
  BlockingPool::Job job;
  BlockingPool::Done done;
  std::shared_ptr<BlockingPool::Crew> crew;
};

// By number, as a deque of jobs is kept.
std::deque<WaitingJob>::iterator place_of(std::deque<WaitingJob>& jobs, std::uint64_t number) {
  return std::ranges::lower_bound(jobs, number, {}, &WaitingJob::number);
}

}  // namespace

// The pool's mutex guards it.
class BlockingPool::Crew {
 public:
  explicit Crew(std::size_t most_of) : most(most_of) {}

  std::size_t most;
  std::size_t out = 0;  // wait for a thread, or run
  std::deque<WaitingJob> kept_back;
};

/// What the pool and its threads share. An abandoned thread keeps it alive.
struct BlockingPool::State : std::enable_shared_from_this<BlockingPool::State> {
  using Waiting = WaitingJob;
  struct Worker {
    std::thread thread;
    std::uint64_t number = 0;    // of the job that runs
    std::shared_ptr<Crew> crew;  // in which it counts
    bool busy = false;
    bool abandoned = false;  // nobody waits for its job any more
    Done done;               // of the job that runs
  };
  struct Ended {
    Done done;
    JobEnd end;
  };

  bool wants_worker() const {
    return waiting.size() > workers.size() - running && workers.size() < max_threads;
  }
  void start_worker(const std::shared_ptr<State>& self);
  void left(std::shared_ptr<Crew> crew);
  void call_up(Crew& crew);
  void get_going();
  void wake_one();
  void work(Worker& worker);
  void run(Job job) noexcept;
  void tell(Done done, JobEnd end) noexcept;
  void tell_all();
  std::list<Worker> abandon_busy();

  EventLoop* loop = nullptr;
  std::string name;
  sigset_t signals{};

  mutable std::mutex mutex;  // guards all that follows
  std::condition_variable work_or_end;
  std::condition_variable job_ended;
  std::deque<Waiting> waiting;  // by number
  std::vector<std::weak_ptr<Crew>> crews;
  std::uint64_t submitted = 0;
  std::list<Worker> workers;
  std::size_t max_threads = 0;
  std::size_t running = 0;
  std::size_t sleeping = 0;
  bool flushing = false;     // the loop wakes a thread at the end of what it is doing
  bool waking = false;       // a sleeping thread was notified and is on its way
  std::vector<Ended> ended;  // the loop is to be told of these
  bool telling = false;      // it knows that there are some
  bool ending = false;
};

namespace {

thread_local const void* current_pool = nullptr;

}  // namespace

BlockingPool::BlockingPool(EventLoop& loop, std::size_t max_threads, std::string name,
                           const sigset_t& signals)
    : state_(std::make_shared<State>()) {
  if (max_threads == 0) {
    throw std::invalid_argument("mx_rmq: the blocking pool needs at least one thread");
  }
  state_->loop = &loop;
  state_->max_threads = max_threads;
  state_->name = std::move(name);
  state_->signals = signals;
}

BlockingPool::~BlockingPool() { shutdown(std::chrono::nanoseconds::zero()); }

JobId BlockingPool::submit(Job job, Done done, std::shared_ptr<Crew> crew) {
  const std::lock_guard lock(state_->mutex);
  if (state_->ending) throw ShutdownError("mx_rmq: the Runtime is ending");
  const JobId id{state_->submitted + 1};
  Crew* const its = crew.get();
  const bool kept_back = its != nullptr && its->out >= its->most;
  std::deque<State::Waiting>& line = kept_back ? its->kept_back : state_->waiting;
  line.push_back(State::Waiting{id.value, std::move(job), std::move(done), std::move(crew)});
  ++state_->submitted;
  if (kept_back) return id;
  if (its != nullptr) ++its->out;
  if (!state_->wants_worker()) {
    if (!state_->loop->on_loop_thread()) {
      state_->wake_one();
    } else if (!std::exchange(state_->flushing, true)) {
      // Once for all that this drain submits.
      state_->loop->defer([self = state_] {
        const std::lock_guard again(self->mutex);
        self->flushing = false;
        self->wake_one();
      });
    }
    return id;
  }
  try {
    state_->start_worker(state_);
  } catch (const std::system_error& error) {
    if (state_->workers.empty()) {
      state_->waiting.pop_back();
      if (its != nullptr) --its->out;
      throw;
    }
    log::warn("no further blocking thread could be started", "why", error.what(), "threads",
              state_->workers.size());
  }
  return id;
}

bool BlockingPool::withdraw(JobId id) {
  State::Waiting job;  // destroyed without the lock: it is the user's code
  const std::lock_guard lock(state_->mutex);
  const auto take = [&](std::deque<State::Waiting>& line) {
    const auto found = place_of(line, id.value);
    if (found == line.end() || found->number != id.value) return false;
    job = std::move(*found);
    line.erase(found);
    state_->tell(std::move(job.done), JobEnd::withdrawn);
    return true;
  };
  if (take(state_->waiting)) {
    state_->left(job.crew);
    state_->get_going();
    return true;
  }
  return std::ranges::any_of(state_->crews, [&](const std::weak_ptr<Crew>& each) {
    const auto crew = each.lock();
    return crew && take(crew->kept_back);
  });
}

std::shared_ptr<BlockingPool::Crew> BlockingPool::make_crew(std::size_t most) {
  auto crew = std::make_shared<Crew>(most);
  const std::lock_guard lock(state_->mutex);
  std::erase_if(state_->crews, [](const std::weak_ptr<Crew>& each) { return each.expired(); });
  state_->crews.push_back(crew);
  return crew;
}

void BlockingPool::set_most(Crew& crew, std::size_t most) {
  const std::lock_guard lock(state_->mutex);
  crew.most = most;
  state_->call_up(crew);
  state_->get_going();
}

bool BlockingPool::kept_back(JobId id) const {
  const std::lock_guard lock(state_->mutex);
  return std::ranges::any_of(state_->crews, [id](const std::weak_ptr<Crew>& each) {
    const auto crew = each.lock();
    if (!crew) return false;
    const auto found = place_of(crew->kept_back, id.value);
    return found != crew->kept_back.end() && found->number == id.value;
  });
}

void BlockingPool::leave_crew(JobId id) {
  const std::lock_guard lock(state_->mutex);
  for (State::Worker& worker : state_->workers) {
    if (!worker.busy || worker.number != id.value) continue;
    state_->left(std::exchange(worker.crew, {}));
    state_->get_going();
  }
}

void BlockingPool::ensure_threads(std::size_t count) {
  const std::lock_guard lock(state_->mutex);
  state_->max_threads = std::max(state_->max_threads, count);
  // Jobs that waited because of the old limit need not wait for the next submit().
  while (!state_->ending && state_->wants_worker()) state_->start_worker(state_);
}

std::size_t BlockingPool::max_threads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->max_threads;
}

std::size_t BlockingPool::threads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->workers.size();
}

std::size_t BlockingPool::running() const {
  const std::lock_guard lock(state_->mutex);
  return state_->running;
}

std::size_t BlockingPool::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waiting.size();
}

bool BlockingPool::on_pool_thread() const noexcept { return current_pool == state_.get(); }

void BlockingPool::shutdown(std::chrono::nanoseconds timeout) noexcept {
  std::unique_lock lock(state_->mutex);
  if (std::exchange(state_->ending, true)) return;
  for (State::Waiting& entry : state_->waiting)
    state_->tell(std::move(entry.done), JobEnd::cancelled);
  // The jobs are destroyed without the lock: they are the user's code.
  const auto cancelled = std::exchange(state_->waiting, {});
  std::vector<std::deque<State::Waiting>> kept_back;
  for (const std::weak_ptr<Crew>& each : state_->crews) {
    const auto crew = each.lock();
    if (!crew) continue;
    for (State::Waiting& entry : crew->kept_back)
      state_->tell(std::move(entry.done), JobEnd::cancelled);
    kept_back.push_back(std::exchange(crew->kept_back, {}));
  }
  state_->work_or_end.notify_all();
  if (!on_pool_thread()) {
    const auto longest = std::chrono::nanoseconds(std::chrono::hours(24 * 365));
    state_->job_ended.wait_for(lock, std::min(timeout, longest),
                               [this] { return state_->running == 0; });
  }
  auto idle = state_->abandon_busy();
  lock.unlock();
  for (State::Worker& worker : idle) worker.thread.join();
}

std::list<BlockingPool::State::Worker> BlockingPool::State::abandon_busy() {
  std::list<Worker> idle;
  for (auto next = workers.begin(); next != workers.end();) {
    const auto worker = next++;
    if (worker->busy) {
      log::warn("a blocking call has not ended in time; its thread is left to itself", "thread",
                name);
      worker->abandoned = true;
      worker->thread.detach();
      tell(std::exchange(worker->done, {}), JobEnd::abandoned);
    } else {
      idle.splice(idle.end(), workers, worker);
    }
  }
  return idle;
}

void BlockingPool::State::start_worker(const std::shared_ptr<State>& self) {
  workers.emplace_back();
  Worker& worker = workers.back();
  try {
    worker.thread = std::thread([self, &worker] { self->work(worker); });
  } catch (...) {
    workers.pop_back();
    throw;
  }
}

void BlockingPool::State::work(Worker& worker) {
  current_pool = this;
  set_signal_mask(signals);  // the thread that started this one may be the loop's
  name_this_thread(name, "-b");
  std::unique_lock lock(mutex);
  for (;;) {
    while (!ending && waiting.empty()) {
      ++sleeping;
      work_or_end.wait(lock);
      --sleeping;
      waking = false;
    }
    if (waiting.empty()) return;
    Job job = std::move(waiting.front().job);
    worker.done = std::move(waiting.front().done);
    worker.crew = std::move(waiting.front().crew);
    worker.number = waiting.front().number;
    waiting.pop_front();
    worker.busy = true;
    ++running;
    wake_one();
    lock.unlock();
    run(std::move(job));
    lock.lock();
    --running;
    if (worker.abandoned) return;  // the pool may be gone, and the loop with it
    worker.busy = false;
    left(std::exchange(worker.crew, {}));
    tell(std::exchange(worker.done, {}), JobEnd::completed);
    if (ending) job_ended.notify_all();
  }
}

// With the mutex, as the next two. One of its jobs less waits for a thread, or runs.
void BlockingPool::State::left(std::shared_ptr<Crew> crew) {
  if (!crew) return;
  --crew->out;
  call_up(*crew);
}

// They take the places that they would have had: whoever waits for a thread has it in his turn.
void BlockingPool::State::call_up(Crew& crew) {
  while (!crew.kept_back.empty() && crew.out < crew.most) {
    Waiting& first = crew.kept_back.front();
    waiting.insert(place_of(waiting, first.number), std::move(first));
    crew.kept_back.pop_front();
    ++crew.out;
  }
}

// There may be jobs for threads that sleep, or are not there yet.
void BlockingPool::State::get_going() {
  while (!ending && wants_worker()) {
    try {
      start_worker(shared_from_this());
    } catch (const std::system_error&) {
      break;  // those that are there do the work
    }
  }
  wake_one();
}

void BlockingPool::State::run(Job job) noexcept {
  try {
    job();
  } catch (const std::exception& error) {
    log::error("a blocking job threw", "what", error.what());
  } catch (...) {
    log::error("a blocking job threw an exception of an unknown type");
  }
}

// With the mutex, as the next. One thread at a time is woken, and wakes the next one if jobs are
// left: when jobs are short, few threads do them all and the others sleep on.
void BlockingPool::State::wake_one() {
  if (waiting.empty() || waking || sleeping == 0) return;
  waking = true;
  work_or_end.notify_one();
}

// What ends before the loop has had time to look is told in one go.
void BlockingPool::State::tell(Done done, JobEnd end) noexcept {
  if (!done) return;
  try {
    ended.push_back(Ended{std::move(done), end});
    if (std::exchange(telling, true)) return;
    loop->post([self = shared_from_this()] { self->tell_all(); });
  } catch (...) {
    telling = false;
    loop->report(std::current_exception());  // nobody is left to be told
  }
}

// On the loop thread.
void BlockingPool::State::tell_all() {
  std::vector<Ended> list;
  {
    const std::lock_guard lock(mutex);
    list.swap(ended);
    telling = false;
  }
  for (Ended& each : list) {
    try {
      each.done(each.end);
    } catch (...) {
      loop->report(std::current_exception());
    }
  }
}

}  // namespace mx_rmq::runtime
