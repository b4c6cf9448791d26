#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "redis/wire/reply.hpp"

namespace mx_rmq::redis {

/// What is refused as a protocol error, before memory is spent on it.
struct ReplyLimits {
  std::size_t max_bulk = std::size_t{512} << 20;    ///< bytes of one string
  std::size_t max_elements = std::size_t{1} << 20;  ///< elements of one reply, all levels together
  std::size_t max_bytes = std::size_t{1} << 30;     ///< bytes of all strings of one reply
  int max_depth = 7;                                ///< arrays in arrays; what hiredis 0.14 allows
};

/// Makes replies out of bytes: hiredis's parser with functions of ours, which build Reply values
/// without a copy in between and refuse what is over the limits before memory is spent on it. RESP2
/// only. Used for one connection; after an error it takes nothing more.
class ReplyReader {
 public:
  enum class Status {
    more,   ///< no whole reply left: feed it
    reply,  ///< `out` is set; ask again
    error   ///< see error(); the stream is beyond use
  };

  explicit ReplyReader(const ReplyLimits& limits);
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  /// Pieces of about 16 KiB with `next` in between are cheapest: hiredis moves what is left to the
  /// front of its buffer again and again.
  void feed(std::string_view bytes);
  [[nodiscard]] Status next(Reply& out);
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  struct Hiredis;

  /// The place of the element that a task builds; nullptr when a limit is passed.
  Reply* place(Reply* parent, Reply value) noexcept;
  Reply* begin_array(Reply* parent, std::size_t count, int depth);
  bool refuse(std::string why) noexcept;
  bool within_limits(std::size_t bytes) noexcept;
  void look_ahead();

  const ReplyLimits limits_;
  std::unique_ptr<Hiredis> hiredis_;
  Reply root_;
  std::size_t elements_ = 0;  // of the reply being built
  std::size_t bytes_ = 0;
  std::string error_;
};

}  // namespace mx_rmq::redis
