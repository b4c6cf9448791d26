#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/dead_letter_store.hpp"
#include "mx_rmq/task.hpp"
#include "queue/whole_topic.hpp"

/// The dead letters of all partitions of a topic as one list. Loop thread only.
namespace mx_rmq::queue {

/// A page, the newest first. Where partitions are several, what comes before the page is looked at
/// too, though only when it died.
Task<std::vector<broker::DeadLetterRecord>> list_dead_letters(std::shared_ptr<WholeTopic> whole,
                                                              std::int64_t offset,
                                                              std::int64_t count);
/// Whether the one with that id is in this partition; then `*record` is it. What is passed by
/// pointer outlives the task.
Task<bool> find_dead_letter(WholeTopic::Part* part, std::string id,
                            std::optional<broker::DeadLetterRecord>* record);

/// How a page of several lists is made up, all of them in falling order: of list i it has those
/// from from[i] to end[i] (not included). Told of them piece by piece. Pure.
class MergedPage {
 public:
  MergedPage(std::size_t lists, std::int64_t offset, std::int64_t count);

  /// Goes on as far as what is known of the lists allows. The list of which more must be known;
  /// nothing: the page is made up.
  [[nodiscard]] std::optional<std::size_t> wants();
  /// The next numbers of a list; none: it has ended.
  void add(std::size_t list, const std::vector<std::int64_t>& numbers);

  /// So many numbers of a list are known.
  [[nodiscard]] std::int64_t known(std::size_t list) const;
  [[nodiscard]] std::int64_t from(std::size_t list) const { return lists_[list].from; }
  [[nodiscard]] std::int64_t end(std::size_t list) const { return lists_[list].at; }
  /// The order of the page's elements: of which list each is the next.
  [[nodiscard]] const std::vector<std::size_t>& order() const noexcept { return order_; }

 private:
  struct List {
    std::vector<std::int64_t> numbers;
    bool ended = false;
    std::int64_t from = 0;
    std::int64_t at = 0;
  };

  std::vector<List> lists_;
  std::vector<std::size_t> order_;
  std::int64_t skip_;
  std::int64_t left_;
};

}  // namespace mx_rmq::queue
