// This library's part of bench/peers; `run --help` says what a driver is.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/mx_rmq.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using std::chrono::milliseconds;

std::map<std::string, std::string> settings;

long number(const std::string& name) { return std::stol(settings.at(name)); }

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

json payload(long n) {
  json made = {{"n", n}, {"body", std::string(180, 'x')}};
  return made;
}

// Times the messages between the first and the last tenth. Used by the loop thread only, but for
// the constructor and wait().
class Meter {
 public:
  explicit Meter(long messages)
      : messages_(messages), first_(messages / 10), last_(messages - messages / 10) {
    mark();
  }

  void add(long n) {
    const long before = count_;
    count_ += n;
    if (before < last_ && count_ >= last_) {
      result_ = {{"timed", count_ - marked_},
                 {"seconds", milliseconds_since(begin_) / 1e3},
                 {"cpu_seconds", cpu_seconds() - cpu_}};
    } else if (before < first_ && count_ >= first_) {
      mark();
    }
    if (count_ == messages_) done_.set_value();
    if (count_ > messages_) std::terminate();  // one came twice
  }
  json wait() {
    done_.get_future().get();
    return result_;
  }

 private:
  void mark() {
    marked_ = count_;
    begin_ = Clock::now();
    cpu_ = cpu_seconds();
  }

  const long messages_;
  const long first_;
  const long last_;
  long count_ = 0;
  long marked_ = 0;
  Clock::time_point begin_;
  double cpu_ = 0;
  json result_;
  std::promise<void> done_;
};

// A coroutine that nobody awaits.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Detached produce_singly(RedisMessageQueue* queue, Meter* meter, std::atomic<long>* next,
                        long messages) {
  for (long n = next->fetch_add(1); n < messages; n = next->fetch_add(1)) {
    co_await queue->produce("bench", payload(n));
    meter->add(1);
  }
}

Detached produce_batches(RedisMessageQueue* queue, Meter* meter, std::atomic<long>* next,
                         long messages, long size) {
  for (long n = next->fetch_add(size); n < messages; n = next->fetch_add(size)) {
    std::vector<mx_rmq::OutgoingMessage> batch;
    batch.reserve(static_cast<std::size_t>(size));
    const long end = std::min(messages, n + size);
    for (long i = n; i < end; ++i) batch.emplace_back("bench", payload(i));
    co_await queue->produce_batch(std::move(batch));
    meter->add(end - n);
  }
}

json produce(RedisMessageQueue& queue, long messages) {
  mx_rmq::sync_wait(queue.initialize());
  Meter meter(messages);
  std::atomic<long> next{0};
  const long size = number("batch");
  for (long i = 0; i < number("inflight"); ++i) {
    if (size == 1) {
      produce_singly(&queue, &meter, &next, messages);
    } else {
      produce_batches(&queue, &meter, &next, messages, size);
    }
  }
  json result = meter.wait();
  mx_rmq::sync_wait(queue.cleanup());
  return result;
}

Task<> count(Meter* meter) {
  meter->add(1);
  co_return;
}

json consume(RedisMessageQueue& queue, long messages) {
  Meter meter(messages);
  queue.register_handler("bench", [&meter](const json&) { return count(&meter); });
  mx_rmq::sync_wait(queue.start_background());
  json result = meter.wait();
  mx_rmq::sync_wait(queue.cleanup());
  return result;
}

// Both latency jobs live on the loop thread, and so need no locks.
struct Samples {
  std::vector<Clock::time_point> begin;  // of the message n, or when it is due
  std::vector<double> ms;
};

Task<> take_sample(Samples* samples, long n) {
  samples->ms.push_back(milliseconds_since(samples->begin[static_cast<std::size_t>(n)]));
  co_return;
}

// One message at a time, to an idle worker.
Task<> send_singly(RedisMessageQueue* queue, Samples* samples, long messages) {
  co_await mx_rmq::sleep_for(milliseconds(200));
  for (long n = 0; n < messages; ++n) {
    json made = payload(n);
    samples->begin.push_back(Clock::now());
    co_await queue->produce("bench", std::move(made));
    co_await mx_rmq::sleep_for(milliseconds(5));
    while (samples->ms.size() < samples->begin.size()) co_await mx_rmq::sleep_for(milliseconds(1));
  }
}

// A message every `gap`, each delayed by `delay`.
Task<> send_delayed(RedisMessageQueue* queue, Samples* samples, long messages, milliseconds delay,
                    milliseconds gap) {
  co_await mx_rmq::sleep_for(milliseconds(200));
  const Clock::time_point begin = Clock::now();
  for (long n = 0; n < messages; ++n) {
    samples->begin.push_back(Clock::now() + delay);
    co_await queue->produce("bench", payload(n), mx_rmq::ProduceOptions().delay(delay));
    const auto pause = std::chrono::ceil<milliseconds>(begin + (n + 1) * gap - Clock::now());
    co_await mx_rmq::sleep_for(std::max(pause, milliseconds(0)));
  }
  while (samples->ms.size() < samples->begin.size()) co_await mx_rmq::sleep_for(milliseconds(5));
}

json sampled(RedisMessageQueue& queue, long messages, bool delayed) {
  Samples samples;
  queue.register_handler("bench", [&samples](const json& handled) {
    return take_sample(&samples, handled.at("n").get<long>());
  });
  mx_rmq::sync_wait(queue.start_background());
  if (delayed) {
    mx_rmq::sync_wait(send_delayed(&queue, &samples, messages, milliseconds(number("delay_ms")),
                                   milliseconds(number("gap_ms"))));
  } else {
    mx_rmq::sync_wait(send_singly(&queue, &samples, messages));
  }
  mx_rmq::sync_wait(queue.cleanup());
  json result = {{"ms", samples.ms}};
  return result;
}

int run(const std::string& job) {
  mx_rmq::set_log_level(mx_rmq::LogLevel::warn);
  mx_rmq::MQConfig config;
  config.redis_url = settings.at("url");
  if (settings.contains("concurrency")) config.max_workers = std::stoi(settings["concurrency"]);
  if (settings.contains("prefetch")) config.task_queue_size = std::stoi(settings["prefetch"]);
  if (settings.contains("batch_size")) config.batch_size = std::stoi(settings["batch_size"]);
  RedisMessageQueue queue(config);
  const long messages = number("messages");
  json result;
  if (job == "produce") {
    result = produce(queue, messages);
  } else if (job == "consume") {
    result = consume(queue, messages);
  } else if (job == "latency" || job == "delayed") {
    result = sampled(queue, messages, job == "delayed");
  } else {
    std::fprintf(stderr, "no such job: %s\n", job.c_str());
    return 2;
  }
  result["job"] = job;
  result["messages"] = messages;
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: ours produce|consume|latency|delayed url=... messages=N ...\n");
    return 2;
  }
  for (int i = 2; i < argc; ++i) {
    const std::string setting = argv[i];
    const auto at = setting.find('=');
    settings[setting.substr(0, at)] = at == std::string::npos ? "" : setting.substr(at + 1);
  }
  try {
    return run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ours: %s\n", error.what());
    return 1;
  }
}
