#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "mx_rmq/retry_policy.hpp"

namespace mx_rmq {

/// How a queue behaves.
///
/// Every field has a default that suits a service with one Redis beside it. The queue's constructor
/// calls validate(). Durations are milliseconds; seconds, minutes and hours convert to them by
/// themselves: `config.processing_timeout = 180s`. Allowed ranges are given in brackets. Each field
/// can also come from the environment, see from_env().
struct MQConfig {
  /// Every field at its default.
  MQConfig();

  /// A value of task_queue_size and batch_size, their default: the library chooses, and goes on
  /// choosing while it works. In the environment: automatic.
  static constexpr int automatic = -1;

  // --- Redis ---

  /// Where Redis is: redis://[[user]:password@]host[:port][/db] or
  /// unix://[[user]:password@]/path[?db=N]; special characters percent-encoded, IPv6 in brackets.
  /// Behind Sentinels: redis+sentinel://[[user]:password@]host[:26379][,host...]/MASTER[/db], with
  /// the hosts and ports of the Sentinels, the name of the master, and user and password of the
  /// servers. Behind a '?' there may be db and client_name. rediss instead of redis is the same
  /// over TLS, if the library was built with it; else it is refused.
  std::string redis_url = "redis://localhost:6379";
  /// Number of the database [0..65535]. 0 leaves it to the URL. If the URL has a number too, and
  /// another one, that is an error.
  int redis_db = 0;
  /// Name for AUTH. Empty leaves it to the URL; another name in the URL is an error.
  std::string redis_username;
  /// Password for AUTH. Empty leaves it to the URL; another password in the URL is an error.
  std::string redis_password;
  /// Name for AUTH at the Sentinels of a redis+sentinel:// URL. Empty: the default user, or none.
  /// The servers have their own name: redis_username, or the one in the URL.
  std::string sentinel_username;
  /// Password for AUTH at the Sentinels. Empty: they want none.
  std::string sentinel_password;
  /// Where servers are seen from here if that is not where they say (address translation,
  /// containers, tunnels): "10.0.0.5:6379=redis.example.org:7001,10.0.0.6=192.0.2.1". It is used
  /// for what Sentinels and the nodes of a Cluster tell, not for the URL. A left side without a
  /// port is any port of that host; a right side without one keeps the port.
  std::string redis_address_map;
  /// The beginning of all keys, so that several systems can share one Redis; empty means "mx". At
  /// most 64 bytes of printable ASCII without spaces, braces, brackets, asterisks, question marks
  /// and backslashes.
  std::string queue_prefix;
  /// Connections for commands [1..1000], opened when first used; blocking waits have their own
  /// beside them.
  int connection_pool_size = 20;
  /// What CLIENT LIST shows [1..64 bytes of printable ASCII without space]. The URL may have it
  /// too. If both name one, and not the same, that is an error.
  std::string client_name = "mx-rmq";
  /// How long resolving, connecting and logging in may take together [10ms..10m].
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(5);
  /// True: initialize(), start(), start_background() and run() wait for a Redis that is not there
  /// yet, or is still loading its data. False: they throw after connect_timeout. stop() and
  /// cleanup() end the waiting, and so does a signal in start() and run(). What Redis refuses
  /// (credentials, rights) is thrown all the same.
  bool wait_for_redis = false;
  /// Deadline of a command [10ms..10m]. A consumer's commands have lease / 3 if that is less. When
  /// it has passed, produce() and cancel() send their command again. A connection that has been
  /// silent for twice this time is given up.
  std::chrono::milliseconds command_timeout = std::chrono::seconds(5);
  /// Deadline of a produce call, including the wait for a connection and sending again [10ms..1h].
  std::chrono::milliseconds produce_timeout = std::chrono::seconds(15);
  /// How many replicas must have a produced message before produce() returns [0..100]. 0: it is not
  /// waited for. If fewer have it in time, produce() throws NotReplicated. It makes the loss of a
  /// message by a failover unlikely, and impossible only if all replicas are waited for.
  int wait_replicas = 0;
  /// How long wait_replicas is waited for [1ms..1h].
  std::chrono::milliseconds wait_replicas_timeout = std::chrono::seconds(1);
  /// Pause before the first attempt to reconnect [1ms..1m]. It doubles, with jitter, at each
  /// further attempt.
  std::chrono::milliseconds reconnect_backoff_min = std::chrono::milliseconds(50);
  /// Longest pause between attempts to reconnect [1ms..10m].
  std::chrono::milliseconds reconnect_backoff_max = std::chrono::seconds(5);

