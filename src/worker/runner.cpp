#include "worker/runner.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <iterator>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "runtime/planted.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// So many messages are begun before what they have led to leaves, so that Redis works on that while
// the next ones are handled.
constexpr int most_in_a_turn = 128;
// As many as are begun within such a time stand by, and so many at most.
constexpr Duration stand_by_time = 5ms;
constexpr std::size_t most_standing_by = 128;

// A run that ends this soon after its stop token fired still counts with its own outcome.
Duration grace(std::chrono::milliseconds timeout) {
  return std::min<Duration>(100ms, Duration(timeout) / 10);
}

Outcome outcome_of(Outcome::Kind kind, std::string error) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.error = std::move(error);
  return outcome;
}

Outcome failure(std::string text, std::exception_ptr cause) {
  Outcome outcome = outcome_of(Outcome::Kind::failed, std::move(text));
  outcome.cause = std::move(cause);
  return outcome;
}

Outcome outcome_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Reject& e) {
    return outcome_of(Outcome::Kind::rejected, e.what());
  } catch (const RetryAfter& e) {
    Outcome outcome = outcome_of(Outcome::Kind::retry_after, e.what());
    outcome.delay = e.delay();
    return outcome;
  } catch (const detail::PayloadDecodeError& e) {
    return outcome_of(Outcome::Kind::undecodable, e.what());
  } catch (const std::exception& e) {
    return failure(e.what(), error);
  } catch (...) {
    return failure("the handler threw something that is no std::exception", error);
  }
}

// Its level in the local queue.
std::size_t level_of(const Delivery& delivery) {
  if (delivery.suspect) return 0;
  return static_cast<std::size_t>(broker::list_of(delivery.view->priority));
}

}  // namespace

// A worker coroutine and the run that it has.
struct Runner::Seat {
  explicit Seat(runtime::EventLoop& loop) : wake(loop) {}

  runtime::Event wake;
  std::shared_ptr<Run> run;    // the one that counts
  std::shared_ptr<Run> spare;  // an ended one
  std::size_t place = 0;       // among those that have a run
  runtime::TimerId timer;
  TimePoint timer_due{};
  bool warned = false;  // the stop token fired at the deadline
  Counted zombie;       // given up; its run goes on
  Counted hung;         // and keeps a blocking thread

  // Nobody else has the ended run: whoever had it gave it up before this thread heard of its end.
  [[nodiscard]] bool spare_is_free() const { return spare != nullptr && spare.use_count() == 1; }
};

Runner::Runner(runtime::EventLoop& loop, const MQConfig& config, LookAgain& look_again,
               Claimer& claimer)
    : loop_(loop),
      config_(config),
      look_again_(look_again),
      outcomes_(loop, config),
      threads_(loop, claimer),
      scope_(loop),
      none_runs_(loop),
      seats_left_(loop) {
  none_runs_.set();
}

Runner::~Runner() = default;

void Runner::start(std::shared_ptr<void> keep) {
  keep_ = keep;
  threads_.start(keep);
  for (int i = 0; i < config_.max_workers; ++i) add_seat();
}

void Runner::add(const Topic& topic) {
  assert(topic.id == records_.size() && "topics are added in order");
  outcomes_.add(topic);
  threads_.add(topic);
  records_.emplace_back(topic, static_cast<std::size_t>(config_.max_workers));
  ++resting_;
  threads_.set_most_at_work(most_at_work());
  for (Record& record : records_) count_running(record, record.running);
}

void Runner::add(Source& source) {
  assert(source.id == queued_.size() && "sources are added in order");
  threads_.add(source);
  queued_.push_back(0);
}

void Runner::take_in(std::vector<std::shared_ptr<Delivery>>& deliveries, std::int64_t now) {
  Record* into = nullptr;
  for (auto& delivery : deliveries) {
    const Source& source = *delivery->source;
    if (closed_ || threads_.starved(source.topic) || !may_start(*delivery)) {
      Outcomes::release(delivery);
    } else if (!outcomes_.settle_unfit(delivery, now)) {
      const std::size_t level = level_of(*delivery);
      enqueue(std::move(delivery), level);
      into = &records_[source.topic.id];  // the same for all: one claim's
    }
    delivery.reset();
  }
  if (into == nullptr) return;
  into->pace.works(loop_.now());
  wake();
}

