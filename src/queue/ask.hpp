#pragma once

#include <cstdint>

#include "broker/scripts/calls_ask.hpp"
#include "mx_rmq/task.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq::queue {

/// What the consumers of a topic have answered, of all its partitions together.
struct Answers {
  Answers() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

  std::int64_t yes = 0;
  std::int64_t no = 0;
  std::int64_t silent = 0;  ///< have not answered
  std::int64_t deaf = 0;    ///< of these: nobody listens
  bool mute = false;        ///< nobody can be asked: publishing is refused
};

/// When enough have answered.
enum class Enough : std::uint8_t { all, one_yes };

/// Asks all who hold messages of the topic, or lately held some, and waits for their answers up to
/// `deadline`; for those that nobody listens for a second at most. A question without a token gets
/// one.
Task<Answers> ask_all(Whole whole, broker::Question question, Enough enough,
                      runtime::TimePoint deadline);

}  // namespace mx_rmq::queue
