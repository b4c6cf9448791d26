#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker/scripts/script_call.hpp"

/// Taking a message back before it is handled.
namespace mx_rmq::broker {

/// Removes a delayed message.
struct Cancel {
  static constexpr const lua::Script& script = lua::cancel;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view id;
  };
  using Reply = bool;  ///< there was one

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Looks for a message in one page of a ready list, and empties its element.
struct CancelPage {
  static constexpr const lua::Script& script = lua::cancel_page;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    List list = List::normal;
    std::string_view id;
    std::int64_t skip = 0;  ///< elements from the tail to pass over
    int most = 1000;
    std::size_t bytes = 0;  ///< one element is always allowed
  };
  struct Reply {
    bool found = false;     ///< and emptied
    std::int64_t seen = 0;  ///< elements looked at
    bool end = false;       ///< the head of the list was reached
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
