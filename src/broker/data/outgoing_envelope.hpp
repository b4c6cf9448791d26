#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "broker/data/envelope.hpp"

namespace mx_rmq::broker {

/// A message on its way to Redis. Checked by whoever makes it: this layer only moves it.
struct OutgoingEnvelope {
  OutgoingEnvelope() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

  MessagePriority priority = MessagePriority::normal;
  std::chrono::milliseconds delay{0};  ///< until it is due, from the moment it joins a batch
  std::optional<std::int64_t> at;      ///< due at this unix ms instead; past: at once
  std::chrono::milliseconds ttl{0};    ///< from the time it is due
  std::string id;
  bool chosen = false;            ///< the user chose the id: it is compared with those in use
  bool refuse_duplicate = false;  ///< its submitter takes a duplicate for an error
  std::string payload;            ///< JSON
  std::string headers;            ///< JSON in one line, or empty
};

}  // namespace mx_rmq::broker
