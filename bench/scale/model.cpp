#include "scale/model.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace bench::scale {
namespace {

constexpr int most_in_a_batch = 256;
constexpr int worth_another_sender = 64;
constexpr int senders = 3;
constexpr double told_lately = 20'000;  // us
constexpr int most_hops = 5;

enum class What : std::uint8_t {
  // work of a process
  send_produce,
  take_claimed,
  // work of a node
  produce,
  claim,
  ack,
  pass,
  // what arrives after half a round trip
  at_node,
  produced,
  claimed,
  acked,
  woken,
  // a handler has ended
  handled
};

struct Step {
  What what = What::produce;
  What then = What::produce;  // of at_node
  int process = 0;
  int partition = 0;
  int messages = 0;  // of a claim: how many it asks for, then how many it got
  bool more = false;
  int hops = 0;
};

struct Event {
  double at = 0;
  std::uint64_t order = 0;
  int worker = -1;  // whose piece of work has ended; -1: none
  Step step;
};
struct Later {
  bool operator()(const Event& a, const Event& b) const {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
};

// A thread of work, first come first served.
struct Worker {
  std::deque<Step> work;
  bool running = false;
  bool waits = false;  // for a core
  double busy = 0;
};

struct Partition {
  int node = 0;
  long ready = 0;
  std::deque<int> idle;  // processes; some may have been told since
  double told_at = -1e18;
};

// A process at a partition.
struct Source {
  int waiting = 0;  // to be produced
  int sending = 0;  // batches under way
  int to_ack = 0;
  bool acking = false;
  bool listed = true;
  bool claiming = false;
  bool wanted = false;  // in the ring
  bool again = false;   // woken while a claim was under way
};

struct Process {
  std::deque<int> ring;                      // partitions to claim from
  std::deque<std::pair<int, int>> prefetch;  // partition, messages
  int held = 0;                              // prefetched or in a handler
  int reserved = 0;                          // for claims under way
  int claims = 0;
  int seats = 0;  // free
  int turn = 0;   // the partition that its next message goes to
  long left = 0;  // of a job: still to be produced by its callers
};

class Run {
 public:
  Run(const System& system, const Costs& costs);
  Outcome until(double duration);

 private:
  // time
  void after(double delay, const Step& step, int worker = -1);
  void submit(int worker, const Step& step);
  void start(int worker);
  void ended(int worker);
  void arrived(const Step& step);
  double begin(Step& step);
  void finish(const Step& step);
  void start_counting();
  // the parts
  int worker_of(int process) const { return system_.nodes + process; }
  Source& source(int process, int partition) {
    return sources_[static_cast<std::size_t>(process) *
                        static_cast<std::size_t>(system_.partitions) +
                    static_cast<std::size_t>(partition)];
  }
  Partition& partition(int number) { return partitions_[static_cast<std::size_t>(number)]; }
  Process& process(int number) { return processes_[static_cast<std::size_t>(number)]; }
  void to_node(int partition, const Step& step);
  void to_process(const Step& step);
  void wants_to_produce(int process, int messages);
  void send(int process, int partition);
  void want(int process, int partition);
  void pump(int process);
  void run_handlers(int process);
  void acknowledge(int process, int partition);
  int wake(int partition, int most, int but, int hops);
  int capacity() const { return system_.queue_size + system_.workers; }

