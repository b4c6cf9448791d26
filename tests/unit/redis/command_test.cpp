#include "redis/wire/command.hpp"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "mx_rmq_scripts.hpp"
#include "unit/redis/evalsha.hpp"

namespace mx_rmq::redis {
namespace {

const lua::Script script{"answer", "0123456789abcdef0123456789abcdef01234567", "return 42"};

TEST(Command, IsFormattedAsResp) {
  EXPECT_EQ(Command::of("PING").bytes().view(), "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(Command::of("SET", "k", -12).bytes().view(),
            "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n-12\r\n");
}

TEST(Command, ArgumentsMayHoldAnyBytes) {
  const std::string bytes("\0\r\n %s", 6);
  EXPECT_EQ(Command::of("ECHO", bytes).bytes().view(),
            "*2\r\n$4\r\nECHO\r\n$6\r\n" + bytes + "\r\n");
  EXPECT_EQ(Command::of("ECHO", std::string_view()).bytes().view(),
            "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n");
}

TEST(Command, NumbersOfAllWidths) {
  const Command command = Command::of("X", INT64_MIN, UINT64_MAX, 0, std::size_t{7});
  EXPECT_EQ(command.bytes().view(),
            "*5\r\n$1\r\nX\r\n$20\r\n-9223372036854775808\r\n$20\r\n18446744073709551615\r\n"
            "$1\r\n0\r\n$1\r\n7\r\n");
}

TEST(Command, ManyArguments) {
  CommandBuilder builder("RPUSH");
  std::string expected = "*1001\r\n$5\r\nRPUSH\r\n";
  for (int i = 0; i < 1000; ++i) {
    builder.add(i);
    const std::string text = std::to_string(i);
    expected += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }
  EXPECT_EQ(builder.build().bytes().view(), expected);
}

TEST(Command, CopiesShareTheirBytes) {
  const Command one = Command::of("PING");
  const Command two = one;
  EXPECT_EQ(one.bytes().data.get(), two.bytes().data.get());
}

TEST(Command, KnowsItsName) {
  EXPECT_EQ(Command::of("EVALSHA", "x").name(), "EVALSHA");
  EXPECT_EQ(Command().name(), "");
}

TEST(Command, OfNothingIsRefused) {
  EXPECT_THROW(Command(std::span<const std::string_view>()), std::invalid_argument);
}

TEST(Command, OverOneGibIsRefusedBeforeAnythingIsCopied) {
  // A view of that length of which no byte is read.
  const std::string_view huge("x", (std::size_t{1} << 30) + 1);
  const std::array<std::string_view, 2> arguments{"ECHO", huge};
  EXPECT_THROW(Command{arguments}, std::invalid_argument);
}

TEST(Command, EvalshaNamesTheScriptAndItsKeys) {
  const std::array<std::string_view, 2> keys{"k1", "k2"};
  const std::array<std::string_view, 1> arguments{"a"};
  EXPECT_EQ(evalsha(script, keys, arguments).bytes().view(),
            "*6\r\n$7\r\nEVALSHA\r\n$40\r\n0123456789abcdef0123456789abcdef01234567\r\n"
            "$1\r\n2\r\n$2\r\nk1\r\n$2\r\nk2\r\n$1\r\na\r\n");
}

TEST(Command, AnEvalCanBeMadeFromAnEvalsha) {
  const std::array<std::string_view, 1> keys{"k"};
  const std::string odd("\r\n$1\r\n\0", 7);
  const std::array<std::string_view, 2> arguments{odd, ""};
  const Command command = eval_instead(script, evalsha(script, keys, arguments));
  EXPECT_EQ(command.bytes().view(),
            Command::of("EVAL", "return 42", 1, "k", odd, "").bytes().view());
  EXPECT_THROW(static_cast<void>(eval_instead(script, Command::of("PING"))), std::invalid_argument);
}

}  // namespace
}  // namespace mx_rmq::redis
