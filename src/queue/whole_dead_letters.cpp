#include "queue/whole_dead_letters.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>

#include "runtime/scope.hpp"

namespace mx_rmq::queue {

using broker::DeadLetterRecord;

namespace {

// Times of a partition's dead letters that are asked for at once.
constexpr std::int64_t times_at_once = 500;

Task<> list_some(WholeTopic::Part* part, std::int64_t from, std::int64_t count,
                 std::vector<DeadLetterRecord>* records, std::exception_ptr* error) {
  try {
    *records = co_await part->dead_letters.list(from, count);
  } catch (...) {
    *error = std::current_exception();
  }
}

}  // namespace

MergedPage::MergedPage(std::size_t lists, std::int64_t offset, std::int64_t count)
    : lists_(lists), skip_(offset), left_(count) {}

std::optional<std::size_t> MergedPage::wants() {
  while (left_ > 0) {
    std::optional<std::size_t> next;
    std::int64_t highest = 0;
    for (std::size_t i = 0; i < lists_.size(); ++i) {
      const List& list = lists_[i];
      const auto at = static_cast<std::size_t>(list.at);
      if (at == list.numbers.size()) {
        if (!list.ended) return i;
        continue;
      }
      if (!next || list.numbers[at] > highest) {
        next = i;
        highest = list.numbers[at];
      }
    }
    if (!next) return std::nullopt;
    List& list = lists_[*next];
    ++list.at;
    if (skip_ > 0) {
      --skip_;
      list.from = list.at;
    } else {
      --left_;
      order_.push_back(*next);
    }
  }
  return std::nullopt;
}

void MergedPage::add(std::size_t list, const std::vector<std::int64_t>& numbers) {
  assert(!lists_[list].ended && "nothing follows the end");
  auto& known = lists_[list].numbers;
  known.insert(known.end(), numbers.begin(), numbers.end());
  lists_[list].ended = numbers.empty();
}

std::int64_t MergedPage::known(std::size_t list) const {
  return static_cast<std::int64_t>(lists_[list].numbers.size());
}

Task<std::vector<DeadLetterRecord>> list_dead_letters(std::shared_ptr<WholeTopic> whole,
                                                      std::int64_t offset, std::int64_t count) {
  if (whole->size() == 1) {
    auto records = co_await whole->part(0).dead_letters.list(offset, count);
    co_return std::move(records);
  }
  MergedPage page(whole->size(), offset, count);
  // At first of all of them at once, then of the one that has run out.
  const std::int64_t some_of_all = std::min(offset, times_at_once) + std::min(count, times_at_once);
  const std::int64_t first = some_of_all / static_cast<std::int64_t>(whole->size()) + 1;
  WholeTopic::Call<std::vector<std::int64_t>> ask = [first](WholeTopic::Part& part) {
    return part.dead_letters.times(0, first);
  };
  auto ends = co_await WholeTopic::everywhere<std::vector<std::int64_t>>(whole, std::move(ask));
  if (ends.error) std::rethrow_exception(ends.error);
  for (std::size_t i = 0; i < whole->size(); ++i) page.add(i, *ends.results[i]);
  while (const auto list = page.wants()) {
    const auto times =
        co_await whole->part(*list).dead_letters.times(page.known(*list), times_at_once);
    page.add(*list, times);
  }
  std::vector<std::vector<DeadLetterRecord>> found(whole->size());
  std::vector<std::exception_ptr> errors(whole->size());
  runtime::Scope scope(whole->part(0).broker.loop());
  for (std::size_t i = 0; i < whole->size(); ++i) {
    const std::int64_t some = page.end(i) - page.from(i);
    if (some == 0) continue;
    scope.spawn(list_some(&whole->part(i), page.from(i), some, &found[i], &errors[i]));
  }
  co_await scope.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  std::vector<DeadLetterRecord> records;
  std::vector<std::size_t> taken(whole->size());
  for (const std::size_t list : page.order()) {
    // Some may have gone since their times were asked for.
    if (taken[list] == found[list].size()) continue;
    records.push_back(std::move(found[list][taken[list]++]));
  }
  co_return std::move(records);
}

Task<bool> find_dead_letter(WholeTopic::Part* part, std::string id,
                            std::optional<DeadLetterRecord>* record) {
  auto found = co_await part->dead_letters.get(std::move(id));
  if (!found) co_return false;
  *record = std::move(found);
  co_return true;
}

}  // namespace mx_rmq::queue