  // --- TLS: only where redis_url asks for it (rediss://) ---

  /// File with the certificates of those who are trusted to certify the server, in PEM form. If
  /// neither this nor tls_ca_dir is given, those that the system trusts are. Like the other files
  /// it is looked at again for each new connection.
  std::string tls_ca_file;
  /// The same as a directory in OpenSSL's hashed form (`openssl rehash`).
  std::string tls_ca_dir;
  /// File with our own certificate, for a server that wants one: PEM, behind it the intermediate
  /// ones.
  std::string tls_cert_file;
  /// File with the key of our certificate: PEM, without a passphrase. Empty: it is in
  /// tls_cert_file.
  std::string tls_key_file;
  /// Whom the server's certificate must name: a host or an address. Empty: the host of the URL (or
  /// of whatever server it leads to).
  std::string tls_server_name;
  /// False: the server's certificate is not looked at, so that anybody on the way can read and
  /// change what is sent. For trying things out; it is logged as a warning.
  bool tls_verify = true;

  // --- Workers ---

  /// How many handlers may run at the same time, of all topics together [1..100000].
  int max_workers = 5;
  /// How many messages are prefetched beyond those being handled [0..100000], or automatic. No
  /// other process can take them meanwhile; a stop gives them back. 0: a message is claimed only
  /// for a free worker. Automatic: of each topic as many as its handlers finish in a few round
  /// trips to Redis, or in 20 ms, at most 2,048 together. So there are none where handlers take
  /// long, and what waits behind handlers that have become slow is given back.
  int task_queue_size = automatic;
  /// Threads for handlers that may block [1..1024]. They belong to the Runtime; a queue raises
  /// their number to this one.
  int blocking_threads = 16;
  /// How many messages one call of a script may move at most [1..1000], or automatic: 500 for a
  /// claim, 100 for other calls.
  int batch_size = automatic;
  /// How many bytes of messages one claim may take at most; one message is always allowed
  /// [1..256 MiB].
  std::size_t claim_bytes = std::size_t{4} << 20;
  /// A consumer that gives no sign of life for so long is taken for dead, and other consumers get
  /// what it held [200ms..1h]. The library renews it three times as often as needed. It does not
  /// limit how long a handler runs.
  std::chrono::milliseconds lease = std::chrono::seconds(30);
  /// How long stop() lets running handlers go on before it fires their stop tokens [0s..1d].
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(30);

  // --- Life of a message ---

  /// How long a message may wait for a worker after it is due, before it expires [1ms..3650d].
  /// ProduceOptions::ttl overrides it.
  std::chrono::milliseconds message_ttl = std::chrono::hours(24);
  /// Deadline of a handler's run [1ms..30d]. HandlerOptions::timeout overrides it, Context::extend
  /// moves it.
  std::chrono::milliseconds processing_timeout = std::chrono::seconds(180);
  /// Retries after the first attempt [0..1000]. HandlerOptions::max_retries overrides it.
  int max_retries = 3;
  /// Pause before each retry; the last one repeats [at most 1000, each 0..365d]. It may be empty
  /// only if max_retries is 0. HandlerOptions::retry_delays overrides it.
  std::vector<std::chrono::milliseconds> retry_delays = {
      std::chrono::seconds(60), std::chrono::seconds(300), std::chrono::seconds(1800)};
  /// When a failed message is tried again, if not by retry_delays: fixed, linear or exponential
  /// pauses, or a function's; jitter, a maximum, a total time, and errors that are never retried.
  /// HandlerOptions::retry_policy overrides it, and so does HandlerOptions::retry_delays.
  RetryPolicy retry_policy;
  /// How often a message is taken back from dead consumers [1..1000]. Once more, and it becomes a
  /// dead letter with the reason "poison".
  int max_recoveries = 3;
  /// How often a stop may cut a message's run short after shutdown_timeout and give the message
  /// back [1..1000000]. Once more, and it becomes a dead letter with the reason "interrupted". A
  /// run that was cut short is no attempt: it uses up no retry. A stop is stop(), cleanup() or a
  /// signal.
  int max_interruptions = 100;
  /// Largest payload allowed, as JSON text [1..256 MiB].
  std::size_t max_payload_bytes = std::size_t{1} << 20;
  /// How much of an error's text is stored with a message [64..65536].
  std::size_t max_error_bytes = 4096;
  /// How many messages may be on their way to Redis at the same time [1..10000000]. Further produce
  /// calls end with Overloaded.
  std::size_t max_pending_produces = 100'000;

