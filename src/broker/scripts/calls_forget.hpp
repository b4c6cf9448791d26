#pragma once

#include <cstdint>
#include <string>

#include "broker/data/keys.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// Removing a topic that is empty. Pure.
namespace mx_rmq::broker {

struct ForgetResult {
  enum class State : std::uint8_t {
    gone,
    used,  ///< a message waits, is delayed or dead, or a living consumer may hold some: nothing was changed
    lapsed  ///< only consumers whose lease ran out are in the way: nothing was changed
  };
  std::int64_t now = 0;
  State state = State::used;
  std::string consumer;  ///< lapsed: one to be reaped
};

[[nodiscard]] redis::Command make_forget(const TopicKeys& keys);
[[nodiscard]] ForgetResult read_forget(redis::Reply&& reply);

}  // namespace mx_rmq::broker
