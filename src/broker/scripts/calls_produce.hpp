#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/data/envelope.hpp"
#include "broker/data/keys.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// Adding messages. Pure.
namespace mx_rmq::broker {

/// A message of a batch, encoded.
struct ProduceItem {
  Level level = Level::normal;
  std::int64_t due = 0;    ///< unix ms; 0 = at once
  std::int64_t until = 0;  ///< 0 = its id was generated
  std::string_view id;
  std::string_view envelope;
};

struct ProduceArgs {
  std::string_view producer_key;      ///< TopicKeys::producer(id)
  std::uint64_t number = 0;           ///< of this batch; rises from batch to batch of one producer
  std::chrono::milliseconds kept{0};  ///< for how long the number is remembered
  std::span<const ProduceItem> items;
};

/// The command, and which item each place of its last group is.
struct ProduceCommand {
  redis::Command command;
  std::vector<std::uint32_t>
      special;  ///< the k-th (from 0) message of the last group is items[special[k]]
};

/// Immediate messages with generated ids travel plain, list by list, unless an immediate one with a chosen
/// id is among them: then all go one by one, in order, so that their order within a level is kept.
[[nodiscard]] ProduceCommand make_produce(const TopicKeys& keys, const ProduceArgs& args);

struct ProduceReply {
  std::int64_t now = 0;
  bool again = false;  ///< this batch was applied before: nothing was changed
  std::vector<std::uint32_t>
      duplicates;  ///< places in the last group, from 0; as they were when it was applied
};
[[nodiscard]] ProduceReply read_produce(redis::Reply&& reply);

}  // namespace mx_rmq::broker
