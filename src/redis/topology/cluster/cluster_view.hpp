#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/options.hpp"
#include "redis/connection/seams.hpp"
#include "redis/topology/cluster/refresh_times.hpp"
#include "redis/topology/cluster/slot_map.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::redis {

/// What the clients of one queue know of a Cluster: its map, kept by asking its nodes, over
/// connections that last no longer than the question. Any node will do: those that the map names,
/// and what the URL named. Loop thread only.
class ClusterView final : public std::enable_shared_from_this<ClusterView> {
 public:
  /// A client that is told of changes, from the ready list.
  class Member {
   public:
    /// These slots have another master than before, or none.
    virtual void slots_changed(const std::vector<int>& slots) = 0;
    /// It cannot reach a node that it needs.
    [[nodiscard]] virtual bool misses_a_node() const = 0;

   protected:
    ~Member() = default;
  };

  /// `options` name the seeds and who we are there.
  ClusterView(runtime::EventLoop& loop, ClientOptions options, Seams seams);
  ~ClusterView();
  ClusterView(const ClusterView&) = delete;
  ClusterView& operator=(const ClusterView&) = delete;

  /// Begins to ask with the first one.
  void join(Member& member);
  void leave(Member& member) noexcept;

  [[nodiscard]] const SlotMap& map() const noexcept { return map_; }
  /// Whether the nodes know sharded channels, as far as is known.
  [[nodiscard]] ChannelKind channels() const noexcept { return channels_; }
  /// A node said MOVED: counts at once, and the map is asked for soon.
  void moved(const Redirect& redirect);
  /// The map may have changed; a node that it names is away.
  void want();
  void lost();
  /// False: there was no map by then.
  Task<bool> wait_known(TimePoint deadline);

  /// Why there is no map, or the last question went unanswered; empty once it was answered.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }
  /// What is there is no Cluster.
  [[nodiscard]] bool is_no_cluster() const noexcept { return no_cluster_; }

  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// What waits ends, and nobody is asked any more once no member is left.
  Task<> close();

 private:
  struct Round;

  [[nodiscard]] std::vector<api::HostPort> candidates();
  [[nodiscard]] ClientOptions options_for(const api::HostPort& node) const;
  void tell(const std::vector<int>& slots);
  void arm();
  static Task<> refresh(std::shared_ptr<ClusterView> self);
  static Task<> ask(std::shared_ptr<ClusterView> self, std::shared_ptr<Round> round,
                    api::HostPort node);
  static Task<bool> wait_known_of(std::shared_ptr<ClusterView> self, TimePoint deadline);
  void take(Round& round);

  runtime::EventLoop& loop_;
  const ClientOptions options_;
  const Seams seams_;
  SlotMap map_;
  RefreshTimes times_;
  std::vector<Member*> members_;
  std::string trouble_ = "no node has been asked yet";
  ChannelKind channels_ = ChannelKind::sharded;
  bool no_cluster_ = false;
  bool closed_ = false;
  runtime::Event known_;          // set once there is a map, and when it is closed
  std::shared_ptr<Round> round_;  // the question under way
  runtime::TimerId timer_;
  TimePoint armed_for_ = TimePoint::max();
  runtime::Scope scope_;
  runtime::log::Every log_trouble_;
};

}  // namespace mx_rmq::redis
