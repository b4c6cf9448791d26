// What the programs of the fault tests share: arguments of the form name=value, and randomness that
// a seed repeats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace mx_rmq::faults {

class Arguments {
 public:
  Arguments(int count, char** values) {
    for (int i = 1; i < count; ++i) {
      const std::string each = values[i];
      const std::size_t at = each.find('=');
      if (at == std::string::npos) throw std::invalid_argument("not name=value: " + each);
      values_[each.substr(0, at)] = each.substr(at + 1);
    }
  }
  std::string text(const std::string& name, const std::string& otherwise = {}) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : found->second;
  }
  std::string required(const std::string& name) const {
    if (!values_.contains(name)) throw std::invalid_argument(name + " is missing");
    return values_.at(name);
  }
  std::int64_t number(const std::string& name, std::int64_t otherwise = 0) const {
    return values_.contains(name) ? std::stoll(values_.at(name)) : otherwise;
  }
  double share(const std::string& name) const {
    return values_.contains(name) ? std::stod(values_.at(name)) : 0;
  }
  // "from:to", or one number for both.
  std::pair<std::int64_t, std::int64_t> range(const std::string& name,
                                              std::int64_t otherwise) const {
    const std::string value = text(name, std::to_string(otherwise));
    const std::size_t at = value.find(':');
    if (at == std::string::npos) return {std::stoll(value), std::stoll(value)};
    return {std::stoll(value.substr(0, at)), std::stoll(value.substr(at + 1))};
  }
  std::vector<std::string> list(const std::string& name) const {
    std::vector<std::string> out;
    std::string rest = required(name);
    for (std::size_t at = 0; (at = rest.find(',')) != std::string::npos; rest.erase(0, at + 1))
      out.push_back(rest.substr(0, at));
    out.push_back(rest);
    return out;
  }

 private:
  std::map<std::string, std::string> values_;
};

// The same numbers for the same seed, and for each message its own.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  bool chance(double share) { return static_cast<double>(next() >> 11) * 0x1.0p-53 < share; }
  std::int64_t between(std::int64_t from, std::int64_t to) {
    return from + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(to - from + 1));
  }
  std::int64_t between(std::pair<std::int64_t, std::int64_t> range) {
    return between(range.first, range.second);
  }

 private:
  std::uint64_t state_;
};

// libuv keeps /dev/null open in reserve once a loop has had a stream; that is no leak.
inline std::uint64_t open_files() {
  std::uint64_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    count += std::filesystem::read_symlink(each.path(), error) != "/dev/null" && !error;
  }
  return count;
}

}  // namespace mx_rmq::faults
