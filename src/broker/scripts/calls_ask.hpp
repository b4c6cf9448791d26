#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/scripts/script_call.hpp"

/// Questions to the consumers of a topic, which they answer in a key of the question's own.
namespace mx_rmq::broker {

/// What is asked.
struct Question {
  enum class Kind : std::uint8_t {
    paused,    ///< do you begin nothing that was claimed before this version of the settings?
    interrupt  ///< do you run this message? Its stop token is to fire
  };
  Kind kind = Kind::paused;
  std::string token;         ///< random
  std::int64_t version = 0;  ///< paused
  std::string id;            ///< interrupt: of the message
};
/// As it is published.
[[nodiscard]] std::string encode_question(const Question& question);
/// Nothing: it is none, or one of a later version of the library.
[[nodiscard]] std::optional<Question> read_question(std::string_view payload);

/// Puts a question to consumers, and looks who has answered it.
struct Ask {
  static constexpr const lua::Script& script = lua::ask;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view token;
    std::string_view question;  ///< encoded
    std::int64_t pass_over = 0;
    int most = 1000;  ///< consumers looked at; at least 1
  };
  struct Reply {
    std::int64_t now = 0;
    std::int64_t asked = 0;  ///< consumers looked at; if `most` were, there may be more
    std::int64_t yes = 0;    ///< have answered so
    std::int64_t no = 0;
    std::int64_t deaf = 0;  ///< of the others: nobody listens
    bool mute = false;      ///< nobody can be asked: publishing is refused
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// A consumer's answer. The first one counts.
struct Answer {
  static constexpr const lua::Script& script = lua::answer;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view token;
    std::string_view consumer;
    bool yes = false;
    std::chrono::milliseconds kept{0};
  };
  using Reply = bool;  ///< false: it had answered already

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
