#include "redis/wire/reply.hpp"

#include <gtest/gtest.h>

#include <type_traits>

#include "redis/wire/protocol_error.hpp"

namespace mx_rmq::redis {
namespace {

TEST(Reply, AccessorsGiveWhatIsThere) {
  EXPECT_TRUE(Reply::nil().is_nil());
  EXPECT_EQ(Reply::integer(-5).as_integer(), -5);
  EXPECT_EQ(Reply::string("abc").as_string(), "abc");
  EXPECT_EQ(Reply::status("OK").as_string(), "OK");
  EXPECT_EQ(Reply::error("ERR x").error_text(), "ERR x");
  EXPECT_EQ(Reply::string("abc").take_string(), "abc");
  std::vector<Reply> items;
  items.push_back(Reply::integer(1));
  items.push_back(Reply::string("two"));
  const Reply array = Reply::array(std::move(items));
  EXPECT_EQ(array.size(), 2U);
  EXPECT_EQ(array.at(1).as_string(), "two");
}

TEST(Reply, AStringThatIsANumberIsAnInteger) {
  EXPECT_EQ(Reply::string("9223372036854775807").as_integer(), INT64_MAX);
  EXPECT_EQ(Reply::string("-9223372036854775808").as_integer(), INT64_MIN);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "1.0", "9223372036854775808", "--1"}) {
    SCOPED_TRACE(text);
    EXPECT_THROW(static_cast<void>(Reply::string(text).as_integer()), ProtocolError);
  }
}

TEST(Reply, AnotherKindIsAProtocolErrorThatNamesBoth) {
  Reply array = Reply::array();
  EXPECT_THROW(static_cast<void>(Reply::nil().as_integer()), ProtocolError);
  EXPECT_THROW(static_cast<void>(Reply::error("1").as_integer()), ProtocolError);
  EXPECT_THROW(static_cast<void>(Reply::status("1").as_integer()), ProtocolError);
  EXPECT_THROW(static_cast<void>(Reply::integer(1).as_string()), ProtocolError);
  EXPECT_THROW(static_cast<void>(Reply::error("x").as_string()), ProtocolError);
  EXPECT_THROW(static_cast<void>(Reply::string("x").as_array()), ProtocolError);
  EXPECT_THROW(static_cast<void>(Reply::string("x").error_text()), ProtocolError);
  EXPECT_THROW(static_cast<void>(array.at(0)), ProtocolError);
  try {
    static_cast<void>(Reply::string("a\nb").as_array());
    FAIL();
  } catch (const ProtocolError& error) {
    EXPECT_STREQ(error.what(),
                 "unexpected reply from Redis: an array was expected, but it is string \"a\\nb\"");
  }
}

TEST(Reply, MovesAndDoesNotCopy) {
  static_assert(!std::is_copy_constructible_v<Reply>);
  static_assert(std::is_nothrow_move_constructible_v<Reply>);
  static_assert(sizeof(Reply) <= 80);
}

}  // namespace
}  // namespace mx_rmq::redis
