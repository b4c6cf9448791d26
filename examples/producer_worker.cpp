// Several processes: one produces, two work, and a fourth watches. Without an argument the program
// is the fourth and starts the others; by hand, on one Redis, in as many terminals as you like:
// REDIS_URL=redis://localhost producer_worker worker REDIS_URL=redis://localhost producer_worker
// producer
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

extern char** environ;

using mx_rmq::MQConfig;
using mx_rmq::OutgoingMessage;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr const char* job_topic = "jobs";
constexpr const char* report_topic = "reports";
constexpr int message_count = 200;

std::string who(const char* role) { return std::string(role) + " " + std::to_string(::getpid()); }

// --- the producer ---

Task<> produce_jobs(RedisMessageQueue* queue) {
  std::vector<OutgoingMessage> jobs;
  for (int number = 1; number <= message_count; ++number) {
    json job = {{"number", number}};
    jobs.emplace_back(job_topic, std::move(job));
  }
  co_await queue->produce_batch(std::move(jobs));
}

int producer() {
  RedisMessageQueue queue(MQConfig::from_env());
  mx_rmq::sync_wait(produce_jobs(&queue));
  std::cout << who("producer") << ": produced " << message_count << " messages" << std::endl;
  return 0;
}

// --- a worker ---

Task<> work(int* handled) {
  co_await mx_rmq::sleep_for(5ms);
  ++*handled;
}

Task<> report(RedisMessageQueue* queue, std::string what, int handled) {
  json payload = {{"what", what}, {"handled", handled}};
  co_await queue->produce(report_topic, std::move(payload));
}

int worker() {
  int handled = 0;
  RedisMessageQueue queue(MQConfig::from_env());
  queue.register_handler(job_topic, [&handled](const json&) { return work(&handled); });
  mx_rmq::sync_wait(report(&queue, "begins", 0));
  queue.run();  // until SIGTERM or SIGINT; what runs then ends first
  std::cout << who("worker  ") << ": handled  " << handled << " messages" << std::endl;
  mx_rmq::sync_wait(report(&queue, "ends", handled));  // a stopped queue still produces
  return 0;
}

// --- the one that watches ---

struct Reports {
  int handled = 0;
  int idle_workers = 0;
  example::Countdown begun{2};
  example::Countdown ended{2};
};

Task<> add(Reports* reports, json report) {
  if (report.at("what") == "begins") {
    reports->begun.count_down();
    co_return;
  }
  const int handled = report.at("handled").get<int>();
  reports->handled += handled;
  if (handled == 0) ++reports->idle_workers;
  reports->ended.count_down();
}

Task<bool> wait_for_completed(RedisMessageQueue* queue, std::int64_t count) {
  const std::vector<std::string> topics = {job_topic};
  for (int i = 0; i < 1000; ++i) {
    const mx_rmq::MetricsSnapshot metrics = co_await queue->metrics().collect(topics);
    if (metrics.topics.at(job_topic).counters.completed >= count) co_return true;
    co_await mx_rmq::sleep_for(20ms);
  }
  co_return false;
}

pid_t start_process(std::string role) {
  std::string program = "/proc/self/exe";
  char* const arguments[] = {program.data(), role.data(), nullptr};
  pid_t process = -1;
  if (::posix_spawn(&process, program.c_str(), nullptr, nullptr, arguments, environ) != 0)
    throw std::runtime_error("cannot start a process");
  return process;
}

bool ended_well(pid_t process) {
  int status = 0;
  return ::waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int watch() {
  const example::PrivateRedis redis;
  const MQConfig config = redis.config();
  // The others take their configuration from the environment, as services do.
  ::setenv("MX_RMQ_REDIS_URL", redis.url().c_str(), 1);
  ::setenv("MX_RMQ_QUEUE_PREFIX", config.queue_prefix.c_str(), 1);
  const pid_t first = start_process("worker");
  const pid_t second = start_process("worker");

  Reports reports;
  RedisMessageQueue queue(config);
  queue.register_handler(report_topic,
                         [&reports](const json& report) { return add(&reports, report); });
  mx_rmq::sync_wait(queue.start_background());
  const bool begun = reports.begun.wait_for(20s);
  const pid_t source = start_process("producer");
  const bool produced = ended_well(source) && begun;
  const bool completed = produced && mx_rmq::sync_wait(wait_for_completed(&queue, message_count));
  ::kill(first, SIGTERM);
  ::kill(second, SIGTERM);
  const bool first_ended = ended_well(first);
  const bool stopped = ended_well(second) && first_ended;
  const bool reported = reports.ended.wait_for(20s);
  mx_rmq::sync_wait(queue.stop());

  std::cout << '\n';
  example::Checks checks;
  checks.expect(produced && completed, "all messages were produced, handled and acknowledged");
  checks.expect(stopped && reported, "both workers stopped at SIGTERM and reported");
  checks.expect(reports.handled == message_count && reports.idle_workers == 0,
                "both worked, and together handled each message once");
  return checks.exit_code();
}

int run(std::string_view role) {
  if (role == "producer") return producer();
  if (role == "worker") return worker();
  if (role.empty()) return watch();
  std::cerr << "unknown role; see --help\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "producer_worker [ROLE]: a producer process and two worker processes.\n"
      "ROLE: producer (produces 200 messages), or worker (handles until SIGTERM or\n"
      "Ctrl-C); both take REDIS_URL and the MX_RMQ_ variables. Without one, all of them\n"
      "run on a Redis of their own, or on the one that REDIS_URL names.\n",
      1);
  const std::string_view role = argc > 1 ? argv[1] : "";
  return example::guarded([role] { return run(role); });
}
