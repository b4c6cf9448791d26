#include "support/redis_server.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "support/free_port.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

constexpr const char* prefix = "mxrmq-test-";

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("RedisServer: " + what);
}

std::string from_environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

// Removes what tests that were killed have left: directories whose maker has long been gone.
void remove_stale_directories() {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::directory_iterator each("/tmp", error), end; !error && each != end;
       each.increment(error)) {
    const std::string name = each->path().filename();
    if (!name.starts_with(prefix)) continue;
    const long maker = std::atol(name.c_str() + std::strlen(prefix));
    const auto written = fs::last_write_time(each->path(), error);
    if (maker <= 0 || error || fs::file_time_type::clock::now() - written < std::chrono::hours(1)) {
      error.clear();
      continue;
    }
    if (::kill(static_cast<pid_t>(maker), 0) != 0 && errno == ESRCH) {
      fs::remove_all(each->path(), error);
      error.clear();
    }
  }
}

// The major version of a redis-server ("v=7.0.15"); 0 if it does not say.
int major_version(const std::string& program, const std::string& directory) {
  ChildOptions options;
  options.arguments = {"--version"};
  options.output_file = directory + "/version";
  ChildProcess process = ChildProcess::start(program, options);
  process.wait(std::chrono::seconds(10));
  const std::string text = process.output();
  const std::size_t at = text.find("v=");
  return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 2);
}

}  // namespace

RedisServer::RedisServer(RedisOptions options)
    : options_(std::move(options)),
      program_(from_environment("MX_RMQ_REDIS_SERVER", "redis-server")) {
  static const bool cleaned = (remove_stale_directories(), true);
  (void)cleaned;
  std::string name = std::string("/tmp/") + prefix + std::to_string(::getpid()) + "-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) fail("mkdtemp " + name + ": " + std::strerror(errno));
  directory_ = name;
  socket_ = directory_ + "/redis.sock";
  try {
    launch();
  } catch (...) {
    process_.kill();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
    throw;
  }
}

RedisServer::~RedisServer() {
  process_.kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::launch() {
  const auto deadline = WaitClock::now() + options_.start_timeout;
  const bool choose_port = options_.tcp && port_ == 0;
  const bool debug_option = options_.debug_command && major_version(program_, directory_) >= 7;
  for (;;) {
    // Nodes of a Cluster talk to each other on a port so much higher.
    const int last_port = options_.cluster ? 65535 - 10000 : 65535;
    do {
      if (choose_port) port_ = free_port();
    } while (port_ > last_port);
    std::ofstream file(directory_ + "/redis.conf");
    if (options_.tls) file << "port 0\ntls-";
    file << "port " << port_ << "\nbind 127.0.0.1\nunixsocket " << socket_ << "\ndir " << directory_
         << "\ndaemonize no\nsave \"\"\nappendonly " << (options_.appendonly ? "yes" : "no")
         << "\nappendfsync " << options_.appendfsync << "\n";
    if (!options_.password.empty()) file << "requirepass \"" << options_.password << "\"\n";
    if (debug_option) file << "enable-debug-command local\n";
    if (options_.cluster) file << "cluster-enabled yes\ncluster-config-file nodes.conf\n";
    for (const std::string& user : options_.users) file << "user " << user << "\n";
    for (const std::string& line : options_.config) file << line << "\n";
    file.close();
    if (!file) fail("cannot write redis.conf");

    ChildOptions child;
    child.arguments = {directory_ + "/redis.conf"};
    child.arguments.insert(child.arguments.end(), options_.arguments.begin(),
                           options_.arguments.end());
    child.environment = options_.environment;
    child.output_file = directory_ + "/server.log";
    const std::size_t log_before = process_.output().size();
    process_ = ChildProcess::start(program_, child);
    bool up = false;
    wait_until(deadline, [&] {
      up = answers();
      return up || !process_.running();
    });
    if (up) return;
    const std::string log = process_.output().substr(log_before);
    const bool in_use = log.find("in use") != std::string::npos;
    if (process_.running()) fail("does not answer; its log:\n" + log);
    if (!in_use || WaitClock::now() >= deadline) fail("does not start; its log:\n" + log);
  }
}

bool RedisServer::answers() const {
  try {
    RedisClient client = RedisClient::unix_socket(socket_);
    if (!options_.password.empty()) client.try_command({"AUTH", options_.password});
    const Value reply = client.try_command({"PING"}, std::chrono::seconds(1));
    // A default user that may not PING, or may not log in, is up all the same.
    return !reply.is_error() || reply.text.starts_with("NOPERM") ||
           reply.text.starts_with("NOAUTH");
  } catch (const std::runtime_error&) {
    return false;  // not listening yet
  }
}

std::string RedisServer::url() const {
  const std::string sign_in = options_.password.empty() ? "" : ":" + options_.password + "@";
  return "unix://" + sign_in + socket_;
}

std::string RedisServer::tcp_url() const {
  if (port_ == 0) fail("tcp_url() needs RedisOptions::tcp");
  const std::string sign_in = options_.password.empty() ? "" : ":" + options_.password + "@";
  return (options_.tls ? "rediss://" : "redis://") + sign_in + "127.0.0.1:" + std::to_string(port_);
}

void RedisServer::stop() {
  process_.resume();
  process_.signal(SIGTERM);
  if (!process_.wait(std::chrono::seconds(20))) {
    process_.kill();
    fail("did not end on SIGTERM");
  }
}

void RedisServer::kill9() { process_.kill(); }

void RedisServer::restart() {
  if (process_.running()) stop();
  launch();
}

void RedisServer::restart_elsewhere() {
  if (process_.running()) stop();
  const int before = std::exchange(port_, 0);
  do {
    port_ = free_port();
  } while (port_ == before || port_ > 65535 - 10000);
  launch();
}

RedisClient RedisServer::connect() const {
  RedisClient client = RedisClient::unix_socket(socket_);
  if (!options_.password.empty()) client.command({"AUTH", options_.password});
  return client;
}

Value RedisServer::command(const std::vector<std::string>& arguments) {
  Value value = try_command(arguments);
  if (value.is_error()) fail(arguments.at(0) + ": " + value.text);
  return value;
}

void RedisServer::commands_go_to(std::function<Value(const std::vector<std::string>&)> whom) {
  whom_ = std::move(whom);
}

Value RedisServer::try_command(const std::vector<std::string>& arguments) {
  if (whom_) return whom_(arguments);
  std::lock_guard lock(client_mutex_);
  // A connection that a restart or a test has cut is found out before the command is sent: sending
  // twice would do a write twice.
  if (client_ && !client_->alive()) client_.reset();
  if (!client_) client_ = std::make_unique<RedisClient>(connect());
  try {
    return client_->try_command(arguments);
  } catch (...) {
    client_.reset();
    throw;
  }
}

}  // namespace mx_rmq::test
