#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mx_rmq::broker {

/// Where the messages of a topic with several partitions go. Each partition has all the keys of a
/// topic, under a hash tag of its own; partition 0 has those of the topic itself. Everything here
/// is part of the protocol: other programs reckon the same, and it never changes. Pure.

inline constexpr int max_partitions = 1024;

/// The hash tag of a partition: the topic for partition 0, else `<topic>#<partition>.<suffix>`. (A
/// topic has no '#'.)
///
/// The suffix is four characters of 0-9a-v: the first ones, in their order, that put the tag into
/// the slot slot(topic) + 16384 * r(partition), modulo 16384, where r is the partition's number
/// with its bits mirrored at the binary point (1/2, 1/4, 3/4, 1/8 ...). So the first n partitions
/// lie evenly over the slots for each n, and most evenly for a power of two.
[[nodiscard]] std::string partition_tag(std::string_view topic, int partition);

/// Of a key, or of an id that goes without one: FNV-1a of 64 bits, its upper half added to the
/// lower one by exclusive or.
[[nodiscard]] std::uint64_t route_hash(std::string_view bytes) noexcept;

/// Where what has this hash goes, if it goes by so many partitions.
[[nodiscard]] constexpr int partition_of(std::uint64_t hash, int partitions) noexcept {
  return static_cast<int>(hash % static_cast<std::uint64_t>(partitions));
}

/// Notes the partition in a generated id (a UUID of version 7), in the twelve bits behind the
/// version, of which the first is set then: `xxxxxxxx-xxxx-7PPP-...`, PPP being 800 + partition in
/// hexadecimal digits. The bits that make it unique are the others. Any other id stays as it is.
void note_partition(std::string& id, int partition) noexcept;
/// The partition that was noted in an id, if it looks as if one was. A program may choose ids that
/// look like it.
[[nodiscard]] std::optional<int> noted_partition(std::string_view id) noexcept;
/// The unix ms at which an id was generated, by its maker's clock; nothing if it is no UUID of
/// version 7.
[[nodiscard]] std::optional<std::int64_t> noted_time(std::string_view id) noexcept;

}  // namespace mx_rmq::broker
