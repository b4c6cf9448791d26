// The library under load, as a program uses it: coroutines that await one produce call after
// another, and a handler that does nothing but count.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mx_rmq/mx_rmq.hpp"

namespace bench {

// The configuration of the queue, as far as scenarios differ, and what it is used with.
struct LibraryShape {
  int queue_size = 256;
  int workers = 100;
  int batch = 0;  // MQConfig::batch_size; 0: the queue's size, within 100 and 500
  bool blocking = false;
  std::chrono::milliseconds takes{0};  // a handler, asleep
  std::size_t payload_bytes = 200;
  std::vector<std::string> topics = {"bench"};
  std::string ca_file = {};  // MQConfig::tls_ca_file
  int wait_replicas = 0;     // MQConfig::wait_replicas
  int partitions = 1;        // of each topic

  // What who sets nothing gets.
  [[nodiscard]] static LibraryShape defaults();
  [[nodiscard]] mx_rmq::MQConfig config(const std::string& url) const;
};

// Counts, and wakes one thread that waits for a number to be reached. Any thread counts.
class Meter {
 public:
  void add(long n = 1) {
    const long now = count_.fetch_add(n) + n;
    if (now >= target_.load()) reached();
  }
  [[nodiscard]] long count() const { return count_.load(); }
  // Throws std::runtime_error if `patience` passes without the count changing.
  void wait_for(long target, std::chrono::seconds patience = std::chrono::seconds(60));

 private:
  void reached();

  std::atomic<long> count_{0};
  std::atomic<long> target_{-1};
  std::mutex mutex_;
  std::condition_variable changed_;
};

class Library {
 public:
  Library(const std::string& url, LibraryShape shape);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // Connects, without consuming.
  void connect();
  // Has the topics handled by a handler that counts in handled().
  void consume();
  void stop();

  // `callers` coroutines, each awaiting one produce call after the other, or one produce_batch of
  // `batch` messages, all of one topic. launch() returns at once; finish() when all have ended, and
  // throws the first error.
  void launch(long messages, int callers, int batch = 0);
  void finish();

  [[nodiscard]] Meter& handled() { return handled_; }
  [[nodiscard]] mx_rmq::RedisMessageQueue& queue() { return *queue_; }

 private:
  struct Detached;
  mx_rmq::Task<> produce_singly();
  mx_rmq::Task<> produce_batches(int batch);
  Detached run(mx_rmq::Task<> task);
  void failed(std::exception_ptr error);

  LibraryShape shape_;
  std::unique_ptr<mx_rmq::RedisMessageQueue> queue_;
  std::string body_;
  std::atomic<long> next_{0};
  long messages_ = 0;
  int callers_ = 0;
  Meter ended_;  // callers
  Meter handled_;
  std::mutex mutex_;
  std::exception_ptr error_;
  bool registered_ = false;
};

}  // namespace bench
