// Where a fault test takes place: a server, worker and producer processes, whoever injects the
// faults, and the ledgers of them all. Two phases: faults, then healing and draining; then the
// verdict.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "faults/checker.hpp"
#include "faults/programs/program.hpp"
#include "faults/support.hpp"
#include "faults/tail.hpp"
#include "mx_rmq/mx_rmq.hpp"
#include "support/child_process.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_cluster.hpp"
#include "support/redis_server.hpp"
#include "support/sentinel_set.hpp"
#include "support/wait.hpp"

namespace mx_rmq::faults {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

struct ArenaOptions {
  std::string name;  // of the catalogue, as "B1 kill -9 in a handler"
  test::RedisOptions redis = {};
  // A master with replicas and Sentinels instead of one server; not with `proxied` or `history`.
  std::optional<test::SentinelOptions> sentinels = {};
  // The same with a Cluster, whose node 0 stays up.
  std::optional<test::ClusterOptions> cluster = {};
  std::vector<std::string> topics = {"jobs", "jobs.blocking"};
  int partitions = 1;  // that each of them has at most, at any time
  std::chrono::milliseconds lease = 2s;
  bool proxied = false;  // workers and producers reach the server through proxy()
  // The server's append-only file is read as a further witness. Not with rewriting or reloading.
  bool history = false;
  std::optional<std::uint64_t> seed = {};  // else seed_of_run()
  Strings worker_environment = {};         // beside what fits the lease
  Strings worker_arguments = {};           // of fault_worker
  Strings producer_environment = {};
  Strings producer_arguments = {};  // of fault_producer
};

// The seed of this run: $MX_RMQ_FAULTS_SEED, or a random one.
std::uint64_t seed_of_run();

// "OOM", "NOSCRIPT": what servers from 6.2 on count.
bool is_error_code(const std::string& name);
// The end of a file.
std::string last_of(const std::string& path);
// What was wrong with the end of a process; empty if nothing was.
std::string bad_end(const std::optional<test::ChildExit>& end);

// One process of the arena, and those that took its place when it was killed.
class Member {
 public:
  test::ChildProcess process;
  std::string ledger;  // of the present process
  std::string output;
  Strings environment;
  Strings arguments;
  std::int64_t wanted = 0;  // a producer's goal
  bool over = false;        // ended on the test's word
  std::unique_ptr<LedgerTail> tail;
  std::int64_t earlier_produced = 0;  // by the processes before

  std::uint64_t pid() const { return static_cast<std::uint64_t>(process.pid()); }
};

// Not thread-safe: of the test's thread, but for the members that say otherwise.
class Arena {
 public:
  explicit Arena(ArenaOptions options);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  test::RedisServer& server() { return *server_; }
  test::SentinelSet& sentinels() { return *set_; }
  test::RedisCluster& cluster() { return *cluster_; }
  // The server that has that hash tag (a topic, or a partition of one) now. Any thread.
  test::RedisServer& server_of(const std::string& tag);
  // The master by now; server() from here on. With Sentinels, after a failover.
  void follow_master();
  FaultProxy& proxy() { return *proxy_; }
  Dice& dice() { return dice_; }
  std::uint64_t seed() const { return seed_; }
  const ArenaOptions& options() const { return options_; }
  std::string url() const;

  // --- who takes part ---

  std::size_t add_worker(Strings environment = {}, Strings arguments = {});
  std::size_t add_producer(std::int64_t messages, Strings arguments = {});
  std::vector<std::unique_ptr<Member>>& workers() { return workers_; }
  std::vector<std::unique_ptr<Member>>& producers() { return producers_; }
  // A message from the test itself, noted like any other; gives its number. Throws what produce()
  // throws, noted as well.
  std::uint64_t produce(nlohmann::json payload, ProduceOptions options = ProduceOptions(),
                        std::size_t topic = 0);

  // --- faults ---

