#include "api/name_distance.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace mx_rmq::api {

std::size_t name_distance(std::string_view a, std::string_view b) {
  // Rows of the usual table: for the beginning of `a` before the last character, up to it, and now.
  std::vector<std::size_t> earlier, above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      const bool exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (exchanged) row[j] = std::min(row[j], earlier[j - 2] + 1);
    }
    earlier = std::exchange(above, row);
  }
  return above[b.size()];
}

bool nearly_the_same(std::string_view name, std::string_view known) {
  constexpr std::size_t most = 3;
  const std::size_t allowed = std::clamp<std::size_t>(known.size() / 4, 1, most);
  if (name.size() > known.size() + allowed || known.size() > name.size() + allowed) return false;
  return name_distance(name, known) <= allowed;
}

}  // namespace mx_rmq::api