// `delivery` is taken only if nothing was thrown.
void Runner::enqueue(std::shared_ptr<Delivery>&& delivery, std::size_t level) {
  const Source& source = *delivery->source;
  queue_.push(source.topic.id, level, std::move(delivery));
  ++queued_[source.id];
}

// --- the coroutines ---

void Runner::add_seat() {
  scope_.spawn(work(std::make_shared<Seat>(loop_), keep_.lock()));
  ++seats_;
  seats_left_.reset();
}

// There are messages that may run: one coroutine looks, and has others look if there are more.
void Runner::wake() {
  if (woken_ > 0 || next_turn_) return;
  if (idle_.empty()) {
    if (last_ < records_.size() && seats_ == runs_.size() && may_stand_by(records_[last_]))
      add_seat();
    return;
  }
  ++woken_;
  idle_.back()->wake.set();
  idle_.pop_back();
}

bool Runner::turn_is_over() {
  if (drain_ != loop_.drains()) {
    drain_ = loop_.drains();
    taken_ = 0;
  }
  return taken_ >= most_in_a_turn;
}

bool Runner::may_run(std::size_t id) const {
  const Record& record = records_[id];
  const std::size_t most = record.topic.max_concurrency;
  if (most != 0 && record.running >= most) return false;
  if (record.running >= record.most_at_work) return may_stand_by(record);
  // The last free worker is kept while there is a topic of which nothing runs, so that slow ones
  // cannot occupy them all while another one waits.
  const std::size_t free = free_seats();
  if (config_.max_workers <= 2 || record.running == 0 || free > 1) return free > 0;
  return free > 0 && resting_ == 0;
}

// A claim takes nothing of a paused topic. So what came by an earlier version of the settings than
// the one that pauses it goes back, and what comes by a later one, or when the pause is over, may
// start. By settings that cannot be read nothing is paused.
bool Runner::may_start(const Delivery& delivery) const {
  const std::int64_t paused_by = records_[delivery.source->topic.id].paused_by;
  return delivery.settings >= paused_by || delivery.settings < 0;
}

std::size_t Runner::free_seats() const noexcept {
  const auto workers = static_cast<std::size_t>(config_.max_workers);
  return workers - std::min(workers, at_work());
}

// --- standing by: quick handlers that block ---

// With one free worker at least for others, if there are any.
std::size_t Runner::most_at_work() const noexcept {
  const auto workers = static_cast<std::size_t>(config_.max_workers);
  return records_.size() > 1 && workers > 2 ? workers - 1 : workers;
}

std::size_t Runner::standing_by(const Record& record) noexcept {
  return record.running - std::min(record.running, record.most_at_work);
}

// A few more than the workers that a topic may have are handed to the threads, which begin one
// when another one has ended: quick handlers need not wait for this loop in between. Not while
// others wait, for their turn would come after these.
bool Runner::may_stand_by(const Record& record) const {
  const std::size_t waiting = queue_.size(record.topic.id);
  if (waiting == 0 || waiting != queue_.size() || !threads_.keeps_back(record.topic)) return false;
  if (record.running < record.most_at_work) return false;
  const std::size_t now = standing_by(record);
  return now < most_standing_by &&
         static_cast<double>(now) < record.pace.in(stand_by_time, loop_.now());
}

void Runner::count_running(Record& record, std::size_t running) noexcept {
  standing_by_ -= standing_by(record);
  if (record.running == 0) --resting_;
  record.running = running;
  if (record.running == 0) ++resting_;
  // When another topic has come those that are at work stay so.
  record.most_at_work = std::max(most_at_work(), std::min(record.most_at_work, running));
  standing_by_ += standing_by(record);
}

// The last one as in may_run().
std::size_t Runner::seats_for(const Topic& topic) const {
  const std::size_t free = free_seats();
  const bool runs = running(topic) > 0;
  const bool others_rest = resting_ > (runs ? 0U : 1U);
  if (config_.max_workers <= 2 || !others_rest || free == 0) return free;
  if (free == 1) return runs ? 0 : 1;
  return free - 1;
}

