#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mx_rmq {

/// How a queue behaves. Public members; every one has a default that suits a service with one Redis
/// beside it. The queue's constructor calls validate(). Durations are milliseconds, to which
/// seconds, minutes and hours convert by themselves: `config.processing_timeout = 180s`.
///
/// Ranges are given in brackets. Each field can come from the environment, see from_env().
struct MQConfig {
  MQConfig();

  // --- Redis ---

  /// Where Redis is: redis://[[user]:password@]host[:port][/db] or
  /// unix://[[user]:password@]/path[?db=N]; special characters percent-encoded, IPv6 in brackets.
  /// Behind a '?' there may be db and client_name. rediss:// (TLS) is not built in and is refused.
  std::string redis_url = "redis://localhost:6379";
  /// Number of the database [0..65535]. Together with another number in the URL it is an error; 0
  /// leaves it to the URL.
  int redis_db = 0;
  /// Name and password for AUTH; empty leaves it to the URL. Together with others in the URL it is
  /// an error.
  std::string redis_username;
  std::string redis_password;
  /// Begins all keys, so that several systems share one Redis; empty means "mx". At most 64 bytes
  /// of printable ASCII without space and { } * ? [ ] \ .
  std::string queue_prefix;
  /// Connections for commands [1..1000], opened when first used; blocking waits have their own
  /// beside them.
  int connection_pool_size = 20;
  /// What CLIENT LIST shows [1..64 bytes of printable ASCII without space]. The URL may have it, too;
  /// another one than the default and the URL's together are an error.
  std::string client_name = "mx-rmq";
  /// For resolving, connecting and logging in [10ms..10m].
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(5);
  /// True: initialize(), start(), start_background() and run() wait for a Redis that is not there
  /// yet, or still loading, instead of throwing after connect_timeout; stop(), cleanup() and, in
  /// start() and run(), a signal end the waiting. What Redis refuses (credentials, rights) is thrown
  /// all the same.
  bool wait_for_redis = false;
  /// Deadline of a command [10ms..10m]. Commands of a consumer have lease / 3 if that is less. A
  /// produce or cancel call sends its command again then; a connection that is still silent after
  /// this time once more is given up.
  std::chrono::milliseconds command_timeout = std::chrono::seconds(5);
  /// Deadline of a produce call, waiting for a connection and re-sending included [10ms..1h].
  std::chrono::milliseconds produce_timeout = std::chrono::seconds(15);
  /// Pause before the first reconnect [1ms..1m]; doubles, with jitter, up to the maximum
  /// [1ms..10m].
  std::chrono::milliseconds reconnect_backoff_min = std::chrono::milliseconds(50);
  std::chrono::milliseconds reconnect_backoff_max = std::chrono::seconds(5);

  // --- Workers ---

  /// Handlers running at the same time, of all topics together [1..100000].
  int max_workers = 5;
  /// Messages prefetched beyond those being handled [1..100000]. They are leased, and given back on
  /// stop.
  int task_queue_size = 8;
  /// Threads for handlers that may block [1..1024]. They belong to the Runtime; a queue raises it
  /// to this number.
  int blocking_threads = 16;
  /// Messages moved by one call of a script at most [1..1000].
  int batch_size = 100;
  /// Bytes of messages taken by one claim at most, though always at least one message [1..256 MiB].
  std::size_t claim_bytes = std::size_t{4} << 20;
  /// After this long without a sign of life a consumer is taken for dead, and what it held goes to
  /// others [200ms..1h]. Renewed at a third of it; it does not limit how long a handler runs.
  std::chrono::milliseconds lease = std::chrono::seconds(30);
  /// What stop() gives running handlers before it stops them [0s..1d].
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(30);

  // --- Life of a message ---

