#pragma once

#include <string>

#include "api/config_env.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/errors.hpp"

/// What the tests of the configuration share.
namespace mx_rmq::test {

/// The text of the ConfigError that `action` ends with, or "accepted".
template <class F>
std::string refusal(F action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

/// What reading these variables ends with.
inline std::string env_refusal(const api::Variables& variables) {
  return refusal([&] { (void)api::config_from(variables); });
}

/// What validate() says of the defaults with one change.
template <class F>
std::string changed(F change) {
  MQConfig config;
  change(config);
  return refusal([&] { config.validate(); });
}

}  // namespace mx_rmq::test
