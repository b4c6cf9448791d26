// A world of one seed: server, network, processes, faults, books. One thread, virtual time, the
// same every time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "books.hpp"
#include "link.hpp"
#include "plan.hpp"
#include "random.hpp"
#include "scheduler.hpp"
#include "server.hpp"

namespace mx_rmq::sim {

struct Outcome {
  std::optional<Violation> violation;
  std::string plan;
  Sightings sightings;
  std::size_t messages = 0;
  std::size_t accepted = 0;
  std::uint64_t starts = 0;
  std::uint64_t commands = 0;
  std::uint64_t events = 0;
  double virtual_seconds = 0;
  Duration latest{};  // in a calm world
};

class Simulation {
 public:
  // Told of everything that happens, a line each; empty: nobody listens.
  using Trace = std::function<void(const std::string&)>;
  // `lua` outlives it.
  Simulation(Plan plan, LuaHost& lua, Trace trace);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  Outcome run();

  // --- for its parts ---
  Scheduler& scheduler() noexcept { return scheduler_; }
  Random& random() noexcept { return random_; }
  Books& books() noexcept { return books_; }
  Server& server() noexcept { return *server_; }
  const Plan& plan() const noexcept { return plan_; }

  Duration latency();
  Duration some_delay();  // until a broken connection is noticed, and the like
  std::optional<Duration> lateness();
  bool refuses();
  // Whether the connection breaks within these bytes, and after how many.
  std::optional<std::size_t> break_write(const Link& link, std::size_t bytes);
  std::optional<std::size_t> break_reply(const Link& link, std::size_t bytes);
  std::uint64_t next_link() noexcept { return ++last_link_; }
  void add_link(const std::shared_ptr<Link>& link) { links_.push_back(link); }
  std::vector<std::shared_ptr<Link>> links_of(const Node* node);  // nullptr: all
  // Something is on its way until then.
  void expect(TimePoint until) { quiet_from_ = std::max(quiet_from_, until); }
  // Nothing happened of late that makes it uncertain who holds what.
  bool strict() const;
  // Somebody takes the place of a process that dies.
  void replace_soon();
  void script_ran(Node& node, std::string_view script);

  void trace(int node, const Arguments& command, const Value* reply);
  void tell(const std::string& what);
  bool tracing() const noexcept { return static_cast<bool>(trace_); }

 private:
  void populate();
  void plan_messages();
  void later(Duration span, std::function<void()> what);
  void open_message(std::uint64_t number);
  void produce_one_more(const std::function<void(Record&)>& change = {});
  void produce_everywhere();
  void produce(std::uint64_t number);
  void again_if_unknown(std::uint64_t number);
  void cancel(std::uint64_t number);
  Node* producer();
  void next_fault();
  void fault();
  void next_stop();
  void stop(Node& node);
  void heal();
  bool drained();
  void look_again();
  void look_for_idlers();
  void finish();
  void audit();
  void plan_partitions();
  void configure(const std::string& topic, int partitions);
  void plan_pauses();
  void run_until(TimePoint limit);
  Node& add_node(bool works);
  std::vector<Node*> alive() const;

  const Plan plan_;
  const Trace trace_;
  Scheduler scheduler_;
  Random random_;
  Books books_;
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::weak_ptr<Link>> links_;
  std::uint64_t last_link_ = 0;
  bool chaos_ = true;
  bool ending_ = false;
  TimePoint refuses_until_{};
  TimePoint quiet_from_{};
  std::map<const Node*, TimePoint> idle_since_;  // consumes, and was seen to hold nothing
  int planned_ = 0;                              // what users are still going to do
};

}  // namespace mx_rmq::sim
