#include "worker/run.hpp"

#include <utility>

#include "api/message_headers.hpp"
#include "api/payload.hpp"
#include "broker/data/history.hpp"
#include "broker/describe.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/on_loop.hpp"

namespace mx_rmq::worker {
namespace {

Task<> extend_on_loop(std::shared_ptr<Run> run, std::chrono::milliseconds by) {
  co_await run->loop.schedule();
  if (run->delivery->state == Delivery::State::gone)
    throw LeaseLost("the lease of message " + run->message.id + " was lost: somebody else has it");
  if (run->over)
    throw TimeoutError("the deadline of the run of message " + run->message.id + " has passed");
  const runtime::TimePoint due = run->loop.now() + runtime::Duration(by);
  if (due > run->due())
    run->deadline.store(due.time_since_epoch().count(), std::memory_order_relaxed);
}

class RunContext final : public detail::ContextImpl {
 public:
  explicit RunContext(Run& run) : run_(run) {}

  const Message& message() const noexcept override { return run_.message; }
  int attempt() const noexcept override { return run_.attempt; }
  int max_attempts() const noexcept override { return run_.max_attempts; }
  std::chrono::steady_clock::time_point deadline() const noexcept override {
    const auto left = run_.due() - run_.loop.now();
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(left);
  }
  std::stop_token stop_token() const noexcept override { return run_.delivery->stop.token(); }
  Task<> extend(std::chrono::milliseconds by) override {
    return extend_on_loop(run_.shared_from_this(), by);
  }

 private:
  Run& run_;
};

}  // namespace

Run::Run(runtime::EventLoop& loop_of)
    : loop(loop_of), context(std::make_unique<RunContext>(*this)) {}

void Run::begin(std::shared_ptr<Delivery> of) {
  delivery = std::move(of);
  attempt = max_attempts = 1;
  deadline.store(0, std::memory_order_relaxed);
  over = false;
  job = {};
  began.store(0, std::memory_order_relaxed);
  expired = false;
  error = nullptr;
}

bool Run::has_begun() {
  if (!job) return delivery->state != Delivery::State::queued;
  const auto at = began.load(std::memory_order_acquire);
  if (at <= 0) return false;
  if (delivery->state == Delivery::State::queued) {
    const runtime::TimePoint start{runtime::Duration(at)};
    delivery->state = Delivery::State::running;
    delivery->started_ms +=
        std::chrono::duration_cast<std::chrono::milliseconds>(start - delivery->started).count();
    delivery->started = start;
  }
  return true;
}

void Run::call(const std::function<void(Context&)>& handler, runtime::TimePoint submitted,
               runtime::Duration timeout, std::atomic<std::int64_t>& waiting) noexcept {
  const runtime::TimePoint now = loop.now();
  const auto waited =
      std::chrono::duration_cast<std::chrono::milliseconds>(now - submitted).count();
  const std::int64_t started = message.meta.updated_at + waited;
  message.meta.updated_at = started;
  message.meta.processing_started_at = started;
  expired = delivery->view->expire_at <= started;
  deadline.store((now + timeout).time_since_epoch().count(), std::memory_order_relaxed);
  runtime::Duration::rep still_waits = 0;
  if (!began.compare_exchange_strong(still_waits, now.time_since_epoch().count(),
                                     std::memory_order_acq_rel))
    return;
  waiting.fetch_sub(1, std::memory_order_relaxed);
  if (expired) return;
  try {
    decode();
    handler(context);
  } catch (...) {
    error = std::current_exception();
  }
}

void Run::decode() {
  const broker::EnvelopeView& view = *delivery->view;
  if (view.headers.empty()) {
    message.headers.clear();  // of an earlier run
  } else {
    message.headers = api::decode_headers(view.headers);
  }
  message.payload = api::decode_payload(view.payload);
}

void Run::clear() {
  delivery.reset();
  message.payload = nullptr;
  error = nullptr;
}

void describe(Message& message, const std::string& topic, const Delivery& delivery,
              const Policy& policy) {
  const broker::EnvelopeView& view = *delivery.view;
  message.topic = topic;
  broker::describe(message, view, broker::parse_history(view.history).value_or(broker::History()));
  MessageMeta& meta = message.meta;
  meta.status = MessageStatus::processing;
  meta.max_retries = policy.max_retries;
  meta.retry_delays = listed_delays(policy);
  meta.updated_at = delivery.started_ms;
  meta.processing_started_at = delivery.started_ms;
}

std::shared_ptr<Context> context_of(const std::shared_ptr<Run>& run) {
  return std::shared_ptr<Context>(run, &run->context);
}

}  // namespace mx_rmq::worker
