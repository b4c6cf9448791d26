#include "link.hpp"

#include <algorithm>
#include <utility>

#include "node.hpp"
#include "simulation.hpp"

namespace mx_rmq::sim {

// --- one direction ---

void Pipe::send(std::string bytes, TimePoint at, bool end) {
  if (dropped_) return;
  at = std::max(at, not_before_);
  if (!segments_.empty()) at = std::max(at, segments_.back().at);
  segments_.push_back({at, std::move(bytes), end});
  if (segments_.size() == 1) arm();
}

void Pipe::hold(TimePoint until) {
  not_before_ = std::max(not_before_, until);
  for (Segment& each : segments_) each.at = std::max(each.at, not_before_);
  if (!segments_.empty()) arm();
}

void Pipe::drop() {
  segments_.clear();
  dropped_ = true;
}

void Pipe::arm() {
  scheduler_.at(segments_.front().at, [this, weak = owner_, mine = ++arming_] {
    const auto owner = weak.lock();
    if (owner && mine == arming_) deliver();
  });
}

void Pipe::deliver() {
  while (!segments_.empty() && segments_.front().at <= scheduler_.now()) {
    const Segment segment = std::move(segments_.front());
    segments_.pop_front();
    arrived_(segment.bytes, segment.end);
  }
  if (!segments_.empty()) arm();
}

// --- both ---

std::shared_ptr<Link> Link::make(Simulation& world, Node& node, redis::TransportEvents& events) {
  auto link = std::make_shared<Link>(world, node, world.next_link(), events);
  const std::weak_ptr<Link> weak = link;
  Link* const self = link.get();
  link->up_.emplace(world.scheduler(), weak, [self](const std::string& bytes, bool end) {
    Server& server = self->world_.server();
    if (end) {
      server.drop(*self);
    } else {
      server.feed(self->shared_from_this(), bytes);
    }
  });
  link->down_.emplace(world.scheduler(), weak, [self](const std::string& bytes, bool end) {
    if (end) return self->lose("closed by the server");
    self->tell([bytes](redis::TransportEvents& events) { events.on_bytes(bytes); });
  });
  world.add_link(link);
  return link;
}

Link::Link(Simulation& world, Node& node, std::uint64_t id, redis::TransportEvents& events)
    : world_(world), node_(node), id_(id), events_(&events) {}

// In the node's own time, on its loop.
void Link::tell(std::function<void(redis::TransportEvents&)> what) {
  node_.post([self = shared_from_this(), what = std::move(what)] {
    if (self->events_ != nullptr) what(*self->events_);
  });
}

void Link::lose(std::string why) {
  tell([self = this, why = std::move(why)](redis::TransportEvents& events) {
    self->events_ = nullptr;
    events.on_lost(why);
  });
}

void Link::connect() {
  const Duration there = world_.latency();
  if (!node_.alive()) return lose("the process is dead");
  world_.scheduler().after(there, [self = shared_from_this()] {
    if (self->silent_ || self->node_.cut_off()) return;
    if (!self->world_.server().accepts() || self->world_.refuses()) {
      self->broken_ = true;
      return self->lose("connection refused");
    }
    self->accepted_ = true;
    self->world_.server().accept(self);
    self->world_.scheduler().after(self->world_.latency(), [self] {
      self->tell([](redis::TransportEvents& events) { events.on_connected(); });
    });
  });
}

std::size_t Link::write(std::span<const redis::SharedBytes> buffers, std::size_t skip) {
  std::string bytes;
  for (const redis::SharedBytes& each : buffers) bytes += each.view();
  bytes.erase(0, skip);
  const std::size_t offered = bytes.size();
  if (!node_.may_write()) return offered;  // it dies before this leaves
  Random& random = world_.random();
  if (world_.plan().slices && random.chance(10) && offered > 1) {
    bytes.resize(1 + random.below(offered - 1));
  }
  const std::size_t taken = bytes.size();
  TimePoint at = world_.scheduler().now();
  if (!silent_ && !broken_) {
    // A connection may break at any byte.
    const auto broken_at = world_.break_write(*this, taken);
    if (broken_at) bytes.resize(*broken_at);
    if (world_.plan().slices && bytes.size() > 1 && random.chance(20)) {
      const std::size_t half = 1 + random.below(bytes.size() - 1);
      at += world_.latency();
      up_->send(bytes.substr(0, half), at);
      bytes.erase(0, half);
    }
    at += world_.latency();
    up_->send(std::move(bytes), at);
    if (broken_at) cut(world_.some_delay(), world_.lateness());
  }
  if (taken < offered) {
    world_.scheduler().after(world_.latency(), [self = shared_from_this()] {
      self->tell([](redis::TransportEvents& events) { events.on_writable(); });
    });
  }
  return taken;
}

void Link::close() {
  if (events_ == nullptr && broken_) return;
  events_ = nullptr;
  if (std::exchange(broken_, true)) return;
  down_->drop();
  if (accepted_ && !silent_) up_->send({}, world_.scheduler().now() + world_.latency(), true);
}

void Link::reply(std::string bytes) {
  if (silent_ || broken_) return;
  TimePoint at = world_.scheduler().now();
  Random& random = world_.random();
  const auto broken_at = world_.break_reply(*this, bytes.size());
  if (broken_at) bytes.resize(*broken_at);
  if (world_.plan().slices && bytes.size() > 1 && random.chance(20)) {
    const std::size_t half = 1 + random.below(bytes.size() - 1);
    at += world_.latency();
    down_->send(bytes.substr(0, half), at);
    bytes.erase(0, half);
  }
  down_->send(std::move(bytes), at + world_.latency());
  if (broken_at) {
    // The bytes before the break arrive, then the end.
    broken_ = true;
    down_->send({}, at + world_.latency(), true);
    up_->drop();
    drop_at_server();
  }
}

// Not inside what the server is doing.
void Link::drop_at_server() {
  if (!accepted_) return;
  world_.scheduler().after(Duration(0),
                           [self = shared_from_this()] { self->world_.server().drop(*self); });
}

void Link::cut(Duration told, std::optional<Duration> late) {
  if (std::exchange(broken_, true)) return;
  down_->drop();
  if (late && accepted_) {
    up_->send({}, world_.scheduler().now(), true);
    up_->hold(world_.scheduler().now() + *late);
    world_.expect(world_.scheduler().now() + *late);
    world_.books().saw("late");
  } else {
    up_->drop();
    drop_at_server();
  }
  world_.scheduler().after(told, [self = shared_from_this()] { self->lose("reset by peer"); });
}

void Link::silence() {
  silent_ = true;
  up_->drop();
  down_->drop();
  // The server keeps its end until its own keepalive gives it up.
  world_.scheduler().after(world_.some_delay() * 20,
                           [self = shared_from_this()] { self->drop_at_server(); });
}

void Link::die() {
  if (!std::exchange(broken_, true)) {
    down_->drop();
    if (accepted_ && !silent_) {
      up_->send({}, world_.scheduler().now() + world_.latency(), true);
      if (const auto late = world_.lateness()) {
        up_->hold(world_.scheduler().now() + *late);
        world_.expect(world_.scheduler().now() + *late);
      }
    }
  }
  lose("the process is dead");
}

void Link::hold(TimePoint until) {
  world_.expect(until);
  up_->hold(until);
  down_->hold(until);
}

}  // namespace mx_rmq::sim
