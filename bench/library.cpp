#include "library.hpp"

#include <algorithm>
#include <coroutine>
#include <stdexcept>
#include <thread>
#include <utility>

namespace bench {

using mx_rmq::Task;

mx_rmq::MQConfig LibraryShape::config(const std::string& url) const {
  mx_rmq::MQConfig out;
  out.redis_url = url;
  out.tls_ca_file = ca_file;
  out.wait_replicas = wait_replicas;
  out.task_queue_size = queue_size;
  out.max_workers = workers;
  out.batch_size = batch != 0 ? batch : std::clamp(queue_size, 100, 500);
  return out;
}

LibraryShape LibraryShape::defaults() {
  const mx_rmq::MQConfig config;
  LibraryShape shape;
  shape.queue_size = config.task_queue_size;
  shape.workers = config.max_workers;
  shape.batch = config.batch_size;
  return shape;
}

void Meter::reached() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void Meter::wait_for(long target, std::chrono::seconds patience) {
  std::unique_lock lock(mutex_);
  target_ = target;
  long before = count();
  while (count() < target) {
    changed_.wait_for(lock, patience, [&] { return count() >= target; });
    if (count() < target && count() == before)
      throw std::runtime_error("nothing moves: " + std::to_string(before) + " of " +
                               std::to_string(target) + " messages");
    before = count();
  }
  target_ = -1;
}

// A coroutine on its own.
struct Library::Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Library::Library(const std::string& url, LibraryShape shape)
    : shape_(std::move(shape)),
      queue_(std::make_unique<mx_rmq::RedisMessageQueue>(shape_.config(url))),
      body_(std::max<std::size_t>(shape_.payload_bytes, 2) - 2, 'x') {}

Library::~Library() { stop(); }

void Library::connect() { mx_rmq::sync_wait(queue_->initialize()); }

void Library::consume() {
  if (!std::exchange(registered_, true)) {
    Meter* const handled = &handled_;
    for (const std::string& topic : shape_.topics) {
      if (shape_.blocking) {
        queue_->register_handler(topic, [handled, takes = shape_.takes](const nlohmann::json&) {
          if (takes.count() > 0) std::this_thread::sleep_for(takes);
          handled->add();
        });
      } else {
        queue_->register_handler(topic,
                                 [handled, takes = shape_.takes](const nlohmann::json&) -> Task<> {
                                   if (takes.count() > 0) co_await mx_rmq::sleep_for(takes);
                                   handled->add();
                                 });
      }
    }
  }
  for (const std::string& topic : shape_.topics) {
    if (shape_.partitions > 1)
      mx_rmq::sync_wait(
          queue_->configure(topic, mx_rmq::TopicSettings{}.partitions(shape_.partitions)));
  }
  mx_rmq::sync_wait(queue_->start_background());
}

void Library::stop() { mx_rmq::sync_wait(queue_->cleanup()); }

Task<> Library::produce_singly() {
  for (;;) {
    const long i = next_.fetch_add(1);
    if (i >= messages_) co_return;
    nlohmann::json payload = body_;
    std::string topic = shape_.topics[static_cast<std::size_t>(i) % shape_.topics.size()];
    co_await queue_->produce(std::move(topic), std::move(payload));
  }
}

Task<> Library::produce_batches(int batch) {
  for (;;) {
    const long first = next_.fetch_add(batch);
    if (first >= messages_) co_return;
    const std::string& topic =
        shape_.topics[static_cast<std::size_t>(first / batch) % shape_.topics.size()];
    std::vector<mx_rmq::OutgoingMessage> messages;
    for (long i = first; i < std::min(first + batch, messages_); ++i)
      messages.emplace_back(topic, nlohmann::json(body_));
    co_await queue_->produce_batch(std::move(messages));
  }
}

Library::Detached Library::run(Task<> task) {
  try {
    co_await std::move(task);
  } catch (...) {
    failed(std::current_exception());
  }
  ended_.add();
}

void Library::failed(std::exception_ptr error) {
  const std::lock_guard lock(mutex_);
  if (error_ == nullptr) error_ = std::move(error);
}

void Library::launch(long messages, int callers, int batch) {
  messages_ = messages;
  next_ = 0;
  callers_ += callers;
  for (int i = 0; i < callers; ++i) run(batch == 0 ? produce_singly() : produce_batches(batch));
}

void Library::finish() {
  ended_.wait_for(callers_, std::chrono::seconds(120));
  const std::lock_guard lock(mutex_);
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace bench