std::shared_ptr<Delivery> Runner::next() {
  if (closed_) return nullptr;
  // While the messages of a topic end at once, the turn of the loop is its own: acknowledged
  // together they cost one call.
  std::optional<std::size_t> again;
  if (taken_ > 0 && records_[last_].running == 0) again = last_;
  auto delivery = queue_.pop([this](std::size_t topic) { return may_run(topic); }, again);
  if (!delivery) return nullptr;
  last_ = delivery->source->topic.id;
  --queued_[delivery->source->id];
  return delivery;
}

Task<> Runner::work(std::shared_ptr<Seat> seat, std::shared_ptr<void> keep) {
  while (!seat->zombie && !finishing_) {
    const bool over = turn_is_over();
    if (over && !next_turn_) {
      next_turn_ = true;
      co_await loop_.next_turn();
      next_turn_ = false;
      continue;
    }
    std::shared_ptr<Delivery> delivery;
    if (!over) delivery = next();
    if (!delivery) {
      seat->wake.reset();
      idle_.push_back(seat);
      co_await seat->wake.wait();
      if (woken_ > 0) --woken_;  // finish() wakes all at once
      continue;
    }
    ++taken_;
    if (queue_.size() > 0) wake();
    look_again_.soon();  // there is room again
    std::exception_ptr error;
    try {
      co_await run_one(seat, delivery);
    } catch (...) {
      error = std::current_exception();
    }
    if (error) {
      co_await loop_.back();
      spoilt(seat, *delivery, std::move(error));
    }
    if (seat->spare_is_free()) seat->spare->clear();
  }
  if (!seat->zombie) {
    if (seat->timer) loop_.cancel(seat->timer);
    if (--seats_ == 0) seats_left_.set();
  }
  seat->hung.reset();
  seat->zombie.reset();
  // What a zombie refers to goes after its frame has.
  loop_.defer([keep = std::move(keep)] {});
}

// --- a run ---

// What goes wrong beside the handler (memory has run out) costs this run only: its message goes
// back.
void Runner::spoilt(const std::shared_ptr<Seat>& seat, Delivery& delivery,
                    std::exception_ptr error) {
  delivery.source->consumer.let_go(delivery);
  if (seat->run) ended(seat);
  loop_.report(std::move(error));
}

void Runner::begin(const std::shared_ptr<Seat>& seat, std::shared_ptr<Delivery> delivery) {
  Record& record = records_[delivery->source->topic.id];
  if (MX_RMQ_PLANTED("starts_twice") && delivery->state == Delivery::State::queued)
    enqueue(std::shared_ptr<Delivery>(delivery), 0);
  if (seat->spare_is_free()) {
    seat->run = std::move(seat->spare);
  } else {
    seat->run = std::make_shared<Run>(loop_);
  }
  seat->run->begin(std::move(delivery));
  seat->warned = false;
  seat->place = runs_.size();
  runs_.push_back(seat);
  none_runs_.reset();
  count_running(record, record.running + 1);
  with_run_.store(runs_.size(), std::memory_order_relaxed);
}

Task<> Runner::run_one(std::shared_ptr<Seat> seat, const std::shared_ptr<Delivery>& delivery) {
  Source& source = *delivery->source;
  begin(seat, delivery);
  const std::shared_ptr<Run> run = seat->run;
  TimePoint now = loop_.now();
  bool fit = true;
  const bool unsure = !source.consumer.lease_lasts(now);
  if (unsure && !MX_RMQ_PLANTED("does_not_look_at_the_lease")) {
    fit = co_await source.consumer.confirm_lease(delivery);
    now = loop_.now();
  }
  if (run->over) co_return;  // given up while it waited, and released
  fit = fit && delivery->state != Delivery::State::gone && !closed_ && may_start(*delivery);
  bool called = fit && prepare(seat, now);
  std::exception_ptr error;
  if (called && source.topic.handler.blocking) {
    const BlockingRuns::End end = co_await threads_.call(run);
    if (end == BlockingRuns::End::no_thread) starve(delivery);
    called = end == BlockingRuns::End::called;
    error = std::move(run->error);
  } else if (called) {
    if (MX_RMQ_PLANTED("acknowledges_before_handling")) outcomes_.conclude(*run, Outcome());
    try {
      co_await call(run, &source.topic.handler);
    } catch (...) {
      error = std::current_exception();
    }
    co_await loop_.back();  // what the handler awaited may have taken it to any thread
  }
  if (run->over) co_return;  // it was given up meanwhile: its outcome is decided
  if (called) {
    outcomes_.conclude(*run, error ? outcome_of(error) : Outcome());
  } else if (delivery->state == Delivery::State::queued) {
    Outcomes::release(delivery);  // it never started
  }
  ended(seat);
}

