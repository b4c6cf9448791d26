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

  // Where in the topic it goes; for a topic with one partition nothing of it is said.
  bool keyed = false;       ///< it has a key
  std::uint64_t route = 0;  ///< the hash of its key, or of a chosen id without one
  /// It was routed by the settings of this version: with others nothing is stored, and it ends as
  /// Produced::stale. None: it may be stored whatever is set.
  std::optional<std::int64_t> must;
  /// If there is no connection to where it goes, and it was surely not sent, it ends as
  /// Produced::moved: it can go elsewhere.
  bool may_move = false;
};

}  // namespace mx_rmq::broker
