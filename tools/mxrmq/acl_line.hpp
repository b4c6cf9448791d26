#pragma once

#include <string>

namespace mxrmq {

/// The line of docs/operations.md, for that user and prefix; the password is to be put in.
[[nodiscard]] std::string acl_line(const std::string& user, const std::string& prefix);

}  // namespace mxrmq
