#pragma once

#include <chrono>
#include <memory>
#include <mx_rmq/mx_rmq.hpp>
#include <optional>
#include <string>

#include "exit_code.hpp"
#include "output.hpp"

namespace mxrmq {

/// What is said once for all commands.
struct Options {
  std::string url;     ///< empty: REDIS_URL, else redis://localhost:6379
  std::string prefix;  ///< empty: MQ_QUEUE_PREFIX, else the library's
  std::string timeout;
  std::string watch;
  std::string output = "table";
  bool yes = false;
  bool no_input = false;
  bool dry_run = false;
  bool verbose = false;
};

/// One call of the program: its options, and the queue it speaks to, made at first use.
class Session {
 public:
  explicit Session(Options& options) : options_(options) {}

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] Format format() const;
  [[nodiscard]] mx_rmq::RedisMessageQueue& queue();
  [[nodiscard]] mx_rmq::MQConfig config() const;

  /// Whether to go on with what cannot be undone. With --dry-run no, and nothing is asked. With
  /// --yes yes. Else whoever sits at the terminal is asked; if nobody does, throws Refused.
  [[nodiscard]] bool allowed(const std::string& question) const;
  /// As allowed(); who sits at the terminal must type that word.
  [[nodiscard]] bool typed(const std::string& warning, const std::string& word) const;

 private:
  // What is not asked for: whether to go on; nothing: somebody must be asked.
  [[nodiscard]] std::optional<bool> decided(const std::string& question) const;

  Options& options_;
  std::unique_ptr<mx_rmq::RedisMessageQueue> queue_;
};

/// It was not allowed; ends the program with ExitCode::refused.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Calls `command` and tells what went wrong on stderr, in words that say what to do.
[[nodiscard]] ExitCode guarded(const std::function<ExitCode()>& command);

}  // namespace mxrmq
