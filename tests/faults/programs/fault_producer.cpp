// A producer process for the fault tests. Configured by REDIS_URL and MQ_*; writes down what it was
// told of each produce call.
//
//   fault_producer ledger=FILE topics=a,b base=N messages=N [seed=N] [concurrency=N]
//                  [size=from:to] [chosen=share] [delayed=share] [delay_ms=from:to] [ranked=share]
//                  [keyed=share] [pause_us=n]
//
// Produces until so many calls have been answered, or until SIGTERM; then it ends. Messages are
// numbered from base * 2^32. A refused one is not repeated: the next has another number. One with a
// chosen id whose outcome is unknown is produced again under the same id until that is answered.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "faults/programs/program.hpp"
#include "faults/support.hpp"
#include "mx_rmq/mx_rmq.hpp"

namespace mx_rmq::faults {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

volatile std::sig_atomic_t terminated = 0;

struct Work {
  Work(const Arguments& arguments, const Ledger& book, RedisMessageQueue& produce_to)
      : ledger(book),
        queue(produce_to),
        topics(arguments.list("topics")),
        seed(static_cast<std::uint64_t>(arguments.number("seed"))),
        next(static_cast<std::uint64_t>(arguments.number("base")) << 32),
        wanted(arguments.number("messages")),
        size(arguments.range("size", 20)),
        delay_ms(arguments.range("delay_ms", 50)),
        chosen(arguments.share("chosen")),
        delayed(arguments.share("delayed")),
        ranked(arguments.share("ranked")),
        keyed(arguments.share("keyed")),
        pause(arguments.number("pause_us")) {}

  const Ledger& ledger;
  RedisMessageQueue& queue;
  std::vector<std::string> topics;
  std::uint64_t seed;
  std::uint64_t next;   // loop thread
  std::int64_t wanted;  // loop thread: answers that are still to come or to be asked for
  std::pair<std::int64_t, std::int64_t> size;
  std::pair<std::int64_t, std::int64_t> delay_ms;
  double chosen;
  double delayed;
  double ranked;
  double keyed;
  std::chrono::microseconds pause;
};

struct Outgoing {
  std::string topic;
  json payload;
  ProduceOptions options;
  Record record;
  bool chosen = false;
};

Outgoing make(const Work& work, std::uint64_t key) {
  Dice dice(work.seed ^ key * 0xd1342543de82ef95ULL);
  Outgoing out;
  out.topic = work.topics[dice.next() % work.topics.size()];
  std::string fill;
  // What JSON must escape, and more than one byte a character.
  static constexpr const char* pieces[] = {"a", "Z", " ", "\\", "\"", "\n", "\t", "\x01", "é", "€"};
  for (std::int64_t left = dice.between(work.size); left > 0; --left)
    fill += pieces[dice.next() % 10];
  out.payload["k"] = key;
  out.payload["fill"] = std::move(fill);
  out.chosen = dice.chance(work.chosen);
  if (out.chosen) out.options.message_id("chosen-" + std::to_string(key));
  if (dice.chance(work.delayed))
    out.options.delay(std::chrono::milliseconds(dice.between(work.delay_ms)));
  if (dice.chance(work.ranked))
    out.options.priority(dice.chance(0.5) ? MessagePriority::high : MessagePriority::low);
  if (dice.chance(work.keyed)) out.options.key("key-" + std::to_string(dice.next() % 50));
  out.record.key = key;
  out.record.crc = crc32(out.payload.dump());
  return out;
}

enum class Answer { yes, no, unknown };

Task<Answer> produce_once(Work* work, const Outgoing* out) {
  Record record = out->record;
  record.op = Op::produce_begins;
  work->ledger.write(record);
  Answer answer = Answer::no;
  std::string error;
  try {
    json payload = out->payload;
    ProduceOptions options = out->options;
    std::string topic = out->topic;
    auto call = work->queue.produce(std::move(topic), std::move(payload), std::move(options));
    const std::string id = co_await std::move(call);
    record.id = hash64(id);
    answer = Answer::yes;
  } catch (const OutcomeUnknown& e) {
    answer = Answer::unknown;
    error = e.what();
  } catch (const Error& e) {
    error = e.what();
  }
  record.at = 0;
  record.op = answer == Answer::yes  ? Op::produced
              : answer == Answer::no ? Op::refused
                                     : Op::unknown;
  work->ledger.write(record);
  if (answer != Answer::yes) std::fprintf(stderr, "fault_producer: %s\n", error.c_str());
  co_return answer;
}

Task<> produce_loop(Work* work) {
  while (work->wanted > 0 && terminated == 0) {
    --work->wanted;
    const Outgoing out = make(*work, work->next++);
    Answer answer = co_await produce_once(work, &out);
    while (answer == Answer::unknown && out.chosen && terminated == 0) {
      co_await sleep_for(5ms);
      answer = co_await produce_once(work, &out);
    }
    if (answer != Answer::yes) {
      ++work->wanted;
      co_await sleep_for(5ms);
    }
    const auto pause = work->pause;
    if (pause > 0us) co_await sleep_for(pause);
  }
}

struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Detached launch(Work* work, std::atomic<int>* left) {
  co_await sleep_for(0ns);  // from here on the loop thread
  co_await produce_loop(work);
  if (left->fetch_sub(1) == 1) left->notify_all();
}

int run(const Arguments& arguments) {
  std::signal(SIGTERM, [](int) { terminated = 1; });
  const Ledger ledger(arguments.required("ledger"));
  const auto runtime = Runtime::shared();
  Record record;
  record.op = Op::started;
  record.value = open_files();
  ledger.write(record);
  {
    RedisMessageQueue queue(MQConfig::from_env());
    Work work(arguments, ledger, queue);
    std::atomic<int> left = static_cast<int>(arguments.number("concurrency", 1));
    const int all = left;
    for (int i = 0; i < all; ++i) launch(&work, &left);
    for (int now = left; now > 0; now = left) left.wait(now);
    sync_wait(queue.cleanup());
  }
  record = Record();
  record.op = Op::ended;
  record.value = open_files();
  ledger.write(record);
  return 0;
}

}  // namespace
}  // namespace mx_rmq::faults

int main(int argc, char** argv) {
  try {
    return mx_rmq::faults::run(mx_rmq::faults::Arguments(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fault_producer: %s\n", e.what());
    return 1;
  }
}
