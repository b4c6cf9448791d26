#pragma once

#include <chrono>
#include <cstdint>
#include <mx_rmq/mx_rmq.hpp>
#include <string>

namespace example {

/// True when the topic has so many dead letters; false if it has not in 20 s.
inline mx_rmq::Task<bool> wait_for_dead_letters(mx_rmq::DeadLetterQueue dead, std::string topic,
                                                std::int64_t count) {
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t there = co_await dead.count(topic);
    if (there >= count) co_return true;
    co_await mx_rmq::sleep_for(std::chrono::milliseconds(10));
  }
  co_return false;
}

}  // namespace example
