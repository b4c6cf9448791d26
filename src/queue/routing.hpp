#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace mx_rmq::queue {

/// To which partition a topic's next messages go that have neither a key nor a chosen id. Stays
/// with one as long as its batches fill, so that messages travel together as in a topic with one
/// partition; then goes on to the next that has nothing to do, and away from what cannot be
/// reached. Pure. Loop thread only.
class Routing {
 public:
  explicit Routing(std::string topic) : topic_(std::move(topic)) {}

  /// What is known here of a partition.
  struct Look {
    bool ready = false;         // there is a connection to it
    std::size_t waiting = 0;    // messages that have not joined a batch
    std::size_t under_way = 0;  // in batches that are not answered

    [[nodiscard]] bool idle() const noexcept { return ready && waiting + under_way == 0; }
  };

  /// One of the first `active` (1 or more) for `messages` that go together.
  [[nodiscard]] int pick(int active, std::size_t messages,
                         const std::function<Look(int partition)>& look);

  /// The hash tag of a partition, reckoned once.
  [[nodiscard]] const std::string& tag(int partition);

  /// So many are worth a change: a full batch.
  static constexpr std::size_t most_in_a_row = 256;

 private:
  const std::string topic_;
  std::vector<std::string> tags_;  // by partition; empty: not reckoned yet
  int current_ = 0;
  std::size_t taken_ = most_in_a_row;  // in a row, by the current one
};

}  // namespace mx_rmq::queue
