#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/data/stored_settings.hpp"
#include "broker/scripts/script_call.hpp"

/// What is set for a topic.
namespace mx_rmq::broker {

/// What is set. Changes nothing.
struct Settings {
  static constexpr const lua::Script& script = lua::settings;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {};
  struct Reply {
    std::int64_t now = 0;
    std::string
        unreadable;  ///< the field that cannot be read; empty: all can, and `settings` is set
    StoredSettings settings;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Changes some of it, and leaves the rest. What is so already is not written, so that a copy of a
/// call changes nothing more, unless somebody else has changed the same meanwhile.
struct Configure {
  static constexpr const lua::Script& script = lua::configure;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::optional<std::int64_t> only_version;  ///< nothing is changed if there is another one
    bool touch = false;                        ///< a new version, even if nothing changes
    std::optional<int> partitions;
    std::optional<int> active;
    std::optional<int> ids_active;
    std::optional<std::int64_t> paused_until;  ///< ms of the server's clock; 0 = not paused
  };
  enum class State : std::uint8_t {
    done,
    other,    ///< there is another version: nothing was changed
    refused,  ///< `field` would become less than it is, or more than it may be: nothing was changed
    unreadable  ///< `field` cannot be read: nothing was changed
  };
  struct Reply {
    std::int64_t now = 0;
    State state = State::done;
    std::string field;
    StoredSettings settings;  ///< as they are now
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Makes the settings of a partition a copy of its topic's, unless it has the same or a later
/// version.
struct CopySettings {
  static constexpr const lua::Script& script = lua::copy_settings;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    StoredSettings settings;
  };
  struct Reply {
    std::int64_t now = 0;
    std::int64_t version = 0;  ///< that is there now
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
