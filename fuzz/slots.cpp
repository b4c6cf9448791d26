// What nodes of a Redis Cluster tell: replies to CLUSTER SLOTS, and MOVED and ASK, put into one
// map in the order in which they come.
//
// Input: replies in RESP.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "redis/topology/cluster/cluster_slots.hpp"
#include "redis/topology/cluster/slot_map.hpp"
#include "redis/wire/protocol_error.hpp"
#include "redis/wire/reply_reader.hpp"

using namespace mx_rmq;
using fuzz::require;
using redis::Reply;
using redis::SlotMap;

namespace {

const api::HostPort asked{"asked.example", 6379};
// So far apart that no MOVED stands in the way of the next map.
constexpr auto step = std::chrono::seconds(10);

void require_address(const std::optional<api::HostPort>& node) {
  if (!node) return;
  require(!node->host.empty() && node->host.find(' ') == std::string::npos, "a host is a word");
  require(node->port > 0 && node->port <= 65535, "a port is one");
}

void take_error(SlotMap& map, const std::string& text, redis::TimePoint now) {
  const auto redirect = redis::read_redirect(text, asked);
  if (!redirect) return;
  require(redirect->slot >= 0 && redirect->slot < redis::slot_count, "a slot is one");
  require_address(redirect->to);
  if (redirect->ask) return;
  map.moved(*redirect, now);
  if (!redirect->to) return;
  const api::HostPort* const master = map.master(redirect->slot);
  require(master != nullptr && *master == *redirect->to, "MOVED counts at once");
}

void take_map(SlotMap& map, const Reply& reply, redis::TimePoint now) {
  std::vector<redis::SlotRange> ranges;
  try {
    ranges = redis::read_cluster_slots(reply, asked);
  } catch (const redis::ProtocolError& error) {
    require(std::string_view(error.what()).size() > 0, "a refusal says why");
    return;
  }
  map.apply(ranges, now);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const redis::SlotRange& range = ranges[i];
    require(range.first >= 0 && range.first <= range.last && range.last < redis::slot_count,
            "a range is one of slots");
    require_address(range.master);
    // A later range may name the same slots, and one without an address names none.
    const bool last_word = std::none_of(
        ranges.begin() + static_cast<std::ptrdiff_t>(i) + 1, ranges.end(), [&](const auto& later) {
          return later.master && later.first <= range.first && range.first <= later.last;
        });
    if (!range.master || !last_word) continue;
    const api::HostPort* const master = map.master(range.first);
    require(master != nullptr && *master == *range.master, "the map says what it was told");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  redis::ReplyReader reader(redis::ReplyLimits{});
  reader.feed(input.rest());
  SlotMap map;
  redis::TimePoint now{std::chrono::hours(1)};
  Reply reply;
  while (reader.next(reply) == redis::ReplyReader::Status::reply) {
    now += step;
    if (reply.is_error()) {
      take_error(map, reply.error_text(), now);
    } else {
      take_map(map, reply, now);
    }
  }
  const std::vector<api::HostPort> masters = map.masters();
  int served = 0;
  for (int slot = 0; slot < redis::slot_count; ++slot) {
    const api::HostPort* const master = map.master(slot);
    if (master == nullptr) continue;
    ++served;
    require(std::ranges::count(masters, *master) == 1, "who serves a slot is a master, once");
  }
  require(served + map.holes() == redis::slot_count, "a slot is served, or a hole");
  return 0;
}