  const System system_;
  const Costs costs_;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  std::uint64_t order_ = 0;
  double now_ = 0;
  double counted_from_ = 0;
  int free_cores_ = 0;
  std::deque<int> for_a_core_;
  std::vector<Worker> workers_;  // nodes, then processes
  std::vector<Partition> partitions_;
  std::vector<Process> processes_;
  std::vector<Source> sources_;
  long acked_ = 0;
  long calls_ = 0;
  long claimed_ = 0;
  long claims_ = 0;
  long woken_ = 0;
  long passed_ = 0;
  long ready_ = 0;
  double ready_area_ = 0;
};

Run::Run(const System& system, const Costs& costs)
    : system_(system),
      costs_(costs),
      free_cores_(system.cores > 0 ? system.cores : system.nodes + system.processes),
      workers_(static_cast<std::size_t>(system.nodes + system.processes)),
      partitions_(static_cast<std::size_t>(system.partitions)),
      processes_(static_cast<std::size_t>(system.processes)),
      sources_(static_cast<std::size_t>(system.processes) *
               static_cast<std::size_t>(system.partitions)) {
  for (int i = 0; i < system.partitions; ++i) {
    partition(i).node = i % system.nodes;
    for (int p = 0; p < system.processes; ++p)
      partition(i).idle.push_back((p + i) % system.processes);
  }
  for (int p = 0; p < system.processes; ++p) {
    process(p).seats = system.workers;
    process(p).turn = p % system.partitions;
    process(p).left = system.job / system.processes;
  }
  for (int p = 0; p < system.processes; ++p) {
    const long begin = system.job > 0 ? std::min<long>(system.window, process(p).left)
                                      : static_cast<long>(system.window);
    process(p).left -= begin;
    wants_to_produce(p, static_cast<int>(begin));
  }
}

// --- time ---

void Run::after(double delay, const Step& step, int worker) {
  events_.push({now_ + delay, order_++, worker, step});
}

void Run::submit(int worker, const Step& step) {
  Worker& its = workers_[static_cast<std::size_t>(worker)];
  its.work.push_back(step);
  if (its.running || its.waits) return;
  if (free_cores_ > 0) {
    --free_cores_;
    start(worker);
  } else {
    its.waits = true;
    for_a_core_.push_back(worker);
  }
}

void Run::start(int worker) {
  Worker& its = workers_[static_cast<std::size_t>(worker)];
  its.running = true;
  Step step = its.work.front();
  its.work.pop_front();
  const double takes = begin(step);
  its.busy += takes;
  after(takes, step, worker);
}

// Its piece of work has: others who wait for its core come first.
void Run::ended(int worker) {
  Worker& its = workers_[static_cast<std::size_t>(worker)];
  its.running = false;
  if (!its.work.empty() && for_a_core_.empty()) {
    start(worker);
    return;
  }
  if (!its.work.empty()) {
    its.waits = true;
    for_a_core_.push_back(worker);
  }
  ++free_cores_;
  while (free_cores_ > 0 && !for_a_core_.empty()) {
    const int next = for_a_core_.front();
    for_a_core_.pop_front();
    workers_[static_cast<std::size_t>(next)].waits = false;
    --free_cores_;
    start(next);
  }
}

// What a piece of work takes; claims take their messages now.
double Run::begin(Step& step) {
  switch (step.what) {
    case What::send_produce:
      return costs_.producing.of(step.messages);
    case What::take_claimed:
      return costs_.consuming.of(step.messages);
    case What::produce:
      return costs_.produce.of(step.messages);
    case What::claim: {
      Partition& from = partition(step.partition);
      step.messages = static_cast<int>(std::min<long>(step.messages, from.ready));
      from.ready -= step.messages;
      ready_ -= step.messages;
      step.more = from.ready > 0;
      return costs_.claim.of(step.messages);
    }
    case What::ack:
      return costs_.ack.of(step.messages);
    default:
      return costs_.claim.fixed;
  }
}

// --- the servers and the ways to them ---

void Run::to_node(int number, const Step& step) {
  ++calls_;
  Step way = step;
  way.then = step.what;
  way.what = What::at_node;
  way.partition = number;
  after(system_.round_trip / 2, way);
}

void Run::to_process(const Step& step) { after(system_.round_trip / 2, step); }

// Tells up to `most` of those that have been idle for longest.
int Run::wake(int number, int most, int but, int hops) {
  Partition& at = partition(number);
  int told = 0;
  std::size_t looks = std::min<std::size_t>(at.idle.size(), 32);
  while (told < most && looks-- > 0) {
    const int who = at.idle.front();
    at.idle.pop_front();
    if (who == but) {
      at.idle.push_back(who);
      continue;
    }
    Source& its = source(who, number);
    if (!its.listed) continue;
    its.listed = false;
    ++told;
    ++woken_;
    Step word;
    word.what = What::woken;
    word.process = who;
    word.partition = number;
    word.hops = hops;
    to_process(word);
  }
  if (told > 0) at.told_at = now_;
  workers_[static_cast<std::size_t>(at.node)].busy += told * costs_.wake;
  return told;
}

void Run::finish(const Step& step) {
  Step reply = step;
  Partition& at = partition(step.partition);
  switch (step.what) {
    case What::send_produce: {
      Step call = step;
      call.what = What::produce;
      to_node(step.partition, call);
      break;
    }
    case What::produce: {
      const bool was_empty = at.ready == 0;
      at.ready += step.messages;
      ready_ += step.messages;
      if (was_empty || (!at.idle.empty() && now_ - at.told_at > told_lately))
        wake(step.partition, 1, -1, 0);
      reply.what = What::produced;
      to_process(reply);
      break;
    }
    case What::claim: {
      claimed_ += step.messages;
      claims_ += step.messages > 0 ? 1 : 0;
      Source& its = source(step.process, step.partition);
      if (step.more) {
        wake(step.partition, 1, step.process, 0);
        its.listed = false;
      } else if (!its.listed) {
        its.listed = true;
        at.idle.push_back(step.process);
      }
      reply.what = What::claimed;
      to_process(reply);
      break;
    }
    case What::ack:
      acked_ += step.messages;
      reply.what = What::acked;
      to_process(reply);
      break;
    case What::pass:
      wake(step.partition, 1 << std::min(step.hops, most_hops), step.process, step.hops);
      break;
    case What::take_claimed: {
      Process& its = process(step.process);
      if (system_.handler > 0) {
        its.prefetch.emplace_back(step.partition, step.messages);
        run_handlers(step.process);
      } else {
        its.held -= step.messages;
        source(step.process, step.partition).to_ack += step.messages;
        acknowledge(step.process, step.partition);
        pump(step.process);
      }
      break;
    }
    default:
      throw std::logic_error("the scale model: no such work");
  }
}

// --- the processes ---

void Run::wants_to_produce(int number, int messages) {
  Process& its = process(number);
  if (system_.sticky) {
    source(number, its.turn).waiting += messages;
    send(number, its.turn);
    return;
  }
  for (int i = 0; i < messages; ++i) {
    source(number, its.turn).waiting += 1;
    its.turn = (its.turn + 1) % system_.partitions;
  }
  for (int i = 0; i < std::min(messages, system_.partitions); ++i)
    send(number, (its.turn + system_.partitions - 1 - i) % system_.partitions);
}

void Run::send(int number, int to) {
  Source& its = source(number, to);
  while (its.waiting > 0 && its.sending < senders &&
         (its.sending == 0 || its.waiting >= worth_another_sender)) {
    Step step;
    step.what = What::send_produce;
    step.process = number;
    step.partition = to;
    step.messages = std::min(its.waiting, most_in_a_batch);
    its.waiting -= step.messages;
    ++its.sending;
    submit(worker_of(number), step);
    if (system_.sticky) process(number).turn = (to + 1) % system_.partitions;
  }
}

void Run::want(int number, int which) {
  Source& its = source(number, which);
  if (its.claiming) {
    its.again = true;
  } else if (!its.wanted) {
    its.wanted = true;
    process(number).ring.push_back(which);
  }
  pump(number);
}

// Claims as long as there is room; small ones only when none is under way.
void Run::pump(int number) {
  Process& its = process(number);
  while (!its.ring.empty()) {
    const int room = capacity() - its.held - its.reserved;
    if (room <= 0 || (its.claims > 0 && room < std::max(1, capacity() / 8))) return;
    Step step;
    step.what = What::claim;
    step.process = number;
    step.partition = its.ring.front();
    its.ring.pop_front();
    step.messages = std::min(room, system_.batch);
    Source& from = source(number, step.partition);
    from.wanted = false;
    from.claiming = true;
    from.again = false;
    its.reserved += step.messages;
    ++its.claims;
    step.hops = step.messages;  // what is reserved
    to_node(step.partition, step);
  }
}

void Run::run_handlers(int number) {
  Process& its = process(number);
  while (its.seats > 0 && !its.prefetch.empty()) {
    auto& [which, count] = its.prefetch.front();
    --its.seats;
    Step step;
    step.what = What::handled;
    step.process = number;
    step.partition = which;
    after(system_.handler, step);
    if (--count == 0) its.prefetch.pop_front();
  }
}

void Run::acknowledge(int number, int which) {
  Source& its = source(number, which);
  if (its.acking || its.to_ack == 0) return;
  its.acking = true;
  Step step;
  step.what = What::ack;
  step.process = number;
  step.partition = which;
  step.messages = std::min(its.to_ack, 1000);
  its.to_ack -= step.messages;
  to_node(which, step);
}

void Run::arrived(const Step& step) {
  Process& its = process(step.process);
  Source& at = source(step.process, step.partition);
  switch (step.what) {
    case What::at_node: {
      Step work = step;
      work.what = step.then;
      submit(partition(step.partition).node, work);
      break;
    }
    case What::produced: {
      --at.sending;
      int next = 0;
      if (system_.job > 0) {
        next = static_cast<int>(std::min<long>(step.messages, its.left));
        its.left -= next;
      }
      if (next > 0) wants_to_produce(step.process, next);
      send(step.process, step.partition);
      break;
    }
    case What::claimed: {
      its.reserved -= step.hops;
      --its.claims;
      at.claiming = false;
      if (step.more || at.again) want(step.process, step.partition);
      if (step.messages > 0) {
        its.held += step.messages;
        Step take = step;
        take.what = What::take_claimed;
        submit(worker_of(step.process), take);
      }
      pump(step.process);
      break;
    }
    case What::acked:
      at.acking = false;
      if (system_.job == 0) wants_to_produce(step.process, step.messages);
      acknowledge(step.process, step.partition);
      break;
    case What::woken: {
      const bool room = capacity() - its.held - its.reserved > 0;
      want(step.process, step.partition);
      if (room || at.claiming) break;
      ++passed_;
      Step pass = step;
      pass.what = What::pass;
      pass.hops = step.hops + 1;
      to_node(step.partition, pass);
      break;
    }
    case What::handled:
      ++its.seats;
      --its.held;
      ++at.to_ack;
      acknowledge(step.process, step.partition);
      run_handlers(step.process);
      pump(step.process);
      break;
    default:
      throw std::logic_error("the scale model: nothing like that arrives");
  }
}

void Run::start_counting() {
  counted_from_ = now_;
  acked_ = calls_ = claimed_ = claims_ = woken_ = passed_ = 0;
  ready_area_ = 0;
  for (Worker& each : workers_) each.busy = 0;
}

// Counts from when as many have been acknowledged as there are in the system; a job from its start.
Outcome Run::until(double duration) {
  const bool job = system_.job > 0;
  const long settled = job ? 0 : static_cast<long>(system_.window) * system_.processes;
  const long all = job ? system_.job / system_.processes * system_.processes : 0;
  constexpr double give_up = 600e6;
  bool counting = job;
  while (!events_.empty() && !(job && acked_ >= all)) {
    const Event next = events_.top();
    if ((counting && !job && next.at > counted_from_ + duration) || next.at > give_up) break;
    events_.pop();
    ready_area_ += static_cast<double>(ready_) * (next.at - now_);
    now_ = next.at;
    if (next.worker >= 0) {
      finish(next.step);
      ended(next.worker);
    } else {
      arrived(next.step);
    }
    if (!counting && acked_ >= settled) {
      counting = true;
      start_counting();
    }
  }
  if (!counting) throw std::runtime_error("the scale model: it does not settle");
  const double span = std::max(1.0, now_ - counted_from_);
  const double messages = std::max(1.0, static_cast<double>(acked_));
  Outcome out;
  out.rate = static_cast<double>(acked_) / span * 1e6;
  for (int i = 0; i < system_.nodes; ++i) {
    const double busy = workers_[static_cast<std::size_t>(i)].busy / span;
    out.node_busy += busy / system_.nodes;
    out.busiest_node = std::max(out.busiest_node, busy);
  }
  out.node_us = out.node_busy * system_.nodes * span / messages;
  for (int p = 0; p < system_.processes; ++p)
    out.process_busy +=
        workers_[static_cast<std::size_t>(worker_of(p))].busy / span / system_.processes;
  out.process_us = out.process_busy * system_.processes * span / messages;
  out.calls = static_cast<double>(calls_) / messages;
  out.claimed = static_cast<double>(claimed_) / std::max(1.0, static_cast<double>(claims_));
  out.woken = static_cast<double>(woken_) / messages;
  out.passed = static_cast<double>(passed_) / messages;
  out.wait_ms = ready_area_ / messages / 1e3;
  return out;
}

}  // namespace

// One produces, one looks, one listens; consuming has its share of the pool, at least five, of
// which it opens as many as it has sources there.
double connections_a_process_and_node(const System& system) {
  constexpr double pool = 20 - 2;
  const double share = std::max(5.0, std::floor(pool / system.nodes));
  const int used = std::min(system.nodes, system.partitions);
  const double sources = std::ceil(static_cast<double>(system.partitions) / used);
  return 3 + std::min(share, sources);
}

Outcome run(const System& system, const Costs& costs, double duration) {
  Outcome out = Run(system, costs).until(duration);
  out.connections_a_node = connections_a_process_and_node(system) * system.processes;
  out.connections = out.connections_a_node * std::min(system.nodes, system.partitions);
  out.registering_s = static_cast<double>(system.processes) * system.partitions *
                      costs.claim.fixed / std::min(system.nodes, system.partitions) / 1e6;
  return out;
}

}  // namespace bench::scale
