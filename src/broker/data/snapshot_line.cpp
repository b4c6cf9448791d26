#include "broker/data/snapshot_line.hpp"

#include <charconv>

namespace mx_rmq::broker {
namespace {

// Takes a number off the front, and the blank behind it.
bool take_number(std::string_view& line, std::int64_t& out) noexcept {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), out);
  if (error != std::errc{} || out < 0) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  if (line.empty()) return true;
  if (line.front() != ' ') return false;
  line.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<SnapshotLine> parse_snapshot(std::string_view line) noexcept {
  SnapshotLine out;
  if (!take_number(line, out.at)) return std::nullopt;
  for (std::int64_t& each : out.counters)
    if (!take_number(line, each)) return std::nullopt;
  for (std::int64_t* const each :
       {&out.waiting, &out.delayed, &out.dead_letters, &out.consumers, &out.oldest})
    if (!take_number(line, *each)) return std::nullopt;
  return out;
}

}  // namespace mx_rmq::broker
