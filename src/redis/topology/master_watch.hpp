#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/host_port.hpp"
#include "mx_rmq/task.hpp"
#include "redis/connection/options.hpp"
#include "redis/connection/role_watch.hpp"
#include "redis/connection/seams.hpp"
#include "redis/topology/master_choice.hpp"
#include "redis/topology/subscription.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::redis {

class Connection;
class Node;

/// Knows where the master is that Sentinels watch, for all clients of a queue. It asks the
/// Sentinels whenever a connection is to be made, and looks by itself whether they name another
/// one: then everything that leads elsewhere is dropped at once, because an old master goes on
/// taking writes that will be forgotten.
///
/// What a Sentinel says is not believed against a server that works before the new one has said,
/// by its role, that it is a master; a Sentinel may lag behind, or be wrong. The other way round,
/// the role of a replica tells who its master is, which is tried when Sentinels do not know yet.
/// If no Sentinel answers, the last master that was known stays the one.
///
/// Loop thread only. Whoever uses it enters, and leaves before it is destroyed, except when the
/// loop has ended.
class MasterWatch {
 public:
  /// Where the master is, or why that is not known.
  struct Answer {
    std::optional<api::HostPort> master;
    std::string why;
    bool hopeless = false;  ///< the Sentinels answer, and know no master of that name
  };
  using Found = std::function<void(const Answer& answer)>;

  /// `options` with the URL's endpoint. `seams` lead to any host.
  MasterWatch(runtime::EventLoop& loop, ClientOptions options, Seams seams,
              std::shared_ptr<RoleWatch> connections);
  ~MasterWatch();
  MasterWatch(const MasterWatch&) = delete;
  MasterWatch& operator=(const MasterWatch&) = delete;

  void enter() noexcept { ++users_; }
  /// The last one ends what it does.
  Task<> leave();
  [[nodiscard]] bool stopped() const noexcept { return stopping_; }

  /// Asks, and calls back from the ready list or later.
  void find(Found done);
  /// Looks soon whether another one is named now.
  void look();
  /// What is wrong with the Sentinels; empty if one answers as it should.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }
  /// How often the master was another one.
  [[nodiscard]] std::uint64_t switches() const noexcept { return switches_; }

 private:
  struct Sentinel;
  struct Heard;
  enum class Proof : std::uint8_t { master, no_master, no_answer };

  void begin(Task<> task);
  static Task<> until_shutdown(Task<> task);
  Task<> watch();
  Task<> look_round();
  Task<> ask_all();
  Task<bool> ask_each(MasterChoice* choice, std::vector<Sentinel*>* asked,
                      runtime::Duration within);
  Task<Heard> ask(Sentinel* sentinel, runtime::TimePoint deadline);
  Task<> consider(SentinelWord word, Sentinel* by);
  Task<> follow(api::HostPort hint, std::string from);
  Task<Proof> prove(api::HostPort where);

  void replica_found(const Address& where, const std::string& its_master);
  void switch_to(const api::HostPort& where, std::string_view by);
  void learn(const std::vector<api::HostPort>& others);
  void listen();
  void listen_to(Sentinel& sentinel);
  [[nodiscard]] bool hears() const noexcept;
  void put_first(const Sentinel* sentinel);
  void put_last(const Sentinel* sentinel);
  [[nodiscard]] std::string with_hint(std::string text) const;
  void set_trouble(bool any_word);
  [[nodiscard]] Answer answer() const;
  void tell();
  [[nodiscard]] runtime::Duration interval() const;
  [[nodiscard]] std::unique_ptr<Node> node_at(const api::HostPort& where, Peer peer) const;

  runtime::EventLoop& loop_;
  const ClientOptions options_;
  const Seams seams_;
  const std::shared_ptr<RoleWatch> connections_;
  std::vector<std::unique_ptr<Sentinel>> sentinels_;  // in the order to ask
  std::vector<Found> waiting_;
  std::size_t users_ = 0;
  bool begun_ = false;
  bool asking_ = false;
  bool again_ = false;  // something was heard while it asked
  bool following_ = false;
  bool stopping_ = false;

  std::optional<api::HostPort> master_;
  std::uint64_t known_epoch_ = 0;
  std::optional<api::HostPort> disproved_;  // the last that said it is no master
  std::uint64_t switches_ = 0;
  bool hopeless_ = false;
  std::string trouble_;

  runtime::Event wake_;
  runtime::Event asked_;  // set while nobody asks
  runtime::log::Every log_trouble_;
  runtime::log::Every log_disproved_;
  runtime::Scope scope_;
};

}  // namespace mx_rmq::redis
