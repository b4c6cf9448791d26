#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "broker/topic_set.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "queue/topic_ports.hpp"
#include "redis/topology/client.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

/// A queue's way to Redis for everything but consuming: one client, with a port for each topic that
/// is spoken to. Opened by the first use, closed by cleanup(); until the queue is allowed to work
/// again every use ends with ShutdownError. Loop thread only. Loop and configuration must outlive
/// it.
class Access {
 public:
  using MakeClient = std::function<std::shared_ptr<redis::Client>(std::size_t lanes)>;

  Access(runtime::EventLoop& loop, const MQConfig& config, MakeClient make_client);

  /// Lets it be opened (again).
  void allow() noexcept { forbidden_ = false; }
  /// No use begins any more.
  void forbid() noexcept { forbidden_ = true; }
  [[nodiscard]] bool is_forbidden() const noexcept { return forbidden_; }
  /// Makes what is not there yet. ShutdownError if it is forbidden.
  void open();
  /// Ends producing, waits until the topics are noted, ends the connections, and waits for all
  /// uses. Forbidden before.
  Task<> close(runtime::TimePoint deadline);

  /// While one of these lives close() waits. ShutdownError if it is forbidden.
  class Use {
   public:
    explicit Use(Access& access);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Access& access_;
  };

  /// Messages whose produce call is under way, of all topics (of a call in parts: one part);
  /// Overloaded beyond MQConfig::max_pending_produces.
  class Pending {
   public:
    Pending(Access& access, std::size_t messages);
    ~Pending();
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

   private:
    Access& access_;
    const std::size_t messages_;
  };

  /// The topic's port, to be taken and given back within a Use.
  [[nodiscard]] TopicPorts::Use port(const std::string& topic);
  /// Puts the topic into the set of topics, by and by, if that was not done lately.
  void note(const std::string& topic, TopicPort& port);

  [[nodiscard]] const MQConfig& config() const noexcept { return config_; }
  /// Null unless it is open.
  [[nodiscard]] redis::Client* client() const noexcept { return client_.get(); }
  /// A Use with a port.
  class Port {
   public:
    Port(Access& access, const std::string& topic) : use_(access), port_(access.port(topic)) {}
    TopicPort* operator->() const noexcept { return &*port_; }

   private:
    const Use use_;
    const TopicPorts::Use port_;
  };

  // These are for who has a Use.
  [[nodiscard]] TopicPorts& ports() noexcept;
  [[nodiscard]] broker::TopicSet& topic_set() noexcept;
  /// Runs what lives no longer than the connections.
  [[nodiscard]] runtime::Scope& scope() noexcept;

  /// Connections made anew so far.
  [[nodiscard]] std::uint64_t reconnects() const;

 private:
  /// A topic's way into the set of topics; close() waits for it.
  class Noting {
   public:
    explicit Noting(Access& access);
    ~Noting();
    Noting(const Noting&) = delete;
    Noting& operator=(const Noting&) = delete;

   private:
    Access& access_;
  };
  Task<> note_topic(std::string topic);

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  const MakeClient make_client_;
  bool forbidden_ = false;
  std::unique_ptr<runtime::Scope> scope_;
  std::shared_ptr<redis::Client> client_;
  std::unique_ptr<broker::TopicSet> topic_set_;
  std::unique_ptr<TopicPorts> ports_;
  std::uint64_t earlier_reconnects_ = 0;  // of clients that are gone
  std::size_t pending_ = 0;               // see Pending
  std::size_t uses_ = 0;
  runtime::Event unused_;     // set while uses_ is 0
  std::size_t notes_ = 0;     // Notings that live
  runtime::Event all_noted_;  // set while notes_ is 0
};

}  // namespace mx_rmq::queue
