#include "session.hpp"

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

void complain(const std::string& text) {
  std::cerr << "mxrmq: " << terminal::harmless(text) << '\n';
}

}  // namespace

Format Session::format() const {
  if (options_.output == "json") return Format::json;
  if (options_.output == "jsonl") return Format::jsonl;
  if (options_.output == "tsv") return Format::tsv;
  return Format::table;
}

mx_rmq::MQConfig Session::config() const {
  mx_rmq::MQConfig config = mx_rmq::MQConfig::from_env();
  if (!options_.url.empty()) config.redis_url = options_.url;
  if (!options_.prefix.empty()) config.queue_prefix = options_.prefix;
  if (!options_.timeout.empty()) {
    config.command_timeout = parse_duration("--timeout", options_.timeout);
    config.connect_timeout = config.command_timeout;
  }
  return config;
}

mx_rmq::RedisMessageQueue& Session::queue() {
  if (queue_ == nullptr) {
    mx_rmq::set_log_level(options_.verbose ? mx_rmq::LogLevel::debug : mx_rmq::LogLevel::off);
    queue_ = std::make_unique<mx_rmq::RedisMessageQueue>(config());
    mx_rmq::sync_wait(queue_->initialize());
  }
  return *queue_;
}

std::optional<bool> Session::decided(const std::string& question) const {
  if (options_.dry_run) return false;
  if (options_.yes) return true;
  if (options_.no_input || !terminal::interactive())
    throw Refused(question +
                  " Nobody is here to be asked: say --yes, or --dry-run to see what would be done");
  return std::nullopt;
}

bool Session::allowed(const std::string& question) const {
  const auto known = decided(question);
  return known ? *known : terminal::confirm(question);
}

bool Session::typed(const std::string& warning, const std::string& word) const {
  const auto known = decided(warning);
  return known ? *known : terminal::confirm_by_word(warning, word);
}

ExitCode guarded(const std::function<ExitCode()>& command) {
  try {
    return command();
  } catch (const Refused& error) {
    complain(error.what());
    return ExitCode::refused;
  } catch (const mx_rmq::ConfigError& error) {
    complain(error.what());
    return ExitCode::usage;
  } catch (const std::invalid_argument& error) {
    complain(error.what());
    return ExitCode::usage;
  } catch (const mx_rmq::OutcomeUnknown& error) {
    complain(std::string(error.what()) + " - look before you call it again");
    return ExitCode::unknown;
  } catch (const mx_rmq::Duplicate& error) {
    complain(error.what());
    return ExitCode::refused;
  } catch (const mx_rmq::ServerError& error) {
    complain(std::string("Redis refused: ") + error.what());
    return ExitCode::refused;
  } catch (const mx_rmq::Error& error) {
    complain(error.what());
    return ExitCode::unreachable;
  } catch (const std::exception& error) {
    complain(error.what());
    return ExitCode::usage;
  }
}

}  // namespace mxrmq
