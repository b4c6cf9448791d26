#include "queue/topic_ports.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "broker/data/random_id.hpp"

namespace mx_rmq::queue {

struct TopicPorts::Entry {
  std::string tag;
  std::unique_ptr<TopicPort> port;
  std::size_t uses = 0;
  runtime::TimePoint since{};           // unused
  std::list<Entry*>::iterator place{};  // in unused_, while uses is 0
};

TopicPorts::Use::Use(TopicPorts& ports, Entry& entry) noexcept : ports_(&ports), entry_(&entry) {}

TopicPorts::Use::~Use() {
  if (entry_ != nullptr && --entry_->uses == 0) ports_->released(*entry_);
}

TopicPort& TopicPorts::Use::operator*() const noexcept { return *entry_->port; }

TopicPorts::TopicPorts(redis::Client& client, runtime::Scope& scope, const MQConfig& config,
                       Limits limits)
    : client_(client),
      scope_(scope),
      config_(config),
      limits_(limits),
      producer_id_(broker::random_id(client.rng())) {}

TopicPorts::~TopicPorts() {
  if (timer_) client_.loop().cancel(timer_);
}

TopicPorts::Use TopicPorts::use(const std::string& tag, const std::string& topic, int partition) {
  auto found = entries_.find(tag);
  if (found == entries_.end()) {
    auto made = std::make_unique<Entry>();
    made->tag = tag;
    const broker::TopicKeys keys(config_.queue_prefix, topic, partition);
    made->port = std::make_unique<TopicPort>(client_, scope_, config_, keys, partition,
                                             producer_id_, last_number_);
    found = entries_.emplace(tag, std::move(made)).first;
  } else if (found->second->uses == 0) {
    unused_.erase(found->second->place);
  }
  Entry& entry = *found->second;
  ++entry.uses;
  return Use(*this, entry);
}

void TopicPorts::released(Entry& entry) {
  entry.since = client_.loop().now();
  entry.place = unused_.insert(unused_.end(), &entry);
  trim();
  arm();
}

// False: it has something under way.
bool TopicPorts::erase(Entry& entry) {
  if (!entry.port->producer.idle()) return false;
  last_number_ = std::max(last_number_, entry.port->producer.last_number());
  unused_.erase(entry.place);
  entries_.erase(std::string(entry.tag));
  return true;
}

void TopicPorts::trim() {
  const runtime::TimePoint now = client_.loop().now();
  for (std::size_t left = unused_.size(); left > 0; --left) {
    Entry& oldest = *unused_.front();
    if (unused_.size() <= limits_.unused && oldest.since + limits_.unused_for > now) return;
    if (erase(oldest)) continue;
    oldest.since = now;
    unused_.splice(unused_.end(), unused_, unused_.begin());
  }
}

void TopicPorts::arm() {
  if (timer_ || unused_.empty() || client_.loop().stopping()) return;
  timer_ = client_.loop().call_at(unused_.front()->since + limits_.unused_for, [this] {
    timer_ = {};
    trim();
    arm();
  });
}

void TopicPorts::drop(const std::string& topic) {
  const auto found = entries_.find(topic);
  if (found == entries_.end() || found->second->uses > 0) return;
  erase(*found->second);
}

Task<> TopicPorts::close(runtime::TimePoint deadline) {
  runtime::Scope scope(client_.loop());
  for (const auto& [topic, entry] : entries_) scope.spawn(entry->port->producer.close(deadline));
  co_await scope.join();
}

}  // namespace mx_rmq::queue
