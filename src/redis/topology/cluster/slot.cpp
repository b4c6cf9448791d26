#include "redis/topology/cluster/slot.hpp"

#include <array>

namespace mx_rmq::redis {

namespace {

// CRC-16/XMODEM, as the specification of Redis Cluster has it.
constexpr std::uint16_t polynomial = 0x1021;

constexpr std::array<std::uint16_t, 256> make_crc_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < table.size(); ++i) {
    std::uint16_t crc = static_cast<std::uint16_t>(i << 8U);
    for (int bit = 0; bit < 8; ++bit) {
      const bool high = (crc & 0x8000U) != 0;
      crc = static_cast<std::uint16_t>(crc << 1U);
      if (high) crc = static_cast<std::uint16_t>(crc ^ polynomial);
    }
    table[i] = crc;
  }
  return table;
}

constexpr std::array<std::uint16_t, 256> crc_table = make_crc_table();

std::uint16_t crc_with(std::uint16_t crc, char next) noexcept {
  const auto index = static_cast<std::uint8_t>((crc >> 8U) ^ static_cast<std::uint8_t>(next));
  return static_cast<std::uint16_t>((crc << 8U) ^ crc_table[index]);
}

std::uint16_t crc16(std::string_view bytes) noexcept {
  std::uint16_t crc = 0;
  for (const char c : bytes) crc = crc_with(crc, c);
  return crc;
}

}  // namespace

int slot_of(std::string_view key) noexcept {
  if (const std::size_t open = key.find('{'); open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return crc16(key) % slot_count;
}

SlotPrefix::SlotPrefix(std::string_view tag) noexcept : crc_(crc16(tag)) {}

SlotPrefix SlotPrefix::then(char next) const noexcept { return SlotPrefix(crc_with(crc_, next)); }

}  // namespace mx_rmq::redis
