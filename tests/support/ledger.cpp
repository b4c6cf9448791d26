#include "support/ledger.hpp"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace mx_rmq::test {
namespace {

std::uint16_t check_of(const Record& record) {
  const std::string_view bytes(reinterpret_cast<const char*>(&record), offsetof(Record, check));
  const std::uint32_t sum = crc32(bytes);
  return static_cast<std::uint16_t>(sum ^ (sum >> 16));
}

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0);
    table[i] = value;
  }
  return table;
}

}  // namespace

std::uint32_t crc32(std::string_view bytes) {
  static constexpr auto table = crc_table();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = table[(crc ^ static_cast<unsigned char>(byte)) & 255] ^ (crc >> 8);
  return ~crc;
}

std::uint64_t hash64(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  return hash;
}

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

Ledger::Ledger(const std::string& path)
    : file_(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)) {
  if (file_ < 0) throw std::runtime_error("ledger: cannot open " + path);
}

Ledger::~Ledger() { ::close(file_); }

void Ledger::write(Record record) const {
  if (record.at == 0) record.at = monotonic_ns();
  if (record.pid == 0) record.pid = static_cast<std::uint32_t>(::getpid());
  record.check = check_of(record);
  if (::write(file_, &record, sizeof record) != sizeof record) {
    std::perror("ledger");
    std::abort();
  }
}

std::vector<Record> read_ledger(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("ledger: cannot read " + path);
  const auto whole = std::filesystem::file_size(path) / sizeof(Record);
  std::vector<Record> records(whole);
  file.read(reinterpret_cast<char*>(records.data()),
            static_cast<std::streamsize>(whole * sizeof(Record)));
  if (static_cast<std::size_t>(file.gcount()) != whole * sizeof(Record))
    throw std::runtime_error("ledger: " + path + " has shrunk");
  for (const Record& each : records)
    if (each.check != check_of(each)) throw std::runtime_error("ledger: " + path + " is damaged");
  return records;
}

std::vector<Record> read_ledgers(const std::string& directory) {
  std::vector<Record> all;
  for (const auto& each : std::filesystem::directory_iterator(directory)) {
    if (each.path().extension() != ".ledger") continue;
    const auto records = read_ledger(each.path());
    all.insert(all.end(), records.begin(), records.end());
  }
  std::ranges::stable_sort(all, {}, &Record::at);
  return all;
}

}  // namespace mx_rmq::test
