#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// Looking at messages where they lie.
namespace mx_rmq::broker {

/// Which messages are told, and how much of them.
struct Wanted {
  enum class What : std::uint8_t { all, id, payload, headers, error };

  What what = What::all;
  /// The id; or what is looked for, as it is stored, in several spellings: one must be there.
  std::vector<std::string> texts;
  std::size_t payload_bytes = 0;  ///< most bytes of each payload
};

/// A message where it lies, its payload perhaps cut.
struct Looked {
  std::int64_t place = 0;  ///< in a list: how many elements are before it
  std::string member;      ///< of delayed and dead ones; of held ones the tag
  std::int64_t score = 0;  ///< of delayed ones when they are due, of dead ones when they died
  std::size_t size = 0;    ///< bytes of the whole envelope
  std::string line;        ///< what stands before the envelope of a dead letter
  std::string envelope;    ///< parse_envelope may refuse it
};

/// How far a call of these may go.
struct LookBounds {
  std::int64_t skip = 0;  ///< to be passed over
  int most = 0;           ///< to be looked at
  std::size_t bytes = 0;  ///< one message is always allowed
  int room = 0;           ///< most that are told
};

/// At a page of a ready list.
struct LookList {
  static constexpr const lua::Script& script = lua::look_list;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    List list = List::normal;
    bool from_tail = false;
    LookBounds bounds;
    const Wanted* wanted = nullptr;
  };
  struct Reply {
    std::int64_t length = 0;  ///< of the list
    std::int64_t seen = 0;    ///< elements looked at
    std::vector<Looked> found;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// At a page of the delayed messages or of the dead letters.
struct LookIndex {
  static constexpr const lua::Script& script = lua::look_index;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    bool dead = false;
    bool latest_first = false;
    LookBounds bounds;
    const Wanted* wanted = nullptr;
  };
  struct Reply {
    std::int64_t count = 0;  ///< how many there are
    std::int64_t seen = 0;
    std::vector<Looked> found;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// At messages that a consumer holds.
struct LookHeld {
  static constexpr const lua::Script& script = lua::look_held;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view consumer;
    std::size_t bytes = 0;
    int room = 0;
    const Wanted* wanted = nullptr;
    std::span<const std::string> tags;
  };
  struct Reply {
    std::optional<std::int64_t> lease_until;  ///< nothing: it has no lease
    std::int64_t seen = 0;
    std::vector<Looked> found;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
