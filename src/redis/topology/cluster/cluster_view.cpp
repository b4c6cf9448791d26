#include "redis/topology/cluster/cluster_view.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/role.hpp"
#include "redis/topology/lane.hpp"
#include "redis/topology/node.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::redis {

using namespace std::chrono_literals;

namespace {

// A node that has not answered by then is not waited for any longer before the next one is asked
// as well.
constexpr auto next_asked_after = 100ms;
constexpr auto answered_within = 2s;
// So many nodes are asked for one map, at most.
constexpr std::size_t most_asked = 8;

constexpr std::string_view no_cluster_text =
    "this is no node of a Redis Cluster: redis_url must begin with redis:// (or rediss://)";

bool says_no_cluster(std::string_view error_text) noexcept {
  return error_text.find("cluster support disabled") != std::string_view::npos;
}

}  // namespace

/// One question: who is asked, and what came of it.
struct ClusterView::Round {
  explicit Round(runtime::EventLoop& loop) : over(loop), began(loop.now()) {}

  runtime::Event over;  // answered, or nobody is left who could
  const TimePoint began;
  bool answered = false;
  bool no_cluster = false;
  std::size_t under_way = 0;
  std::vector<SlotRange> ranges{};
  std::string error{};
  std::vector<Node*> scouts{};

  /// Nobody is waited for any longer.
  void end(const std::string& why) {
    over.set();
    const std::vector<Node*> all = scouts;
    for (Node* const scout : all) scout->abandon(why);
  }
};

ClusterView::ClusterView(runtime::EventLoop& loop, ClientOptions options, Seams seams)
    : loop_(loop),
      options_(std::move(options)),
      seams_(std::move(seams)),
      times_(RefreshTimes::Options{}, loop.now()),
      known_(loop),
      scope_(loop),
      log_trouble_(10s) {}

ClusterView::~ClusterView() {
  if (timer_) loop_.cancel(timer_);
}

void ClusterView::join(Member& member) {
  members_.push_back(&member);
  arm();
}

void ClusterView::leave(Member& member) noexcept { std::erase(members_, &member); }

// --- what is heard ---

void ClusterView::moved(const Redirect& redirect) {
  times_.want();
  if (map_.moved(redirect, loop_.now())) tell({redirect.slot});
  arm();
}

void ClusterView::want() {
  times_.want();
  arm();
}

void ClusterView::lost() {
  times_.lost(loop_.now());
  arm();
}

void ClusterView::tell(const std::vector<int>& slots) {
  if (slots.empty()) return;
  const std::vector<Member*> members = members_;
  for (Member* const member : members) {
    if (std::ranges::find(members_, member) != members_.end()) member->slots_changed(slots);
  }
}

Task<bool> ClusterView::wait_known(TimePoint deadline) {
  return wait_known_of(shared_from_this(), deadline);
}

Task<bool> ClusterView::wait_known_of(std::shared_ptr<ClusterView> self, TimePoint deadline) {
  if (!self->map_.known()) co_await self->known_.wait_until(deadline);
  co_return self->map_.known();
}

Task<> ClusterView::close() {
  if (members_.empty() && !std::exchange(closed_, true)) {
    if (timer_) loop_.cancel(timer_);
    timer_ = {};
    known_.set();
    if (round_ != nullptr) round_->end("the connections to Redis are closed");
  }
  return scope_.join();
}

// --- asking ---

void ClusterView::arm() {
  const TimePoint due = times_.due();
  if (closed_ || members_.empty() || loop_.stopping() || due == armed_for_) return;
  if (timer_) loop_.cancel(timer_);
  timer_ = {};
  armed_for_ = due;
  if (due == TimePoint::max()) return;
  timer_ = loop_.call_at(due, [this] {
    timer_ = {};
    armed_for_ = TimePoint::max();
    if (members_.empty() || closed_) return;
    times_.asked(loop_.now());
    scope_.spawn(refresh(shared_from_this()));
  });
}

