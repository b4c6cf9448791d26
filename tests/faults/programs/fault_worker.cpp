// A worker process for the fault tests. Configured by REDIS_URL and MQ_*, told what to do by
// arguments, and writes down all it sees.
//
//   fault_worker ledger=FILE topics=a,b [seed=N] [sleep_us=from:to] [throw=share] [reject=share]
//                [block=share] [block_ms=n]
//
// The first topic has a coroutine for a handler, the others one that blocks. What a run does is
// drawn from the seed, the message and its delivery, so a seed repeats it; or a payload says it
// with "do": abort       the process dies stop_begin, stop_middle, stop_end   the process stops
// (SIGSTOP) at its first delivery: before the run is noted, in its middle, after its end was noted
// block       holds up the loop thread for "ms", at its first delivery wait        takes "ms",
// looking at the stop token SIGTERM ends it. It waits for a Redis that is not there. With
// MX_RMQ_FAULTS_CLOCK its wall clock jumps every 50 ms, by up to a hundred years.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "faults/programs/program.hpp"
#include "faults/support.hpp"
#include "mx_rmq/mx_rmq.hpp"

// In place of libc's, for everything in this process.
extern "C" int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static const bool jumps = std::getenv("MX_RMQ_FAULTS_CLOCK") != nullptr;
  const long result = ::syscall(SYS_clock_gettime, clock, now);
  if (result != 0 || clock != CLOCK_REALTIME || !jumps) return static_cast<int>(result);
  constexpr std::array<std::int64_t, 5> hours{0, 1, -1, 876'600, -876'600};
  const auto turn = static_cast<std::size_t>(now->tv_sec * 20 + now->tv_nsec / 50'000'000);
  now->tv_sec += 3600 * hours[turn % hours.size()];
  return 0;
}

namespace mx_rmq::faults {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

volatile std::sig_atomic_t terminated = 0;

struct Work {
  Work(const Arguments& arguments, const Ledger& book)
      : ledger(book),
        seed(static_cast<std::uint64_t>(arguments.number("seed"))),
        sleep_us(arguments.range("sleep_us", 0)),
        throws(arguments.share("throw")),
        rejects(arguments.share("reject")),
        blocks(arguments.share("block")),
        block_time(arguments.number("block_ms", 10)) {}

