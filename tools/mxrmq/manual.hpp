#pragma once

#include <string>

#include "command_tree.hpp"

namespace mxrmq {

/// The manual page mxrmq(1), in roff. `footer` is what `--help` ends with.
[[nodiscard]] std::string manual_page(const CommandHelp& program, const std::string& footer,
                                      const std::string& version);

}  // namespace mxrmq
