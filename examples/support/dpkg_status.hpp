#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// The Debian package database: /var/lib/dpkg/status, or any file in its format (the Packages files
/// of a Debian archive, too).
namespace example {

struct Package {
  std::string name;
  std::string section;
  std::int64_t installed_kib = 0;
};

struct SectionSum {
  std::int64_t packages = 0;
  std::int64_t installed_kib = 0;
  friend bool operator==(const SectionSum&, const SectionSum&) = default;
};
using SectionSums = std::map<std::string, SectionSum>;

inline constexpr std::string_view no_section = "(none)";

inline std::int64_t kib_from(std::string_view text) {
  return text.empty() ? 0 : std::stoll(std::string(text));
}

/// The packages that are installed. A paragraph without a Status line, as archives have them,
/// counts.
inline std::vector<Package> read_status_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<Package> packages;
  Package package;
  bool installed = true;
  const auto end_paragraph = [&] {
    if (package.section.empty()) package.section = no_section;
    if (!package.name.empty() && installed) packages.push_back(std::move(package));
    package = Package();
    installed = true;
  };
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) {
      end_paragraph();
      continue;
    }
    const std::size_t colon = line.find(':');
    if (line.front() == ' ' || line.front() == '\t' || colon == std::string::npos) continue;
    const std::string_view key = std::string_view(line).substr(0, colon);
    std::string_view value = std::string_view(line).substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\r')) value.remove_suffix(1);
    if (key == "Package") package.name = value;
    if (key == "Section") package.section = value;
    if (key == "Installed-Size") package.installed_kib = kib_from(value);
    // "install ok installed": wanted, flag, state. Not "config-files", "half-installed" ...
    if (key == "Status") installed = value.substr(value.rfind(' ') + 1) == "installed";
  }
  end_paragraph();
  return packages;
}

/// The same sums as dpkg-query makes them out of its database; nothing where there is no
/// dpkg-query.
inline std::optional<SectionSums> ask_dpkg_query() {
  std::FILE* const pipe = ::popen(
      "dpkg-query -W -f='${db:Status-Status}\\t${Section}\\t${Installed-Size}\\n' 2>/dev/null",
      "r");
  if (pipe == nullptr) return std::nullopt;
  std::string text;
  char buffer[65536];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    text.append(buffer, n);
  if (::pclose(pipe) != 0) return std::nullopt;
  SectionSums sums;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end == std::string::npos ? text.size() : end + 1;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    if (second == std::string_view::npos || line.substr(0, first) != "installed") continue;
    const std::string_view section = line.substr(first + 1, second - first - 1);
    SectionSum& sum = sums[std::string(section.empty() ? no_section : section)];
    ++sum.packages;
    sum.installed_kib += kib_from(line.substr(second + 1));
  }
  return sums;
}

}  // namespace example