// False: it was settled, there is nothing to run.
bool Runner::prepare(const std::shared_ptr<Seat>& seat, TimePoint now) {
  const std::shared_ptr<Run>& run = seat->run;
  const std::shared_ptr<Delivery>& delivery = run->delivery;
  const Source& source = *delivery->source;
  // Two estimates of one clock: nothing starts before it was produced.
  delivery->started_ms = source.broker.clock().at_ms(now);
  if (MX_RMQ_PLANTED("expires_by_the_wall_clock"))
    delivery->started_ms =
        std::chrono::floor<std::chrono::milliseconds>(loop_.wall()).time_since_epoch().count();
  if (delivery->view)
    delivery->started_ms = std::max(delivery->started_ms, delivery->view->created_at);
  if (outcomes_.settle_unfit(delivery, delivery->started_ms)) return false;
  // On a blocking thread it begins when that is free.
  if (!source.topic.handler.blocking) delivery->state = Delivery::State::running;
  delivery->started = now;
  run->attempt = delivery->view->attempts + 1;
  run->max_attempts = source.topic.policy.max_retries + 1;
  const TimePoint due = now + Duration(source.topic.policy.timeout);
  run->deadline.store(due.time_since_epoch().count(), std::memory_order_relaxed);
  describe(run->message, source.topic.name, *delivery, source.topic.policy);
  arm_deadline(seat);
  return true;
}

Task<> Runner::call(std::shared_ptr<Run> run, const detail::ErasedHandler* handler) {
  auto context = context_of(run);
  run->decode();
  return handler->coroutine(std::move(context));
}

void Runner::ended(const std::shared_ptr<Seat>& seat) {
  assert(runs_[seat->place] == seat && "a run ends once");
  Record& record = records_[seat->run->delivery->source->topic.id];
  count_running(record, record.running - 1);
  record.pace.ended(loop_.drain_began());
  rest_if_nothing_is_here(record);
  seat->run->over = true;
  seat->spare = std::move(seat->run);
  runs_[seat->place] = std::move(runs_.back());
  runs_[seat->place]->place = seat->place;
  runs_.pop_back();
  with_run_.store(runs_.size(), std::memory_order_relaxed);
  if (runs_.empty()) none_runs_.set();
  wake();  // a source at its bound may go on
  look_again_.soon();
}

void Runner::rest_if_nothing_is_here(Record& record) {
  if (record.running == 0 && queue_.size(record.topic.id) == 0) record.pace.rests(loop_.now());
}

// --- deadlines: one timer a seat, looked at again when it fires early ---

void Runner::arm_deadline(const std::shared_ptr<Seat>& seat) {
  TimePoint due = seat->run->due();
  if (seat->warned) due += grace(seat->run->delivery->source->topic.policy.timeout);
  if (seat->timer) {
    if (seat->timer_due <= due) return;
    loop_.cancel(seat->timer);
  }
  seat->timer_due = due;
  seat->timer = loop_.call_at(due, [this, weak = std::weak_ptr<Seat>(seat)] {
    if (const auto still = weak.lock()) on_deadline(still);
  });
}