  /// How long a message may wait for a worker after it is due [1ms..3650d]; ProduceOptions::ttl
  /// overrides it.
  std::chrono::milliseconds message_ttl = std::chrono::hours(24);
  /// Deadline of a handler's run [1ms..30d]; HandlerOptions::timeout overrides it, Context::extend
  /// moves it.
  std::chrono::milliseconds processing_timeout = std::chrono::seconds(180);
  /// Retries after the first attempt [0..1000]; HandlerOptions::max_retries overrides it.
  int max_retries = 3;
  /// Pause before each retry [at most 1000, each 0..365d]; the last one repeats. Not empty if there
  /// are retries.
  std::vector<std::chrono::milliseconds> retry_delays = {
      std::chrono::seconds(60), std::chrono::seconds(300), std::chrono::seconds(1800)};
  /// How often a message is taken back from dead consumers; after that it is a dead letter "poison"
  /// [1..1000].
  int max_recoveries = 3;
  /// How often a stop (stop(), cleanup(), a signal) may cut the run of a message's handler short
  /// after shutdown_timeout, and give the message back; after that it is a dead letter
  /// "interrupted"
  /// [1..1000000]. Such a run is no attempt and uses up no retry.
  int max_interruptions = 100;
  /// Biggest payload, as JSON text [1..256 MiB].
  std::size_t max_payload_bytes = std::size_t{1} << 20;
  /// How much of an error's text is stored with a message [64..65536].
  std::size_t max_error_bytes = 4096;
  /// Messages whose produce is under way at the same time; beyond it calls end with Overloaded
  /// [1..10000000].
  std::size_t max_pending_produces = 100'000;

  // --- Dead letters ---

  /// False: what would become a dead letter is dropped, counted and logged instead.
  bool enable_dead_letter = true;
  /// False: what expired is dropped and counted instead of becoming a dead letter.
  bool dead_letter_expired = true;
  /// Dead letters kept per topic, the oldest dropped first [0..2^53-1]; 0: no cap.
  std::int64_t max_dead_letters = 0;

  // --- Upkeep ---

  /// How often health and metrics of this process are brought up to date [10ms..1d].
  std::chrono::milliseconds monitor_interval = std::chrono::seconds(30);
  /// How often expired messages are looked for, per consumer and topic, with jitter [10ms..1d].
  std::chrono::milliseconds expired_check_interval = std::chrono::seconds(10);
  /// How often consumers whose lease ran out are looked for beyond what claims tell [10ms..1d].
  std::chrono::milliseconds processing_monitor_interval = std::chrono::seconds(30);

  /// A configuration from the environment, validated; what is not set, or set to nothing, has its
  /// default. Blanks and line ends around a value are not part of it.
  ///
  /// Each field is MX_RMQ_ and its name in upper case: MX_RMQ_MAX_WORKERS, MX_RMQ_RETRY_DELAYS ...
  /// or, shorter, MQ_MAX_WORKERS. The Redis fields are also REDIS_URL, REDIS_DB, REDIS_USERNAME and
  /// REDIS_PASSWORD. Of several the first in this order counts, and the others are not looked at.
  /// Without a URL, REDIS_HOST and REDIS_PORT make one; a REDIS_PORT that is an address, as
  /// Kubernetes sets it for a service called redis, is taken if there is no REDIS_HOST and ignored if
  /// there is. Durations are a number of seconds, or a number with one of ms, s, m, h, d ("90",
  /// "0.5", "500ms", "24h"); lists are separated by commas; yes or no is true, false, 1, 0, yes, no,
  /// on or off.
  ///
  /// Throws ConfigError naming the variable and what is allowed: for a malformed value, one out of
  /// range, and for an MX_RMQ_ variable that is no field's. MQ_ and REDIS_ variables that are no
  /// field's are other products' and ignored, with a warning in the log where the name is nearly a
  /// field's; so are, without one, MX_RMQ_ variables that Kubernetes sets for a service of such a
  /// name (MX_RMQ_SERVICE_HOST, MX_RMQ_PORT ...), and those of this project's own tests
  /// (MX_RMQ_REDIS_SERVER, MX_RMQ_TEST_... ). Not to be called while another thread changes the
  /// environment.
  static MQConfig from_env();

  /// Throws ConfigError, naming the field, its value and what is allowed, for the first field that
  /// is out of range or contradicts another one. Of redis_url it names the part that is wrong. What
  /// it accepts, connections can be tried with. Nothing is asked of Redis.
  void validate() const;

  /// All fields, a line each: `name = value`. Passwords are shown as ***, in the URL too.
  [[nodiscard]] std::string describe() const;

  friend bool operator==(const MQConfig&, const MQConfig&) = default;
};

}  // namespace mx_rmq
