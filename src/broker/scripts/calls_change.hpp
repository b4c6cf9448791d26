#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// Changing messages that no consumer holds. Each call may come twice.
namespace mx_rmq::broker {

/// Makes delayed messages ready.
struct Promote {
  static constexpr const lua::Script& script = lua::promote;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::span<const std::string> ids;
  };
  struct Reply {
    std::int64_t now = 0;
    std::vector<bool> done;  ///< of each id
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Changes when a delayed message is due, or its priority.
struct Reschedule {
  static constexpr const lua::Script& script = lua::reschedule;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view id;
    std::optional<std::int64_t> due;
    std::optional<MessagePriority> priority;
  };
  struct Reply {
    std::int64_t now = 0;
    bool done = false;  ///< false: no delayed message has that id
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Moves a message that waits to the tail of another list, or to the delayed ones.
struct Displace {
  static constexpr const lua::Script& script = lua::displace;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    List list = List::normal;  ///< it is in this one
    std::string_view id;
    std::int64_t skip = 0;  ///< elements from the head to pass over
    int most = 0;           ///< to be looked at
    std::size_t bytes = 0;  ///< one element is always allowed
    std::optional<std::int64_t> due;
    MessagePriority priority = MessagePriority::normal;  ///< without `due`
  };
  struct Reply {
    std::int64_t now = 0;
    bool done = false;  ///< false: it is not there
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// What a step of purging is told: how far it may go.
struct PurgeStep {
  std::int64_t by = 0;    ///< only what was produced by this ms; 0: by now
  std::int64_t skip = 0;  ///< what earlier steps left
  int most = 0;
  std::size_t bytes = 0;  ///< one message is always allowed

  struct Reply {
    std::int64_t now = 0;
    std::int64_t gone = 0;
    std::int64_t left = 0;  ///< to be passed over by the next step
    bool more = false;      ///< there may be more
  };
};

/// A step of throwing away what waits in a list.
struct PurgeList {
  static constexpr const lua::Script& script = lua::purge_list;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    List list = List::normal;
    PurgeStep step;
  };
  using Reply = PurgeStep::Reply;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// A step of throwing away delayed messages.
struct PurgeDelayed {
  static constexpr const lua::Script& script = lua::purge_delayed;
  static constexpr Resend resend = Resend::until_deadline;

  using Args = PurgeStep;
  using Reply = PurgeStep::Reply;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
