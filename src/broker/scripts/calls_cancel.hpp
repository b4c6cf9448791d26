#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/data/keys.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// Taking a message back before it is handled. Pure.
namespace mx_rmq::broker {

/// Removes a delayed message; the reply: whether there was one.
[[nodiscard]] redis::Command make_cancel(const TopicKeys& keys, std::string_view id);
[[nodiscard]] bool read_cancel(redis::Reply&& reply);

struct CancelPageArgs {
  List list = List::normal;
  std::string_view id;
  std::int64_t skip = 0;  ///< elements from the tail to pass over
  int most = 1000;
  std::size_t bytes = 0;  ///< one element is always allowed
};
struct CancelPageResult {
  bool found = false;     ///< and emptied
  std::int64_t seen = 0;  ///< elements looked at
  bool end = false;       ///< the head of the list was reached
};
[[nodiscard]] redis::Command make_cancel_page(const TopicKeys& keys, const CancelPageArgs& args);
[[nodiscard]] CancelPageResult read_cancel_page(redis::Reply&& reply);

}  // namespace mx_rmq::broker