void Runner::on_deadline(const std::shared_ptr<Seat>& seat) {
  seat->timer = {};
  const std::shared_ptr<Run> run = seat->run;
  if (!run || run->over) return;
  const bool begun = run->has_begun();
  // An earlier run's timer may fire while this one still waits for its lease: it has no deadline
  // yet.
  if (!begun && !run->job) return;
  // One whose message was lost meanwhile is given up like any other.
  if (loop_.now() < run->due()) {
    arm_deadline(seat);
  } else if (begun) {
    stop_late(seat);
  } else if (threads_.kept_back(*run)) {
    run->deadline.store((loop_.now() + Duration(run->delivery->source->topic.policy.timeout))
                            .time_since_epoch()
                            .count(),
                        std::memory_order_relaxed);
    arm_deadline(seat);
  } else if (threads_.withdraw(*run)) {
    // No thread came free in all the time that the run itself may take: others may have one.
    starve(run->delivery);
  } else {
    arm_deadline(seat);  // it begins at this moment
  }
}

// First by its stop token; then it is given up.
void Runner::stop_late(const std::shared_ptr<Seat>& seat) {
  const std::shared_ptr<Run> run = seat->run;
  if (!seat->warned) {
    seat->warned = true;
    arm_deadline(seat);
    run->delivery->stop
        .request_stop();  // last: its callbacks may resume the handler, which then ends
    return;
  }
  const Source& source = *run->delivery->source;
  const auto timeout = source.topic.policy.timeout;
  log::warn(outcomes_.gate(source.topic), "a handler had not ended at its deadline", "topic",
            source.topic.name, "id", run->message.id, "attempt", run->attempt, "timeout", timeout);
  const std::string text =
      "the handler had not ended after " + std::to_string(timeout.count()) + " ms";
  give_up(seat, failure(text, std::make_exception_ptr(TimeoutError(text))));
}

void Runner::give_up(const std::shared_ptr<Seat>& seat, Outcome outcome) {
  assert(!seat->zombie && "a run is given up once");
  const std::shared_ptr<Run> run = seat->run;
  run->has_begun();
  seat->zombie = count_in(zombies_);
  if (run->job) seat->hung = threads_.count_hung(*run);
  if (seat->timer) loop_.cancel(seat->timer);
  seat->timer = {};
  --seats_;
  if (run->delivery->state == Delivery::State::queued) {
    Outcomes::release(run->delivery);  // it waited for its lease to be confirmed
  } else {
    outcomes_.conclude(*run, outcome);
  }
  ended(seat);
  if (!finishing_) add_seat();
  if (seats_ == 0) seats_left_.set();
}

void Runner::pause(const Topic& topic, std::int64_t version) {
  if (MX_RMQ_PLANTED("keeps_what_it_prefetched_when_paused")) return;
  records_[topic.id].paused_by = version;
  if (version != 0) give_back(&topic, {});
}

bool Runner::interrupt(const Source& source, std::string_view id) {
  std::shared_ptr<Delivery> found;
  for (const auto& seat : runs_) {
    const auto& delivery = seat->run->delivery;
    const bool meant = delivery->source == &source && delivery->view && delivery->view->id == id;
    if (meant && seat->run->has_begun() && delivery->state == Delivery::State::running) {
      found = delivery;
    }
  }
  if (!found) return false;
  log::info("the run of a message is interrupted, as somebody has asked for it", "topic",
            source.topic.name, "id", id);
  found->stop.request_stop();  // last: its callbacks may resume the handler, which then ends
  return true;
}

void Runner::lost(const std::shared_ptr<Delivery>& delivery) {
  for (const auto& seat : runs_)
    if (seat->run->delivery == delivery) threads_.withdraw(*seat->run);
}

void Runner::starve(const std::shared_ptr<Delivery>& waited) {
  const Topic& topic = waited->source->topic;
  threads_.starve(topic);
  give_back(&topic, {waited});
}

// Gives back what has not started, of one topic or of all, and `items`.
void Runner::give_back(const Topic* topic, std::vector<std::shared_ptr<Delivery>> items) {
  auto queued =
      topic != nullptr
          ? queue_.take_if([topic](const Delivery& each) { return &each.source->topic == topic; })
          : queue_.take_all();
  for (const auto& item : queued) --queued_[item->source->id];
  std::ranges::move(queued, std::back_inserter(items));
  for (const auto& seat : runs_) {
    const auto& delivery = seat->run->delivery;
    const bool concerned = topic == nullptr || &delivery->source->topic == topic;
    if (concerned && threads_.withdraw(*seat->run)) items.push_back(delivery);
  }
  release(std::move(items));
}