  void begin(Fault fault, std::uint64_t pid = 0);
  void end(Fault fault, std::uint64_t pid = 0);
  void note(Record record) { ledger_.write(record); }  // any thread
  void kill_worker(std::size_t i);                     // and starts another in its place
  bool kill_producer(std::size_t i);                   // the same; false: it has ended by itself
  void stop_worker(std::size_t i);                     // SIGTERM; starts another in its place
  void end_worker(std::size_t i);                      // the same, and none in its place
  void pause_worker(std::size_t i);
  void resume_worker(std::size_t i);
  // In place of one that a message has killed; any other death is a complaint in the verdict.
  void revive_worker(std::size_t i);
  void kill_server(Fault fault = Fault::kill_server);  // and starts it again
  void restart_server();

  // --- the end ---

  // By all producers and the test.
  std::int64_t acknowledged();
  // Runs that ended well, of all present and earlier workers.
  std::int64_t handled();
  // Waits until so many have been; false if that takes longer.
  bool wait_handled(std::int64_t messages, std::chrono::milliseconds timeout = 120s);

  // No more faults: the proxy heals, paused processes go on, the server is up.
  void heal();
  // Waits until the producers have ended and the server has nothing left to do; false, and a
  // complaint in the verdict, if that takes longer.
  bool drain(std::chrono::milliseconds timeout = 120s);
  // Adds to the verdict's `seen`. Any thread.
  void see(const std::string& what, std::int64_t times = 1);
  // What was seen so far, and the codes of the server's error replies, a moment ago; of a server
  // that does not count those: true. Any thread.
  bool has_seen(const std::string& what);
  // Ends the workers, reads everything, judges, reports. Once.
  Verdict finish(Rules rules = {});
  // What the verdict was found from; after finish().
  const std::vector<Record>& records() const { return records_; }
  // A counter of a topic's stats, of all its partitions; or of that one.
  std::int64_t stat(const std::string& name, std::size_t topic = 0);
  std::int64_t stat_at(const std::string& tag, const std::string& name);
  // The hash tag of a topic's partition.
  std::string tag(int partition, std::size_t topic = 0) const;
  // How many records of a kind a worker has written, in its present process.
  std::int64_t noted(std::size_t worker, Op op) { return workers_.at(worker)->tail->count(op); }

  // What all processes wrote to stderr, the last of it.
  std::string output() const;
  // The test's own, straight to the server. What it produces may be recovered `recoveries` times.
  RedisMessageQueue& queue();
  static constexpr int recoveries = 2;

 private:
  void start(Member& member, const std::string& program, Strings arguments);
  void start_worker(Member& member);
  void start_producer(Member& member);
  void retire(Member& member);
  void watch(const std::stop_token& over);
  void sample();
  void count_errors(test::RedisClient& client);
  bool all_empty();
  void read_server(Facts& facts);
  void complain(const std::string& what);
  Strings environment(const Strings& more) const;

  const ArenaOptions options_;
  const std::vector<std::string> tags_;  // of all partitions of all topics
  const std::uint64_t seed_;
  Dice dice_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  const std::unique_ptr<test::SentinelSet> set_;
  const std::unique_ptr<test::RedisCluster> cluster_;
  const std::unique_ptr<test::RedisServer> alone_;
  std::atomic<test::RedisServer*> server_;
  const std::string directory_;
  std::unique_ptr<FaultProxy> proxy_;
  const Ledger ledger_;
  std::vector<std::unique_ptr<Member>> workers_;
  std::vector<std::unique_ptr<Member>> producers_;
  int processes_ = 0;
  std::uint64_t bases_ = 1;  // of producers' numbers; 0 is the test's own
  std::uint64_t next_key_ = 0;
  std::int64_t produced_here_ = 0;
  std::vector<std::unique_ptr<LedgerTail>> retired_;
  std::unique_ptr<RedisMessageQueue> queue_;
  std::mutex mutex_;  // of what follows
  std::map<std::string, std::int64_t> seen_;
  std::vector<std::string> complaints_;
  std::string server_run_;                      // the server's run_id
  std::map<std::string, std::int64_t> errors_;  // of that run
  std::atomic<bool> errors_told_{true};         // the server counts its error replies
  std::vector<Record> records_;
  std::jthread watcher_;
};

}  // namespace mx_rmq::faults
