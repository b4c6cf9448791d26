#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "broker/data/keys.hpp"
#include "broker/data/tag.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/connection/channel_kind.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// A script of lua/ is one type. Its parts:
///
///   script    its text and SHA1
///   resend    what becomes of a call without a reply, unless its caller says otherwise
///   Args      what a call is told
///   Reply     what it tells; `now`, where there is one, is the server's unix ms
///   encode    from Args to the bytes of a command; what the Args refer to need not live longer. A
///             script that wakes others is also told how channels are published to
///   decode    from a reply to a Reply; ProtocolError for one of another shape
///
/// All of them are pure. ScriptCaller::call runs them.
namespace mx_rmq::broker {

/// What to do when a call was sent and no reply came.
enum class Resend : std::uint8_t {
  never,            ///< tell the caller: OutcomeUnknown
  if_not_executed,  ///< tell the caller, too; send it again where it surely was not executed
  until_deadline    ///< send the same call again until the deadline; only for what may happen twice
};

/// Writes the command that calls a script: first its keys, once, then its arguments.
class ScriptCommand {
 public:
  /// `expected`: about how many keys and arguments there will be.
  explicit ScriptCommand(const lua::Script& script, std::size_t expected = 16) : script_(script) {
    out_.reserve(expected + 3);
  }

  /// Names, and lists of names. They must live until build(), but for temporaries, which are kept.
  template <class... Keys>
  ScriptCommand& keys(Keys&&... keys) {
    redis::CommandBuilder::begin_evalsha(out_, script_, (count_of(keys) + ...));
    (add_key(std::forward<Keys>(keys)), ...);
    return *this;
  }
  /// Texts (as keys), numbers, flags (1 or 0), times (ms), tags and commands that publish.
  template <class... Arguments>
  ScriptCommand& args(Arguments&&... arguments) {
    (add(std::forward<Arguments>(arguments)), ...);
    return *this;
  }
  [[nodiscard]] redis::Command build() const { return out_.build(); }

 private:
  static std::size_t count_of(std::string_view /*one*/) { return 1; }
  static std::size_t count_of(const std::string& /*one*/) { return 1; }
  template <class List>
  static std::size_t count_of(const List& list) {
    return list.size();
  }
  void add_key(std::string_view key) { out_.add(key); }
  void add_key(const std::string& key) { out_.add(key); }
  void add_key(std::string&& key) { out_.add_copy(std::move(key)); }
  template <class List>
  void add_key(const List& list) {
    for (const auto& key : list) out_.add(std::string_view(key));
  }

  void add(std::string_view text) { out_.add(text); }
  void add(const char* text) { out_.add(std::string_view(text)); }
  void add(std::string&& text) { out_.add_copy(std::move(text)); }
  template <std::integral Number>
  void add(Number number) {
    if constexpr (std::same_as<Number, bool>) {
      out_.add(number ? 1 : 0);
    } else {
      out_.add(number);
    }
  }
  void add(std::chrono::milliseconds time) { out_.add(time.count()); }
  void add(const Tag& tag) { out_.add_copy(tag.text()); }
  // The command that publishes.
  void add(redis::ChannelKind channels) {
    out_.add(std::string_view(channels == redis::ChannelKind::sharded ? "SPUBLISH" : "PUBLISH"));
  }

  const lua::Script& script_;
  redis::CommandBuilder out_;
};

}  // namespace mx_rmq::broker