// Those that serve something, in any order, so that the view of none is all that is ever heard;
// then the seeds, which may know others.
std::vector<api::HostPort> ClusterView::candidates() {
  std::vector<api::HostPort> all = map_.masters();
  for (std::size_t i = all.size(); i > 1; --i) {
    std::swap(all[i - 1], all[seams_.rng->next() % i]);
  }
  if (all.size() > most_asked / 2) all.resize(most_asked / 2);
  std::vector<api::HostPort> seeds = options_.endpoint.hosts;
  if (seeds.empty()) seeds.push_back({options_.endpoint.host, options_.endpoint.port});
  // Another one first each time: so many may be named that some are never asked.
  if (!map_.known() || all.empty()) {
    std::ranges::rotate(
        seeds, seeds.begin() + static_cast<std::ptrdiff_t>(seams_.rng->next() % seeds.size()));
  }
  for (api::HostPort& seed : seeds) {
    if (std::ranges::find(all, seed) == all.end()) all.push_back(std::move(seed));
  }
  if (all.size() > most_asked) all.resize(most_asked);
  return all;
}

ClientOptions ClusterView::options_for(const api::HostPort& node) const {
  ClientOptions options = options_;
  const api::HostPort seen = options_.address_map(node);
  options.endpoint.host = seen.host;
  options.endpoint.port = seen.port;
  options.endpoint.db = 0;
  options.endpoint.hosts.clear();
  options.pool_size = 1;
  options.scripts = {};
  options.watch = nullptr;
  options.peer = Peer::any;
  options.connection.one_attempt = true;
  return options;
}

Task<> ClusterView::refresh(std::shared_ptr<ClusterView> self) {
  runtime::EventLoop& loop = self->loop_;
  const auto round = std::make_shared<Round>(loop);
  self->round_ = round;
  const TimePoint deadline = round->began + answered_within;
  std::vector<api::HostPort> nodes = self->candidates();
  try {
    for (api::HostPort& node : nodes) {
      ++round->under_way;
      round->over.reset();
      self->scope_.spawn(ask(self, round, std::move(node)));
      co_await round->over.wait_until(std::min(deadline, loop.now() + next_asked_after));
      if (round->answered || self->closed_) break;
    }
    while (!round->answered && round->under_way > 0 && !self->closed_ && loop.now() < deadline) {
      round->over.reset();
      co_await round->over.wait_until(deadline);
    }
  } catch (const ShutdownError&) {
    self->round_ = nullptr;
    co_return;  // the loop ends
  }
  self->round_ = nullptr;
  round->end("another node has answered");
  self->take(*round);
  self->arm();
}

Task<> ClusterView::ask(std::shared_ptr<ClusterView> self, std::shared_ptr<Round> round,
                        api::HostPort node) {
  runtime::EventLoop& loop = self->loop_;
  const auto scout = std::make_unique<Node>(loop, self->options_for(node), self->seams_);
  round->scouts.push_back(scout.get());
  CallEnd end;
  try {
    Command command = Command::of("CLUSTER", "SLOTS");
    const Reply reply =
        co_await scout->lane(0).send(std::move(command), round->began + answered_within);
    if (reply.is_error()) {
      round->no_cluster = says_no_cluster(reply.error_text());
      throw refusal("CLUSTER SLOTS", reply.error_text());
    }
    std::vector<SlotRange> ranges = read_cluster_slots(reply, node);
    if (!round->answered) round->ranges = std::move(ranges);
    round->answered = true;
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered() && !round->answered) round->error = node.text() + ": " + end.what();
  std::erase(round->scouts, scout.get());
  --round->under_way;
  round->over.set();
  co_await scout->close(loop.now());
}

void ClusterView::take(Round& round) {
  const TimePoint now = loop_.now();
  if (!round.answered) {
    times_.failed(now, seams_.rng->next());
    trouble_ = round.error.empty() ? "no node of the Cluster answered in time" : round.error;
    no_cluster_ = round.no_cluster && !map_.known();
    if (no_cluster_) trouble_ = std::string(no_cluster_text);
    runtime::log::warn(log_trouble_, "no node of the Cluster tells which serves what", "why",
                       trouble_);
    return;
  }
  times_.answered(now, seams_.rng->next());
  trouble_.clear();
  no_cluster_ = false;
  const bool modern = std::ranges::all_of(round.ranges, &SlotRange::by_redis_7);
  channels_ = modern ? ChannelKind::sharded : ChannelKind::plain;
  const std::vector<int> changed = map_.apply(round.ranges, round.began);
  known_.set();
  tell(changed);
  // Whoever takes its place tells nobody.
  for (const Member* const member : members_) {
    if (member->misses_a_node()) times_.lost(now);
  }
}

}  // namespace mx_rmq::redis
