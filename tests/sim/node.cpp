#include "node.hpp"

#include <exception>
#include <utility>

#include "mx_rmq/detail/erase_handler.hpp"
#include "mx_rmq/errors.hpp"
#include "simulation.hpp"

namespace mx_rmq::sim {

using namespace std::chrono_literals;

namespace {

// A loop that turns so often without time going on will never stop.
constexpr std::uint64_t most_spins = 100'000;
// What a process that is gone may need to come to its end, of its own time.
constexpr Duration longest_afterlife = 10min;

class NodeRng final : public redis::Rng {
 public:
  explicit NodeRng(std::uint64_t seed) : random_(seed) {}
  std::uint64_t next() override { return random_.bits(); }

 private:
  Random random_;
};

class NodeResolver final : public redis::Resolver {
 public:
  explicit NodeResolver(runtime::EventLoop& loop) : loop_(loop) {}
  void resolve(std::string, int port, Callback done) override {
    loop_.defer([done = std::move(done), port] {
      Result result;
      result.addresses.push_back({false, "192.0.2.1", port});
      done(std::move(result));
    });
  }

 private:
  runtime::EventLoop& loop_;
};

}  // namespace

TimePoint Node::NodeClock::now() const noexcept {
  return node_.world_.scheduler().now() + node_.boot_ + node_.afterlife_;
}

std::chrono::system_clock::time_point Node::NodeClock::wall() const noexcept {
  using std::chrono::system_clock;
  const Duration since = node_.world_.scheduler().now().time_since_epoch() + node_.wall_;
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(std::chrono::hours(486'000) + since));
}

Node::Node(Simulation& world, int index, bool works)
    : world_(world),
      index_(index),
      works_(works),
      boot_(world.random().span(1h, 1000h)),
      clock_(*this),
      runtime_(runtime::make_hand_driven(clock_)) {
  runtime::EventLoop& loop = runtime_->event_loop();
  const auto escaped = [this](std::exception_ptr error) {
    try {
      std::rethrow_exception(std::move(error));
    } catch (const std::exception& e) {
      world_.books().violate("ESCAPED", std::string("an exception reached the loop: ") + e.what());
    }
  };
  loop.set_error_handler(escaped);
  scope_ = std::make_unique<runtime::Scope>(loop, escaped);
  queue::Seams seams;
  seams.quarantine = &quarantine_;
  seams.redis = [this](runtime::EventLoop& of, const redis::ConnectionOptions&) {
    redis::Seams made;
    made.transport = [this](redis::TransportEvents& events) {
      return std::make_unique<SimTransport>(world_, *this, events);
    };
    made.resolver = std::make_shared<NodeResolver>(of);
    made.rng = std::make_shared<NodeRng>(world_.random().bits());
    return made;
  };
  core_ = std::make_shared<detail::QueueCore>(world.plan().config, runtime_, std::move(seams));
  if (!works_) return;
  for (const std::string& topic : world.plan().topics) {
    core_->add_handler(topic, detail::erase_handler<void>([this](Context& context) -> Task<> {
                         return handle(this, &context);
                       }),
                       HandlerOptions());
  }
}

Node::~Node() {
  if (!buried_) release();
}

// --- its loop ---

void Node::post(std::function<void()> what) {
  if (buried_) return;
  runtime_->event_loop().post(std::move(what));
  if (alive_) wake(world_.scheduler().now());
}

void Node::wake(TimePoint when) {
  when = std::max(when, paused_until_);
  if (wake_at_ && *wake_at_ <= when) return;
  wake_at_ = when;
  world_.scheduler().at(when, [this, mine = ++waking_] {
    if (mine == waking_) run();
  });
}

void Node::run() {
  wake_at_.reset();
  if (!alive_) return;
  const TimePoint now = world_.scheduler().now();
  if (now < paused_until_) return wake(paused_until_);
  turn_all();
  if (doom_.kind == Doom::Kind::turn && --doom_.left <= 0) doomed_ = true;
  if (doomed_) return crash();
  if (cleaned_up_ && runtime_->event_loop().live_tasks() == 0) {
    finished_ = true;
    return release();
  }
  if (now != spinning_since_) spins_ = 0;
  spinning_since_ = now;
  if (++spins_ > most_spins) world_.books().violate("SPIN", "a loop turns and turns");
  if (const auto next = runtime_->event_loop().next_timer()) wake(*next - boot_);
}

void Node::turn_all() {
  for (std::uint64_t i = 0; runtime_->event_loop().turn(); ++i) {
    if (i < most_spins) continue;
    world_.books().violate("SPIN", "a loop turns and turns");
    return;
  }
}

void Node::spawn(Task<> task) {
  auto shared = std::make_shared<Task<>>(std::move(task));
  post([this, shared] { scope_->spawn(std::move(*shared)); });
}

// --- what happens to it ---

void Node::pause(TimePoint until) {
  paused_until_ = std::max(paused_until_, until);
  world_.expect(until);
  // What was to run runs late.
  if (wake_at_) {
    wake_at_.reset();
    wake(paused_until_);
  }
}

void Node::cut_off(TimePoint until) {
  cut_off_until_ = std::max(cut_off_until_, until);
  world_.expect(until);
  for (const auto& link : world_.links_of(this)) link->hold(cut_off_until_);
}

bool Node::cut_off() const { return world_.scheduler().now() < cut_off_until_; }

bool Node::may_write() {
  if (!alive_ || doomed_) return false;
  if (doom_.kind != Doom::Kind::write || --doom_.left > 0) return true;
  doomed_ = true;
  return false;
}

void Node::script_ran() {
  if (const auto span = std::exchange(pause_before_reply_, std::nullopt)) {
    pause(world_.scheduler().now() + *span);
  }
  if (doom_.kind != Doom::Kind::command || --doom_.left > 0) return;
  // Not inside the server's work.
  doom_.kind = Doom::Kind::none;
  world_.scheduler().after(Duration(0), [this] { crash(); });
}

void Node::crash() {
  if (!alive_ || finished_) return;
  world_.books().saw("crash");
  world_.tell("node " + std::to_string(index_) + " dies");
  alive_ = false;
  for (const auto& link : world_.links_of(this)) link->die();
  bury();
}

// Its code goes on in a time of its own, cut off from everything, until it has come to its end:
// that must not take long, and nothing may be left of it.
void Node::bury() {
  spawn(run_finish(this));
  runtime::EventLoop& loop = runtime_->event_loop();
  for (;;) {
    turn_all();
    if (cleaned_up_ && loop.live_tasks() == 0) break;
    const auto next = loop.next_timer();
    if (!next || afterlife_ > longest_afterlife) {
      world_.books().violate("HANG", "a process without a network does not come to its end");
      break;
    }
    afterlife_ += std::max(*next - clock_.now(), Duration(0));
  }
  release();
}

void Node::release() {
  if (std::exchange(buried_, true)) return;
  core_.reset();
  scope_.reset();
  runtime_.reset();
}

}  // namespace mx_rmq::sim
