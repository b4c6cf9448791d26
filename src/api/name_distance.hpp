#pragma once

#include <cstddef>
#include <string_view>

namespace mx_rmq::api {

/// How many characters are to be added, taken away, replaced, or exchanged with their neighbour, to
/// make `b` of `a`. Pure; costs the product of the lengths.
[[nodiscard]] std::size_t name_distance(std::string_view a, std::string_view b);

/// Whether a name is so near to one that is known that it is more likely a slip than another name:
/// up to a quarter of its characters are wrong, and three at most.
[[nodiscard]] bool nearly_the_same(std::string_view name, std::string_view known);

}  // namespace mx_rmq::api