void Runner::give_back_behind(const Topic& topic, std::size_t kept) {
  std::vector<std::shared_ptr<Run>> standing;
  for (const auto& seat : runs_)
    if (&seat->run->delivery->source->topic == &topic && threads_.kept_back(*seat->run))
      standing.push_back(seat->run);
  std::ranges::stable_sort(standing, {}, [](const auto& run) { return run->delivery->tag; });
  std::size_t seen = standing.size();
  auto items = queue_.take_if([&topic, &seen, kept](const Delivery& each) {
    return &each.source->topic == &topic && !each.suspect && seen++ >= kept;
  });
  for (const auto& item : items) --queued_[item->source->id];
  for (std::size_t i = kept; i < standing.size(); ++i)
    if (threads_.withdraw(*standing[i])) items.push_back(standing[i]->delivery);
  release(std::move(items));
}

void Runner::release(std::vector<std::shared_ptr<Delivery>> items) {
  // Each goes to the head of its list, so the newest first.
  std::ranges::stable_sort(items, [](const auto& a, const auto& b) { return a->tag > b->tag; });
  for (auto& item : items) {
    Record& record = records_[item->source->topic.id];
    if (item->state == Delivery::State::queued) Outcomes::release(std::move(item));
    rest_if_nothing_is_here(record);
  }
}

// --- the end ---

void Runner::close() {
  closed_ = true;
  threads_.stop();
  if (MX_RMQ_PLANTED("keeps_what_it_prefetched_when_stopping")) return;
  release_unstarted();
}

Task<bool> Runner::wait_idle(TimePoint deadline) {
  const bool waits = outcomes_.interrupting() || !hurried_;
  if (!runs_.empty() && waits) co_await none_runs_.wait_until(deadline);
  co_return runs_.empty();
}

void Runner::hurry() {
  hurried_ = true;
  none_runs_.set();  // who waits goes on
  if (!runs_.empty()) none_runs_.reset();
}

void Runner::interrupt() {
  outcomes_.interrupt();
  // The callbacks of one may end others.
  std::vector<std::shared_ptr<Delivery>> running;
  for (const auto& seat : runs_) running.push_back(seat->run->delivery);
  for (const auto& delivery : running) delivery->stop.request_stop();
}

void Runner::abandon() {
  finishing_ = true;
  const auto running = runs_;
  for (const auto& seat : running) {
    const std::shared_ptr<Run> run = seat->run;
    if (threads_.withdraw(*run)) continue;  // it never began
    log::warn("a handler was still running when the queue stopped; its message is given back",
              "topic", run->delivery->source->topic.name, "id", run->message.id, "attempt",
              run->attempt);
    give_up(seat, outcome_of(Outcome::Kind::interrupted, "the handler had not ended"));
  }
}

Task<> Runner::finish() {
  finishing_ = true;
  for (const auto& seat : idle_) seat->wake.set();
  idle_.clear();
  if (seats_ > 0) co_await seats_left_.wait();
}

// --- figures ---

void Runner::check() {
  const TimePoint now = loop_.now();
  for (const auto& seat : runs_) {
    const auto& run = seat->run;
    if (!run || !run->has_begun() || run->delivery->state != Delivery::State::running) continue;
    const Duration took = now - run->delivery->started;
    const Duration left = run->due() - now;
    if (left < took / 4)
      log::warn("a handler is close to its deadline", "topic", run->delivery->source->topic.name,
                "id", run->message.id, "attempt", run->attempt, "running_ms", took, "left_ms",
                left);
  }
  if (zombies() > 0)
    log::warn("handlers that were given up at their deadline are still running", "count",
              zombies());
}

std::size_t Runner::active() const noexcept {
  const std::size_t all = with_run_.load(std::memory_order_relaxed);
  return all - std::min(all, threads_.waiting());
}

std::size_t Runner::not_started() const noexcept { return queue_.size() + threads_.waiting(); }

}  // namespace mx_rmq::worker
