#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

namespace mx_rmq::api {

/// "0190163d-8694-739b-aea5-966c26f8ad91", without an end mark.
using Uuid7Text = std::array<char, 36>;

/// Makes UUIDs of version 7: 48 bits of unix ms, then 74 bits that begin at random in each
/// millisecond and count up within it. So each id is greater than the one before, as text too, also
/// when the clock steps back. Not thread-safe; the seams are for tests.
class Uuid7Generator {
 public:
  /// `now_ms`: the wall clock. `random`: 64 random bits a call.
  Uuid7Generator(std::function<std::int64_t()> now_ms, std::function<std::uint64_t()> random);

  /// The next id; allocates nothing.
  [[nodiscard]] Uuid7Text next();

  /// Makes the next id begin at new random bits: a forked child must not count on from where its
  /// parent does.
  void reseed() noexcept { reseed_ = true; }

 private:
  void seed();

  std::function<std::int64_t()> now_ms_;
  std::function<std::uint64_t()> random_;
  bool reseed_ = true;
  std::int64_t ms_ = 0;
  std::uint64_t high_ = 0;  // 12 bits
  std::uint64_t low_ = 0;   // 62 bits
};

/// The next id of this process: thread-safe, increasing over all threads, different in a forked
/// child. Costs well under a microsecond.
[[nodiscard]] std::string make_uuid7();

/// The same without an allocation, so also for a forked child of which it is not known whether it
/// may allocate: the allocator of the address sanitizer stays locked if another thread was in it.
[[nodiscard]] Uuid7Text make_uuid7_text();

}  // namespace mx_rmq::api
