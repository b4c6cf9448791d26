#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection/channel_kind.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

using runtime::TimePoint;

/// How a hello that was published ended, as far as its publisher knows.
enum class HelloEnd : std::uint8_t {
  answered,  ///< it is on its way, if anybody listens
  not_now,   ///< the lane was not usable, or the channel is not here now
  refused    ///< we may not publish
};

/// What a SubscriberFsm wants done.
struct SubscriberAction {
  enum class Kind : std::uint8_t {
    subscribe,    ///< to `channel`; the answer comes as on_answer
    unsubscribe,  ///< from `channel`
    hello,        ///< publish `text` to `channel`; its end comes as on_hello_end with `number`
    ping,         ///< ask the server for any answer on the connection that listens
    drop,         ///< end the connection that listens: `text`
    up,           ///< tell `listener`: epoch `number`
    down,         ///< tell `listener`
    message       ///< tell `listener`: `text`
  };
  Kind kind;
  std::string channel{};
  std::string text{};
  std::uint64_t number = 0;
  std::uint64_t listener = 0;
};
using SubscriberActions = std::vector<SubscriberAction>;

/// Who listens to which channels of one node, as a pure state machine: it is told what happened,
/// with its time, and answers with what to do.
///
/// A channel is *up* while it is subscribed and a *hello*, published over the node's lane, has come
/// back: then what scripts publish there is heard. The hello goes out on one of the channels, at
/// first, at each new connection of either side, and again and again, so that a connection which
/// has died without a word, or leads to another server than the lane, is found out.
class SubscriberFsm {
 public:
  struct Options {
    ChannelKind kind = ChannelKind::plain;
    bool hello = true;  ///< false: a channel is up once it is subscribed, and a PING keeps watch
    std::chrono::milliseconds hello_every{20000};
    std::chrono::milliseconds hello_within{2000};  ///< or the connection is dropped
    std::chrono::milliseconds retry{200};  ///< pause before what passes by itself is asked again
    std::chrono::milliseconds refused_retry{30000};  ///< pause after a refusal for good
    std::string token{};  ///< told apart from what other subscribers say hello with
  };

  explicit SubscriberFsm(Options options);

  // --- what the owner asks for ---

  /// Somebody listens to `channel` from now on. Returns a number that is never used again.
  std::uint64_t add(TimePoint now, const std::string& channel, SubscriberActions& out);
  void remove(std::uint64_t listener, SubscriberActions& out);

  // --- what happened ---

  /// The connection that listens has become usable, or has ended.
  void on_usable(TimePoint now, SubscriberActions& out);
  void on_ended(SubscriberActions& out);
  /// The answer to the oldest `subscribe` since on_usable.
  void on_answer(TimePoint now, const Reply& reply, SubscriberActions& out);
  void on_push(TimePoint now, const Reply& reply, SubscriberActions& out);
  /// The lane that scripts publish over has a new connection.
  void on_lane(TimePoint now, SubscriberActions& out);
  /// `error_text`: what the server answered, if it was an error.
  void on_hello_end(TimePoint now, std::uint64_t number, HelloEnd end, std::string_view error_text,
                    SubscriberActions& out);
  /// The time that next_wake() named has come; harmless at any other time.
  void on_timer(TimePoint now, SubscriberActions& out);

  // --- how things are ---

  [[nodiscard]] TimePoint next_wake() const noexcept;
  [[nodiscard]] std::uint64_t epoch(std::uint64_t listener) const noexcept;
  /// The server may turn out not to know the kind that was asked for.
  [[nodiscard]] ChannelKind kind() const noexcept { return kind_; }
  /// Why nobody can be told; empty if nothing stands against it.
  [[nodiscard]] std::string mute() const;

 private:
  enum class State : std::uint8_t {
    idle,        // there is no connection
    asked,       // SUBSCRIBE sent
    subscribed,  // and answered
    resting,     // not subscribed; to be asked again at rest_until_
    refused      // the same, for good
  };
  struct Channel {
    State state = State::idle;
    std::uint64_t asked = 0;                             // the number of its last SUBSCRIBE
    TimePoint again_at{};                                // resting, refused
    std::map<std::uint64_t, std::uint64_t> listeners{};  // and their epochs
  };
  using Channels = std::map<std::string, Channel>;
  struct Asked {
    std::string channel;
    std::uint64_t number;
    ChannelKind kind;
  };
  struct Hello {
    std::uint64_t number;
    std::string channel;
    std::string text;
    TimePoint sent;
  };

  void ask(const std::string& name, Channel& channel, SubscriberActions& out);
  void rest(TimePoint at, Channel& channel, State state);
  void set_state(Channel& channel, State state);
  void on_refusal(TimePoint now, const Asked& asked, Channel& channel, const std::string& text,
                  SubscriberActions& out);
  void up(Channel& channel, SubscriberActions& out);
  void down(Channel& channel, SubscriberActions& out);
  void all_down(SubscriberActions& out);
  void heard(TimePoint now, SubscriberActions& out);
  void say_hello(TimePoint now, SubscriberActions& out);
  void deliver(TimePoint now, const std::string& channel, const std::string& payload,
               SubscriberActions& out);
  [[nodiscard]] Channels::const_iterator next_subscribed() const noexcept;

  const Options options_;
  ChannelKind kind_;
  Channels channels_;
  std::map<std::uint64_t, std::string> listeners_;  // what each listens to
  std::uint64_t last_listener_ = 0;
  std::uint64_t last_epoch_ = 0;

  bool usable_ = false;      // the connection that listens
  std::deque<Asked> asked_;  // SUBSCRIBEs that await their answers
  std::uint64_t last_asked_ = 0;
  std::size_t subscribed_ = 0;  // channels in that state, and in the one below
  std::size_t refused_ = 0;
  std::string refusal_;  // of the last one
  TimePoint rest_until_ = TimePoint::max();

  bool heard_ = false;  // the hello has come back since either side was connected
  std::optional<Hello> hello_;
  std::uint64_t last_hello_ = 0;
  std::string hello_channel_;  // where the last one went
  TimePoint next_hello_{};
  bool lane_away_ = false;  // on_lane() will come
  std::string may_not_publish_;
};

}  // namespace mx_rmq::redis
