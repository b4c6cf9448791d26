#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mx_rmq::lua {
struct Script;
}

namespace mx_rmq::redis {

/// Bytes that several holders (a command, its re-send, a write under way) share without a copy.
/// Immutable, so any thread may hold them.
struct SharedBytes {
  std::shared_ptr<const char> data;
  std::size_t size = 0;

  [[nodiscard]] std::string_view view() const noexcept { return {data.get(), size}; }
};

/// A command in RESP form, made once by hiredis's formatter and shared: copying it is cheap, and it
/// can be sent again without being formatted again. Arguments may hold any bytes.
class Command {
 public:
  Command() = default;
  /// Throws std::invalid_argument when there is no argument or the whole would pass 1 GiB.
  explicit Command(std::span<const std::string_view> arguments);

  /// `Command::of("SET", key, 5)`: texts and integers.
  template <class... Args>
  static Command of(const Args&... arguments);

  [[nodiscard]] const SharedBytes& bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size; }
  [[nodiscard]] bool empty() const noexcept { return bytes_.size == 0; }
  /// Its first argument, as "EVALSHA"; for the log.
  [[nodiscard]] std::string_view name() const noexcept;

 private:
  SharedBytes bytes_;
};

/// Collects arguments for a Command. Texts are referred to, not copied: they must live until
/// `build()`. Numbers are kept here.
class CommandBuilder {
 public:
  CommandBuilder() = default;
  explicit CommandBuilder(std::string_view name) { add(name); }
  CommandBuilder(const CommandBuilder&) = delete;
  CommandBuilder& operator=(const CommandBuilder&) = delete;

  /// EVALSHA of `script` with `keys` keys, which must be the next arguments added.
  static void begin_evalsha(CommandBuilder& builder, const lua::Script& script, std::size_t keys);

  CommandBuilder& add(std::string_view text) {
    arguments_.push_back(text);
    return *this;
  }
  template <std::integral T>
  CommandBuilder& add(T number) {
    std::string& kept = numbers_.emplace_back(24, '\0');
    const auto end = std::to_chars(kept.data(), kept.data() + kept.size(), number).ptr;
    kept.resize(static_cast<std::size_t>(end - kept.data()));
    arguments_.push_back(kept);
    return *this;
  }
  /// A text that the builder keeps.
  CommandBuilder& add_copy(std::string text) {
    arguments_.push_back(numbers_.emplace_back(std::move(text)));
    return *this;
  }
  void reserve(std::size_t arguments) { arguments_.reserve(arguments); }
  [[nodiscard]] std::size_t size() const noexcept { return arguments_.size(); }
  [[nodiscard]] Command build() const { return Command(arguments_); }

 private:
  std::vector<std::string_view> arguments_;
  std::deque<std::string> numbers_;  // a deque: its elements stay where they are
};

/// The EVAL that does the same as an EVALSHA; for servers that keep losing the script.
[[nodiscard]] Command eval_instead(const lua::Script& script, const Command& evalsha);

template <class... Args>
Command Command::of(const Args&... arguments) {
  CommandBuilder builder;
  (builder.add(arguments), ...);
  return builder.build();
}

}  // namespace mx_rmq::redis
