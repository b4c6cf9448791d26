// A topic's broker and producer on a runtime of their own, for tests on a real server.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/produce/producer.hpp"
#include "broker/topic_broker.hpp"
#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "runtime/scope.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {

using broker::OutgoingEnvelope;
using broker::Produced;
using broker::ProduceOutcome;
using broker::Producer;
using broker::ProducerOptions;
using broker::Resend;
using broker::TopicBroker;
using broker::TopicKeys;
using runtime::TimePoint;

inline OutgoingEnvelope message(std::string id, std::string payload = "{}",
                                MessagePriority priority = MessagePriority::normal) {
  OutgoingEnvelope out;
  out.priority = priority;
  out.id = std::move(id);
  out.ttl = 1h;
  out.payload = std::move(payload);
  return out;
}

inline OutgoingEnvelope chosen(std::string id, std::string payload = "{}") {
  OutgoingEnvelope out = message(std::move(id), std::move(payload));
  out.chosen = true;
  return out;
}

// Which error it is, by name; "" for none.
inline std::string kind(const std::exception_ptr& error) {
  if (error == nullptr) return "";
  try {
    std::rethrow_exception(error);
  } catch (const ServerError& e) {
    return "ServerError " + e.code();
  } catch (const OutcomeUnknown&) {
    return "OutcomeUnknown";
  } catch (const TimeoutError&) {
    return "TimeoutError";
  } catch (const ConnectionError&) {
    return "ConnectionError";
  } catch (const ShutdownError&) {
    return "ShutdownError";
  } catch (const Overloaded&) {
    return "Overloaded";
  } catch (const std::exception& e) {
    return e.what();
  }
}

inline std::string text(const std::exception_ptr& error) {
  if (error == nullptr) return "";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

// A produce that goes on while the test does something else. Its members are set on the loop thread
// and may be read after Rig::wait().
struct Pending {
  ProduceOutcome outcome;
  bool done = false;
  TimePoint ended{};
};

class Rig {
 public:
  explicit Rig(const std::string& url, ProducerOptions options = {}, std::string topic = "t",
               redis::ConnectionOptions connection = {})
      : keys("test", topic), redis_(client_options_of(url, connection)) {
    redis_.on_loop([&] {
      scope_ = std::make_unique<runtime::Scope>(
          loop(), [this](std::exception_ptr error) { escaped_ = std::move(error); });
      broker_ = std::make_unique<TopicBroker>(client().lane(0), keys);
      producer_ = std::make_unique<Producer>(*scope_, broker_->caller(), keys, std::move(options));
    });
  }
  ~Rig() {
    redis_.run([&] { return producer_->close(loop().now()); });
    redis_.run([&] { return client().close(loop().now()); });
    redis_.run([&] { return scope_->join(); });
    redis_.on_loop([&] {
      producer_.reset();
      broker_.reset();
      scope_.reset();
    });
    if (escaped_ != nullptr) std::terminate();
  }

  runtime::EventLoop& loop() { return redis_.loop(); }
  redis::Node& client() { return redis_.client(); }
  RedisLoop& redis() { return redis_; }
  TopicBroker& broker() { return *broker_; }
  Producer& producer() { return *producer_; }
  runtime::Scope& scope() { return *scope_; }
  TimePoint in(std::chrono::milliseconds timeout) { return loop().now() + timeout; }

  template <class Make>
  auto run(Make make) {
    return redis_.run(std::move(make));
  }
  template <class Function>
  void on_loop(Function function) {
    redis_.on_loop(std::move(function));
  }

  // Produces one and waits; throws what the producer throws.
  Produced produce(OutgoingEnvelope envelope, std::chrono::milliseconds timeout = 10s) {
    return run([&] { return produce_it(producer_.get(), std::move(envelope), in(timeout)); });
  }
  std::vector<ProduceOutcome> produce_all(std::vector<OutgoingEnvelope> envelopes,
                                          std::chrono::milliseconds timeout = 10s) {
    return run([&] { return producer_->submit_all(std::move(envelopes), in(timeout)); });
  }
  // Starts one produce each; all are submitted in one turn of the loop.
  std::vector<std::unique_ptr<Pending>> start(std::vector<OutgoingEnvelope> envelopes,
                                              std::vector<std::chrono::milliseconds> timeouts) {
    std::vector<std::unique_ptr<Pending>> out;
    on_loop([&] {
      for (std::size_t i = 0; i < envelopes.size(); ++i) {
        out.push_back(std::make_unique<Pending>());
        start_here(std::move(envelopes[i]), timeouts[i < timeouts.size() ? i : timeouts.size() - 1],
                   out.back().get());
      }
    });
    return out;
  }
  // The same for one, called on the loop thread.
  void start_here(OutgoingEnvelope envelope, std::chrono::milliseconds timeout, Pending* pending) {
    scope_->spawn(produce_one(this, std::move(envelope), in(timeout), pending));
  }
  bool done(const Pending& pending) {
    bool out = false;
    on_loop([&] { out = pending.done; });
    return out;
  }
  void wait(const std::vector<std::unique_ptr<Pending>>& pending) {
    for (const auto& each : pending) {
      while (!done(*each)) std::this_thread::sleep_for(1ms);
    }
  }

  const TopicKeys keys;

 private:
  static redis::ClientOptions client_options_of(const std::string& url,
                                                const redis::ConnectionOptions& connection) {
    redis::ClientOptions options = client_options(url);
    options.scripts = lua::all();
    options.connection = connection;
    return options;
  }
  static Task<Produced> produce_it(Producer* producer, OutgoingEnvelope envelope,
                                   TimePoint deadline) {
    Producer::Submission submission = producer->submit(envelope, deadline);
    co_return co_await submission;
  }
  static Task<> produce_one(Rig* rig, OutgoingEnvelope envelope, TimePoint deadline,
                            Pending* pending) {
    try {
      pending->outcome.result =
          co_await produce_it(rig->producer_.get(), std::move(envelope), deadline);
    } catch (...) {
      pending->outcome.error = std::current_exception();
    }
    pending->ended = rig->loop().now();
    pending->done = true;
  }

  RedisLoop redis_;
  std::exception_ptr escaped_;
  std::unique_ptr<runtime::Scope> scope_;
  std::unique_ptr<TopicBroker> broker_;
  std::unique_ptr<Producer> producer_;
};

// The ids in a list of envelopes, from its head.
inline std::vector<std::string> ids_in(RedisServer& server, const std::string& list) {
  std::vector<std::string> out;
  for (const std::string& envelope : server.command({"LRANGE", list, "0", "-1"}).strings()) {
    const auto view = broker::parse_envelope(envelope);
    out.emplace_back(view ? view->id : "?");
  }
  return out;
}

// How often a command was called, by INFO commandstats.
inline std::int64_t calls_of(RedisServer& server, const std::string& command) {
  const std::string info = server.command({"INFO", "commandstats"}).str();
  const std::string key = "cmdstat_" + command + ":calls=";
  const std::size_t at = info.find(key);
  return at == std::string::npos ? 0 : std::stoll(info.substr(at + key.size()));
}

}  // namespace mx_rmq::test
