// A simulated process: a queue of the library's own code on a loop that is driven by hand.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "books.hpp"
#include "broker/data/outgoing_envelope.hpp"
#include "mx_rmq/runtime.hpp"
#include "plan.hpp"
#include "queue/core.hpp"
#include "runtime/hand_driven.hpp"
#include "runtime/scope.hpp"
#include "worker/quarantine.hpp"

namespace mx_rmq::sim {

class Simulation;

// How and when a process dies.
struct Doom {
  enum class Kind : std::uint8_t {
    none,
    turn,    // after so many turns of its loop
    write,   // before so many writes have left
    command  // when the server has run so many scripts for it; the reply is lost
  };
  Kind kind = Kind::none;
  int left = 0;
};

class Node {
 public:
  Node(Simulation& world, int index, bool works);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  int index() const noexcept { return index_; }
  bool works() const noexcept { return works_; }
  bool alive() const noexcept { return alive_; }
  // Consuming, or about to.
  bool consumes() const noexcept { return works_ && alive_ && wanted_; }
  bool idle() const noexcept { return !changing_; }
  detail::QueueCore& core() noexcept { return *core_; }

  // --- what it is told to do ---
  void start();
  void produce(Record& record, broker::OutgoingEnvelope envelope);
  void produce_batch(std::vector<Record*> records, std::vector<broker::OutgoingEnvelope> envelopes);
  void cancel(Record& record);
  // Until it is done.
  void configure(const std::string& topic, int partitions);
  // For so long: then it is resumed, or the pause ends by itself.
  void pause_topic(const std::string& topic, std::chrono::milliseconds span, bool timed);
  // Until it is done.
  void resume_topic(const std::string& topic);
  // In good order; then it consumes again after `pause`, if any.
  void stop(std::optional<Duration> pause);

  // --- what happens to it ---
  void crash();
  void doom(Doom doom) { doom_ = doom; }
  void pause(TimePoint until);
  // The same once the server has executed its next script, before it reads the reply.
  void pause_before_reply(std::optional<Duration> span) { pause_before_reply_ = span; }
  void cut_off(TimePoint until);
  bool cut_off() const;
  void set_wall(Duration by) { wall_ += by; }
  void script_ran();
  bool may_write();

  // Runs `what` on its loop, soon; not if it is dead.
  void post(std::function<void()> what);

  // The end of the world: everything is stopped in good order. True when it is.
  void finish();
  bool finished() const noexcept { return finished_; }

 private:
  class NodeClock final : public runtime::Clock {
   public:
    explicit NodeClock(const Node& node) : node_(node) {}
    TimePoint now() const noexcept override;
    std::chrono::system_clock::time_point wall() const noexcept override;

   private:
    const Node& node_;
  };

  void wake(TimePoint when);
  void run();
  void turn_all();
  void spawn(Task<> task);
  void bury();
  void release();

  static Task<> run_start(Node* self);
  static Task<> run_stop(Node* self, std::optional<Duration> pause);
  static Task<> run_finish(Node* self);
  static Task<> run_produce(Node* self, Record* record, broker::OutgoingEnvelope envelope);
  static Task<> run_batch(Node* self, std::vector<Record*> records,
                          std::vector<broker::OutgoingEnvelope> envelopes);
  static Task<> run_cancel(Node* self, Record* record);
  static Task<> run_configure(Node* self, std::string topic, int partitions);
  static Task<> run_pause(Node* self, std::string topic, std::chrono::milliseconds span,
                          bool timed);
  static Task<> run_resume(Node* self, std::string topic);
  static Task<> handle(Node* self, Context* context);

  Simulation& world_;
  const int index_;
  const bool works_;
  const Duration boot_;   // what its monotonic clock shows at the beginning
  Duration wall_{};       // how wrong its wall clock is
  Duration afterlife_{};  // how far its clock went on after its death
  NodeClock clock_;
  worker::Quarantine quarantine_;
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<runtime::Scope> scope_;
  std::shared_ptr<detail::QueueCore> core_;

  bool alive_ = true;
  bool buried_ = false;
  bool wanted_ = false;    // it is to consume
  bool changing_ = false;  // a start or stop is under way
  bool finishing_ = false;
  bool cleaned_up_ = false;
  bool finished_ = false;  // nothing of it is left
  Doom doom_;
  bool doomed_ = false;  // it dies at the end of this turn
  TimePoint paused_until_{};
  std::optional<Duration> pause_before_reply_;
  TimePoint cut_off_until_{};
  std::optional<TimePoint> wake_at_;
  std::uint64_t waking_ = 0;
  TimePoint spinning_since_{};
  std::uint64_t spins_ = 0;
};

}  // namespace mx_rmq::sim
