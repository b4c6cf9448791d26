#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// The dead letters.
namespace mx_rmq::broker {

/// One as it is stored.
struct StoredDeadLetter {
  std::string member;
  std::int64_t dead_at = 0;
  std::string value;  ///< the line, a newline, the envelope byte for byte
};

/// A page, the newest first. A page that does not come may be more than Redis sends at once, so the
/// same is not asked for again.
struct DlqList {
  static constexpr const lua::Script& script = lua::dlq_list;
  static constexpr Resend resend = Resend::if_not_executed;

  struct Args {
    std::int64_t offset = 0;
    int most = 100;
    std::size_t bytes = 0;  ///< one message is always allowed
  };
  struct Reply {
    std::int64_t seen = 0;  ///< members looked at; 0 = the end
    std::vector<StoredDeadLetter> letters;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// One.
struct DlqGet {
  static constexpr const lua::Script& script = lua::dlq_get;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view member;
  };
  using Reply = std::optional<StoredDeadLetter>;  ///< without `member`: it is not told

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Removes some.
struct DlqRemove {
  static constexpr const lua::Script& script = lua::dlq_remove;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::span<const std::string_view> members;
  };
  using Reply = std::int64_t;  ///< how many there were

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// One bounded step over all that was dead before a moment. The moment is the `now` of the first
/// step's reply.
struct DlqStep {
  struct Args {
    std::int64_t before = 0;  ///< ms; 0 = this is the first step
    std::int64_t pass = 0;    ///< unreadable ones to pass over (RequeueAll only)
    int most = 1000;
    std::size_t bytes = 0;  ///< one message is always allowed
  };
  struct Reply {
    std::int64_t now = 0;
    std::int64_t done = 0;
    std::int64_t passed = 0;  ///< unreadable ones passed over in this step (RequeueAll only)
    bool more = false;
  };
};

/// Removes all.
struct DlqPurge : DlqStep {
  static constexpr const lua::Script& script = lua::dlq_purge;
  static constexpr Resend resend = Resend::until_deadline;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Makes all ready again, as new.
struct RequeueAll : DlqStep {
  static constexpr const lua::Script& script = lua::requeue_all;
  static constexpr Resend resend = Resend::until_deadline;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Makes one ready again, as new.
struct Requeue {
  static constexpr const lua::Script& script = lua::requeue;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view member;
  };
  enum class State : std::uint8_t {
    done,
    none,       ///< no such dead letter
    unreadable  ///< no envelope: it stays where it is
  };
  struct Reply {
    std::int64_t now = 0;
    State state = State::none;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
