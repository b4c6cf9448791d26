#include "broker/data/partitions.hpp"

#include <cassert>

#include "redis/topology/cluster/slot.hpp"

namespace mx_rmq::broker {

namespace {

constexpr std::string_view letters = "0123456789abcdefghijklmnopqrstuv";
constexpr std::string_view hex = "0123456789abcdef";
// Of the text of a UUID: its version, and the three digits behind that.
constexpr std::size_t uuid_size = 36;
constexpr std::size_t version_at = 14;

// The number's bits mirrored at the binary point, in slots.
int mirrored(int partition) {
  int slots = 0;
  for (int half = redis::slot_count / 2; partition > 0; partition /= 2, half /= 2) {
    if (partition % 2 != 0) slots += half;
  }
  return slots;
}

std::optional<int> digit(char c) {
  const std::size_t at = hex.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<int>(at);
}

bool is_uuid7(std::string_view id) {
  if (id.size() != uuid_size || id[version_at] != '7') return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? id[i] != '-' : !digit(id[i])) return false;
  }
  return true;
}

}  // namespace

std::string partition_tag(std::string_view topic, int partition) {
  assert(partition >= 0 && partition < max_partitions && "a topic has so many partitions");
  std::string tag(topic);
  if (partition == 0) return tag;
  const int wanted = (redis::slot_of(topic) + mirrored(partition)) % redis::slot_count;
  tag += '#';
  tag += std::to_string(partition);
  tag += '.';
  const redis::SlotPrefix before(tag);
  for (const char a : letters) {
    const redis::SlotPrefix with_a = before.then(a);
    for (const char b : letters) {
      const redis::SlotPrefix with_b = with_a.then(b);
      for (const char c : letters) {
        const redis::SlotPrefix with_c = with_b.then(c);
        for (const char d : letters) {
          if (with_c.then(d).slot() != wanted) continue;
          for (const char each : {a, b, c, d}) tag += each;
          return tag;
        }
      }
    }
  }
  assert(false && "four such characters reach every slot");
  return tag;
}

std::uint64_t route_hash(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100000001b3U;
  }
  return hash ^ (hash >> 32U);
}

void note_partition(std::string& id, int partition) noexcept {
  if (!is_uuid7(id)) return;
  const auto bits = 0x800U | static_cast<unsigned>(partition);
  for (std::size_t i = 1; i <= 3; ++i) id[version_at + i] = hex[(bits >> (4 * (3 - i))) & 15U];
}

std::optional<std::int64_t> noted_time(std::string_view id) noexcept {
  if (!is_uuid7(id)) return std::nullopt;
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < version_at - 1; ++i) {
    if (id[i] != '-') ms = ms * 16 + *digit(id[i]);
  }
  return ms;
}

std::optional<int> noted_partition(std::string_view id) noexcept {
  if (!is_uuid7(id)) return std::nullopt;
  int bits = 0;
  for (std::size_t i = 1; i <= 3; ++i) bits = bits * 16 + *digit(id[version_at + i]);
  if (bits < 0x800 || bits - 0x800 >= max_partitions) return std::nullopt;
  return bits - 0x800;
}

}  // namespace mx_rmq::broker
