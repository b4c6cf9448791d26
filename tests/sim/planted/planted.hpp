// Which of the bugs that are planted into a copy of the library's sources is awake.
#pragma once

#include <string_view>

namespace mx_rmq::planted {

extern std::string_view awake;

inline bool is(std::string_view name) noexcept { return awake == name; }

}  // namespace mx_rmq::planted