  // --- Dead letters ---

  /// False: a message that would become a dead letter is dropped, counted and logged instead.
  bool enable_dead_letter = true;
  /// False: a message that expires is dropped and counted instead of becoming a dead letter.
  bool dead_letter_expired = true;
  /// How many dead letters a topic keeps; beyond it the oldest are dropped [0..2^53-1]. 0: no cap.
  /// Each partition of a topic that has several keeps its part of them, rounded up.
  std::int64_t max_dead_letters = 0;

  // --- Upkeep ---

  /// How often health and metrics of this process are brought up to date [10ms..1d].
  std::chrono::milliseconds monitor_interval = std::chrono::seconds(30);
  /// How often expired messages are looked for, per consumer and topic, with jitter [10ms..1d].
  std::chrono::milliseconds expired_check_interval = std::chrono::seconds(10);
  /// How often consumers whose lease ran out are looked for, beside what claims find out
  /// [10ms..1d].
  std::chrono::milliseconds processing_monitor_interval = std::chrono::seconds(30);

  /// A configuration from the environment, validated. A variable that is not set, or set to
  /// nothing, leaves the field at its default. Blanks and line ends around a value are not part of
  /// it.
  ///
  /// **Names.** The variable of a field is MX_RMQ_ and the field's name in upper case
  /// (MX_RMQ_MAX_WORKERS) or, shorter, MQ_ and the name (MQ_MAX_WORKERS). The Redis fields also
  /// have REDIS_URL, REDIS_DB, REDIS_USERNAME and REDIS_PASSWORD. If several are set, the first in
  /// this order counts and the others are not looked at. Without a URL, REDIS_HOST and REDIS_PORT
  /// make one. If REDIS_PORT is an address, as Kubernetes sets it for a service called redis, it is
  /// taken unless REDIS_HOST is set.
  ///
  /// **Values.** Durations are a number of seconds, or a number with one of ms, s, m, h, d: "90",
  /// "0.5", "500ms", "24h". Lists are separated by commas. A yes or no is true, false, 1, 0, yes,
  /// no, on or off.
  ///
  /// Throws ConfigError, naming the variable and what is allowed, for a malformed value, a value
  /// out of range, and an MX_RMQ_ variable that is no field's. Not an error are the MX_RMQ_
  /// variables that Kubernetes sets for a service of that name (MX_RMQ_SERVICE_HOST, MX_RMQ_PORT
  /// ...) and those of this project's own tests (MX_RMQ_REDIS_SERVER, MX_RMQ_TEST_...). MQ_ and
  /// REDIS_ variables that are no field's belong to other products: they are ignored, with a
  /// warning in the log where the name is nearly a field's. Must not be called while another thread
  /// changes the environment.
  static MQConfig from_env();

  /// Throws ConfigError for the first field that is out of range or contradicts another one, naming
  /// the field, its value and what is allowed; of redis_url it names the part that is wrong. It
  /// asks nothing of Redis.
  void validate() const;

  /// All fields, a line each: `name = value`. Passwords are shown as ***, in the URL too.
  [[nodiscard]] std::string describe() const;

  /// Whether all fields are equal.
  friend bool operator==(const MQConfig&, const MQConfig&) = default;
};

}  // namespace mx_rmq
