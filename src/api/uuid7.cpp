#include "api/uuid7.hpp"

#include <pthread.h>

#include <chrono>
#include <mutex>
#include <random>
#include <string_view>
#include <utility>

namespace mx_rmq::api {
namespace {

constexpr std::uint64_t high_limit = std::uint64_t{1} << 12;
constexpr std::uint64_t low_limit = std::uint64_t{1} << 62;

char* put_hex(char* out, std::uint64_t value, int digits) {
  constexpr std::string_view hex = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) *out++ = hex[(value >> shift) & 0xF];
  return out;
}

std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The process's generator. Never destroyed: a static object's destructor may still produce.
struct Shared {
  std::mutex mutex;
  std::random_device device;
  Uuid7Generator generator{
      wall_clock_ms, [this] { return (std::uint64_t{device()} << 32) | std::uint64_t{device()}; }};

  static Shared& instance() {
    if (made == nullptr) {
      made = new Shared;
      // Held over a fork, so that the child gets an unlocked mutex and whole numbers.
      pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); },
                     [] {
                       made->generator.reseed();
                       made->mutex.unlock();
                     });
    }
    return *made;
  }

  static Shared* made;
};

constinit Shared* Shared::made = nullptr;

// Made while the program is loaded, before there are threads: made at first use, a fork in the
// middle of that would leave the child waiting for ever.
[[maybe_unused]] const Shared& made_at_load = Shared::instance();

}  // namespace

Uuid7Generator::Uuid7Generator(std::function<std::int64_t()> now_ms,
                               std::function<std::uint64_t()> random)
    : now_ms_(std::move(now_ms)), random_(std::move(random)) {}

void Uuid7Generator::seed() {
  // The top bit stays clear, so that there is always room to count up.
  high_ = random_() % (high_limit / 2);
  low_ = random_() % low_limit;
  reseed_ = false;
}

Uuid7Text Uuid7Generator::next() {
  const std::int64_t now = now_ms_();
  if (now > ms_) {
    ms_ = now;
    seed();
  } else if (reseed_) {
    seed();
  } else if (++low_ == low_limit) {
    low_ = 0;
    if (++high_ == high_limit) {  // a later millisecond than it is, rather than an id twice
      ++ms_;
      seed();
    }
  }
  Uuid7Text text;
  char* out = text.data();
  const auto ms = static_cast<std::uint64_t>(ms_);
  out = put_hex(out, ms >> 16, 8);
  *out++ = '-';
  out = put_hex(out, ms & 0xFFFF, 4);
  *out++ = '-';
  out = put_hex(out, 0x7000 | high_, 4);
  *out++ = '-';
  out = put_hex(out, 0x8000 | (low_ >> 48), 4);  // the variant 10, then 14 bits
  *out++ = '-';
  put_hex(out, low_ & 0xFFFFFFFFFFFF, 12);
  return text;
}

std::string make_uuid7() {
  const Uuid7Text text = make_uuid7_text();
  return {text.data(), text.size()};
}

Uuid7Text make_uuid7_text() {
  Shared& shared = Shared::instance();
  const std::scoped_lock lock(shared.mutex);
  return shared.generator.next();
}

}  // namespace mx_rmq::api
