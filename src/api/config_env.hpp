#pragma once

#include <map>
#include <string>

#include "mx_rmq/config.hpp"

namespace mx_rmq::api {

/// Environment variables by name.
using Variables = std::map<std::string, std::string>;

/// What from_env() does, with the environment handed in. Variables of others are ignored; those
/// that are nearly one of ours are logged.
[[nodiscard]] MQConfig config_from(const Variables& variables);

}  // namespace mx_rmq::api