  const Ledger& ledger;
  std::uint64_t seed;
  std::pair<std::int64_t, std::int64_t> sleep_us;
  double throws;
  double rejects;
  double blocks;
  std::chrono::milliseconds block_time;
};

Record note_of(Op op, std::uint64_t key, const Context& context) {
  Record record;
  record.op = op;
  record.key = key;
  record.id = hash64(context.id());
  record.attempt = static_cast<std::uint16_t>(context.attempt());
  record.recoveries = static_cast<std::uint16_t>(context.message().meta.recoveries);
  return record;
}

void note_fault(const Ledger& ledger, Op op, Fault fault) {
  Record record;
  record.op = op;
  record.key = static_cast<std::uint64_t>(fault);
  record.id = static_cast<std::uint64_t>(::getpid());
  ledger.write(record);
}

// What one run does beside noting its beginning and end.
struct Plan {
  std::string what;
  std::chrono::microseconds sleep{0};
  std::chrono::milliseconds block{0};
  bool throws = false;
  bool rejects = false;
};

Plan plan_of(const Work& work, const json& payload, const Record& record) {
  Dice dice(work.seed ^ record.key * 0x9e3779b97f4a7c15ULL ^ record.fence() << 20);
  Plan plan;
  plan.sleep = std::chrono::microseconds(dice.between(work.sleep_us));
  plan.throws = dice.chance(work.throws);
  plan.rejects = dice.chance(work.rejects);
  if (dice.chance(work.blocks)) plan.block = work.block_time;
  plan.what = payload.value("do", "");
  if (plan.what == "wait") plan.sleep = std::chrono::milliseconds(payload.value("ms", 0));
  if (plan.what == "block" && record.fence() == 1)
    plan.block = std::chrono::milliseconds(payload.value("ms", 0));
  return plan;
}

void maybe_stop(const Work& work, const Plan& plan, const Record& record, const char* where) {
  if (plan.what != where || record.fence() != 1) return;
  note_fault(work.ledger, Op::fault_begins, Fault::pause_worker);
  std::raise(SIGSTOP);
  note_fault(work.ledger, Op::fault_ends, Fault::pause_worker);
}

void hold_up(const Work& work, const Plan& plan) {
  if (plan.block == 0ms) return;
  note_fault(work.ledger, Op::fault_begins, Fault::block_loop);
  std::this_thread::sleep_for(plan.block);
  note_fault(work.ledger, Op::fault_ends, Fault::block_loop);
}

// The part of a run before its waiting.
Plan begin(const Work& work, const json& payload, const Context& context, Record& record) {
  record = note_of(Op::run_begins, payload.at("k").get<std::uint64_t>(), context);
  const Plan plan = plan_of(work, payload, record);
  maybe_stop(work, plan, record, "stop_begin");
  record.crc = crc32(payload.dump());
  work.ledger.write(record);
  if (plan.what == "abort") {
    note_fault(work.ledger, Op::fault_begins, Fault::poison);
    std::abort();
  }
  maybe_stop(work, plan, record, "stop_middle");
  return plan;
}

// The part after it. May throw, as a handler does.
void end(const Work& work, const Plan& plan, Record record, bool cancelled) {
  const bool fails = plan.throws || plan.rejects;
  record.op = Op::run_ends;
  record.at = 0;
  record.outcome = cancelled ? Outcome::cancelled : fails ? Outcome::thrown : Outcome::ok;
  work.ledger.write(record);
  maybe_stop(work, plan, record, "stop_end");
  if (cancelled) throw std::runtime_error("cancelled");
  if (plan.throws) throw std::runtime_error("told to throw");
  if (plan.rejects) throw Reject("told to reject");
}

Task<> handle(const Work* work, const json& payload, Context& context) {
  Record record;
  const Plan plan = begin(*work, payload, context, record);
  hold_up(*work, plan);
  bool cancelled = false;
  const auto until = std::chrono::steady_clock::now() + plan.sleep;
  while (!cancelled && std::chrono::steady_clock::now() < until) {
    const auto left = until - std::chrono::steady_clock::now();
    co_await sleep_for(std::min<std::chrono::nanoseconds>(left, 5ms));
    cancelled = plan.what == "wait" && context.stop_token().stop_requested();
  }
  end(*work, plan, record, cancelled);
}

void handle_blocking(const Work* work, const json& payload, Context& context) {
  Record record;
  const Plan plan = begin(*work, payload, context, record);
  std::this_thread::sleep_for(plan.sleep);
  end(*work, plan, record, false);
}

// A machine that is too busy to run this process looks like a pause of it: noted, so that it is not
// taken for a fault of the library's.
void watch(const Ledger& ledger, const std::stop_token& over) {
  auto before = monotonic_ns();
  while (!over.stop_requested()) {
    std::this_thread::sleep_for(10ms);
    const auto now = monotonic_ns();
    if (now - before > 60'000'000) {
      Record record;
      record.op = Op::stood_still;
      record.id = static_cast<std::uint64_t>(::getpid());
      record.value = now - before;
      ledger.write(record);
    }
    before = now;
  }
}

void read_log(const Ledger& ledger, LogLevel level, std::string_view text) {
  Record record;
  if (text.starts_with("a late settlement was refused")) record.op = Op::late;
  if (text.starts_with("messages lost to another consumer")) record.op = Op::told_lost;
  if (record.op != Op{}) ledger.write(record);
  std::fprintf(stderr, "%s %.*s\n", std::string(to_string(level)).c_str(),
               static_cast<int>(text.size()), text.data());
}

void consume(const Arguments& arguments, const Work& work) {
  RedisMessageQueue queue(MQConfig::from_env());
  bool first = true;
  for (const std::string& topic : arguments.list("topics")) {
    if (first) {
      queue.register_handler(topic, [&work](const json& payload, Context& context) {
        return handle(&work, payload, context);
      });
    } else {
      queue.register_handler(topic, [&work](const json& payload, Context& context) {
        handle_blocking(&work, payload, context);
      });
    }
    first = false;
  }
  while (terminated == 0) {
    try {
      queue.run();
      return;
    } catch (const Error& e) {
      std::fprintf(stderr, "fault_worker: %s\n", e.what());
      std::this_thread::sleep_for(20ms);
    }
  }
}

int run(const Arguments& arguments) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::signal(SIGTERM, [](int) { terminated = 1; });
  const Ledger ledger(arguments.required("ledger"));
  set_log_sink([&ledger](LogLevel level, std::string_view text) { read_log(ledger, level, text); });
  const Work work(arguments, ledger);
  const auto runtime = Runtime::shared();
  {
    const std::jthread watcher([&ledger](const std::stop_token& over) { watch(ledger, over); });
    Record record;
    record.op = Op::started;
    record.value = open_files();
    ledger.write(record);
    consume(arguments, work);
    record.op = Op::ended;
    record.value = open_files();
    ledger.write(record);
  }
  set_log_sink({});
  return 0;
}

}  // namespace
}  // namespace mx_rmq::faults

int main(int argc, char** argv) {
  try {
    return mx_rmq::faults::run(mx_rmq::faults::Arguments(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fault_worker: %s\n", e.what());
    return 1;
  }
}
