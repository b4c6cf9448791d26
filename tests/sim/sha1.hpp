#pragma once

#include <string>
#include <string_view>

namespace mx_rmq::sim {

// In hex, as SCRIPT LOAD answers.
std::string sha1_hex(std::string_view text);

}  // namespace mx_rmq::sim
