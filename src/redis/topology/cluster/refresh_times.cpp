#include "redis/topology/cluster/refresh_times.hpp"

#include <algorithm>
#include <cassert>

namespace mx_rmq::redis {

RefreshTimes::RefreshTimes(Options options, TimePoint now)
    : options_(options),
      retries_(options.retry_first, options.retry_last),
      asked_at_(now - options.least),
      not_before_(now),
      now_and_then_(now) {}

TimePoint RefreshTimes::due() const noexcept {
  if (asking_) return TimePoint::max();
  TimePoint due = std::max(now_and_then_, asked_at_ + options_.least);
  if (wanted_) due = asked_at_ + options_.least;
  if (lost_) {
    const bool long_lost = asked_at_ - *lost_since_ > options_.lost_for;
    due = std::min(due, asked_at_ + (long_lost ? options_.least : options_.while_lost));
  }
  return std::max(due, not_before_);
}

void RefreshTimes::lost(TimePoint now) noexcept {
  lost_ = true;
  if (!lost_since_) lost_since_ = now;
}

void RefreshTimes::asked(TimePoint now) noexcept {
  assert(!asking_ && "one question at a time");
  asking_ = true;
  wanted_ = false;
  if (!lost_) lost_since_.reset();
  lost_ = false;
  asked_at_ = now;
}

void RefreshTimes::answered(TimePoint now, std::uint64_t random) noexcept {
  assert(asking_ && "an answer to a question");
  asking_ = false;
  retries_.reset();
  const auto span = static_cast<std::uint64_t>(options_.every.count()) + 1;
  now_and_then_ =
      now + options_.every + std::chrono::milliseconds(static_cast<std::int64_t>(random % span));
}

void RefreshTimes::failed(TimePoint now, std::uint64_t random) noexcept {
  assert(asking_ && "a question that nobody answered");
  asking_ = false;
  not_before_ = now + retries_.next(random);
  now_and_then_ = not_before_;
  lost(now);
}

}  // namespace mx_rmq::redis
