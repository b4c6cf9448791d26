#include "queue/whole_dead_letters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mx_rmq::queue {
namespace {

using Numbers = std::vector<std::int64_t>;

// The page by a MergedPage that is told of `step` numbers at a time.
Numbers page_of(const std::vector<Numbers>& lists, std::int64_t offset, std::int64_t count,
                std::size_t step) {
  MergedPage page(lists.size(), offset, count);
  while (const auto list = page.wants()) {
    const Numbers& all = lists[*list];
    const auto known = static_cast<std::size_t>(page.known(*list));
    const std::size_t end = std::min(all.size(), known + step);
    page.add(*list, Numbers(all.begin() + static_cast<std::ptrdiff_t>(known),
                            all.begin() + static_cast<std::ptrdiff_t>(end)));
  }
  Numbers out;
  std::vector<std::int64_t> at;
  for (std::size_t i = 0; i < lists.size(); ++i) at.push_back(page.from(i));
  for (const std::size_t list : page.order())
    out.push_back(lists[list][static_cast<std::size_t>(at[list]++)]);
  for (std::size_t i = 0; i < lists.size(); ++i) EXPECT_EQ(at[i], page.end(i));
  return out;
}

TEST(MergedPage, IsWhatOneListOfAllWouldHave) {
  const std::vector<Numbers> lists{{90, 70, 70, 10}, {}, {95, 80, 60, 50, 40, 30}, {70}};
  Numbers all;
  for (const Numbers& list : lists) all.insert(all.end(), list.begin(), list.end());
  std::ranges::sort(all, std::greater<>());
  for (std::int64_t offset = 0; offset <= 13; ++offset) {
    for (std::int64_t count = 0; count <= 13; ++count) {
      const auto begin = all.begin() + std::min<std::ptrdiff_t>(offset, std::ssize(all));
      const auto end = begin + std::min<std::ptrdiff_t>(count, all.end() - begin);
      for (const std::size_t step : {1U, 2U, 100U})
        EXPECT_EQ(page_of(lists, offset, count, step), Numbers(begin, end))
            << offset << ' ' << count << ' ' << step;
    }
  }
}

TEST(MergedPage, AsksForNoMoreThanThePageNeeds) {
  MergedPage page(2, 0, 2);
  ASSERT_EQ(page.wants(), 0U);
  page.add(0, {9, 8, 7});
  ASSERT_EQ(page.wants(), 1U) << "its first may be higher";
  page.add(1, {1});
  EXPECT_FALSE(page.wants());
  EXPECT_EQ(page.end(0), 2);
  EXPECT_EQ(page.end(1), 0);
}

}  // namespace
}  // namespace mx_rmq::queue
