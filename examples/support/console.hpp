#pragma once

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <mutex>
#include <mx_rmq/log.hpp>
#include <string>
#include <string_view>

/// What the examples share: words on the terminal, and waiting for a number of things.
namespace example {

/// Colour is for people: a terminal, and nobody has said no.
inline bool colourful() {
  const char* const no = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) != 0 && (no == nullptr || *no == '\0');
}
inline std::string painted(std::string_view code, std::string_view text) {
  if (!colourful()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}
inline std::string bold(std::string_view text) { return painted("1", text); }
inline std::string green(std::string_view text) { return painted("32", text); }
inline std::string red(std::string_view text) { return painted("31", text); }

/// 1234567 as "1,234,567".
inline std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number < 0 ? -number : number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return (number < 0 ? "-" : "") + digits;
}

/// True if the program was asked for help, which is given, or cannot take its arguments.
inline bool only_help(int argc, char** argv, std::string_view text, int most_arguments = 0) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::cout << text;
      std::exit(0);
    }
  }
  if (argc - 1 <= most_arguments && (argc < 2 || argv[1][0] != '-')) return false;
  std::cerr << text;
  std::exit(2);
}

/// Milliseconds since the program began; for timelines.
inline std::int64_t clock_ms() {
  static const auto began = std::chrono::steady_clock::now();
  const auto now = std::chrono::steady_clock::now() - began;
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// A line of a timeline, written as one piece from whichever thread.
inline void say(const std::string& text) {
  static std::mutex mutex;
  const std::string time = std::to_string(clock_ms());
  const std::string pad(time.size() < 6 ? 6 - time.size() : 0, ' ');
  const std::lock_guard lock(mutex);
  std::cout << pad << time << " ms  " << text << std::endl;
}

/// Counts down as things happen, on any thread; main() waits until all have.
class Countdown {
 public:
  explicit Countdown(std::int64_t things) : left_(things) {}

  void count_down() {
    const std::lock_guard lock(mutex_);
    --left_;
    changed_.notify_all();
  }

  /// False: they have not all happened in that time.
  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return left_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t left_;
};

/// Checks of an example: each says what held, and the exit code tells whether all did.
class Checks {
 public:
  void expect(bool held, const std::string& what) {
    std::cout << "  " << (held ? green("ok") : red("NOT")) << "  " << what << '\n';
    if (!held) failed_ = true;
  }
  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  bool failed_ = false;
};

/// Runs the example; whatever escapes is its end. The library's log is kept to
/// errors: the examples say themselves what happens.
template <class Main>
int guarded(Main run) {
  mx_rmq::set_log_level(mx_rmq::LogLevel::error);
  try {
    return run();
  } catch (const std::exception& error) {
    std::cerr << red("error: ") << error.what() << '\n';
    return 1;
  }
}

}  // namespace example
