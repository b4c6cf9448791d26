#include "runtime/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/text.hpp"

namespace mx_rmq::runtime::log {

std::atomic<LogLevel> current_level{LogLevel::info};

namespace {

constexpr const char* logger_name = "mx_rmq";

std::atomic<std::uint64_t> lost{0};

/// Set while this thread is inside a user's sink, so that a sink that makes the library log does
/// not recurse. Read and written in plain functions only, never across a co_await.
thread_local bool inside_sink = false;

struct InsideSink {
  InsideSink() noexcept { inside_sink = true; }
  ~InsideSink() { inside_sink = false; }
  InsideSink(const InsideSink&) = delete;
  InsideSink& operator=(const InsideSink&) = delete;
};

spdlog::level::level_enum to_spdlog(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      break;
  }
  return spdlog::level::off;
}

/// Where lines go. Never destroyed, so that destructors of static objects may still log.
class Output {
 public:
  static Output& instance() {
    static Output* output = new Output;  // reachable for ever: not a leak
    return *output;
  }

  void set_sink(LogSink sink) {
    auto next = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
    const std::scoped_lock lock(mutex_);
    sink_.swap(next);
  }  // the previous sink is destroyed here, after the lock is released

  void write(LogLevel level, std::string_view line) {
    std::shared_ptr<spdlog::logger> logger;
    {
      const std::scoped_lock lock(mutex_);
      // Keeps the sink alive while it runs, should it replace itself.
      if (const std::shared_ptr<const LogSink> sink = sink_) {
        const InsideSink guard;
        (*sink)(level, line);
        return;
      }
      logger = find_logger();
    }
    logger->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  /// Destroyed before spdlog's registry, which its constructor makes sure is older: what is logged
  /// by static objects that end later must not look into it any more.
  class Registry {
   public:
    explicit Registry(Output& output) : output_(output) { (void)spdlog::get(logger_name); }
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    ~Registry() {
      const std::scoped_lock lock(output_.mutex_);
      output_.registry_gone_ = true;
    }

   private:
    Output& output_;
  };

  /// Looked for at each line: the program may register its logger, or drop it, at any time.
  std::shared_ptr<spdlog::logger> find_logger() {
    if (!registry_gone_) {
      static const Registry registry(*this);
      programs_ = spdlog::get(logger_name);
    }
    if (programs_) return programs_;
    if (!own_) {
      own_ = std::make_shared<spdlog::logger>(
          logger_name, std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
      own_->set_level(spdlog::level::trace);  // current_level decides
    }
    return own_;
  }

  // Recursive: a sink may call set_log_sink.
  std::recursive_mutex mutex_;
  std::shared_ptr<const LogSink> sink_;
  std::shared_ptr<spdlog::logger> programs_;  // the one last found in the registry
  std::shared_ptr<spdlog::logger> own_;
  bool registry_gone_ = false;
};

template <class T>
void append_number(std::string& line, T value) {
  char buffer[64];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  line.append(buffer, error == std::errc{} ? end : buffer);
}

void append_pair(std::string& line, std::string_view key, const Value& value) {
  line += ' ';
  line += key;
  line += '=';
  value.append_to(line);
}

}  // namespace

void Value::append_to(std::string& line) const {
  switch (kind_) {
    case Kind::text:
      text::append_value(line, text_);
      break;
    case Kind::boolean:
      line += u_.b ? "true" : "false";
      break;
    case Kind::signed_number:
      append_number(line, u_.i);
      break;
    case Kind::unsigned_number:
      append_number(line, u_.u);
      break;
    case Kind::real:
      append_number(line, u_.d);
      break;
    case Kind::milliseconds:
      append_number(line, u_.d);
      line += "ms";
      break;
  }
}

void write(LogLevel level, std::string_view sentence, std::span<const Field> fields,
           std::uint64_t suppressed) noexcept {
  if (inside_sink) return;
  try {
    std::string line;
    line.reserve(160);
    text::append_escaped(line, sentence);
    for (const Field& field : fields) append_pair(line, field.key, field.value);
    if (suppressed > 0) append_pair(line, "suppressed", Value(suppressed));
    Output::instance().write(level, line);
  } catch (...) {
    // A line that cannot be written must not become the failure of what it tells about; it is
    // counted.
    lost.fetch_add(1, std::memory_order_relaxed);
  }
}

std::uint64_t lost_lines() noexcept { return lost.load(std::memory_order_relaxed); }

bool Every::allow_at(Clock::time_point now) noexcept {
  const std::int64_t ticks =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  std::int64_t last = last_.load(std::memory_order_relaxed);
  const bool due = last == never || ticks - last >= interval_.count();
  // Of several threads at the same moment one wins.
  if (due && last_.compare_exchange_strong(last, ticks, std::memory_order_relaxed)) return true;
  suppressed_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

}  // namespace mx_rmq::runtime::log

namespace mx_rmq {

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::trace:
      return "trace";
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
    case LogLevel::off:
      break;
  }
  return "off";
}

void set_log_level(LogLevel level) noexcept {
  runtime::log::current_level.store(level, std::memory_order_relaxed);
}

LogLevel log_level() noexcept {
  return runtime::log::current_level.load(std::memory_order_relaxed);
}

void set_log_sink(LogSink sink) { runtime::log::Output::instance().set_sink(std::move(sink)); }

void silence_log() noexcept { set_log_level(LogLevel::off); }

}  // namespace mx_rmq
