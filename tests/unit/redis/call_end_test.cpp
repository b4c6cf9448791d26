// How a call ended, by the exception it ended with.
#include "redis/wire/call_end.hpp"

#include <gtest/gtest.h>

#include <new>
#include <vector>

#include "mx_rmq/errors.hpp"
#include "redis/wire/protocol_error.hpp"
#include "redis/wire/script_error.hpp"

namespace mx_rmq::redis {
namespace {

using Kind = CallEnd::Kind;

template <class E>
CallEnd ended_with(E error) {
  return CallEnd(std::make_exception_ptr(std::move(error)));
}

TEST(CallEnd, IsAnsweredUntilItIsToldOtherwise) {
  const CallEnd end;
  EXPECT_TRUE(end.answered());
  EXPECT_FALSE(end.maybe_executed());
  EXPECT_EQ(end.error(), nullptr);
  EXPECT_EQ(end.what(), "");
}

TEST(CallEnd, NamesEachErrorAndWhetherItMayHaveBeenExecuted) {
  struct Row {
    CallEnd end;
    Kind kind;
    bool maybe_executed;
  };
  const std::vector<Row> table{
      {ended_with(ConnectionError("x")), Kind::not_sent, false},
      {ended_with(TimeoutError("x")), Kind::too_late, false},
      {ended_with(ServerError("NOPERM", "x")), Kind::refused, false},
      {ended_with(ServerError("OOM", "x")), Kind::refused, false},
      {ended_with(ServerError("LOADING", "x")), Kind::not_now, false},
      {ended_with(ServerError("READONLY", "x")), Kind::not_now, false},
      {ended_with(OutcomeUnknown("x")), Kind::no_reply, true},
      {ended_with(ScriptError("x")), Kind::half_done, true},
      {ended_with(ProtocolError("x")), Kind::bad_reply, true},
      {ended_with(ShutdownError("x")), Kind::shut_down, false},
      {ended_with(std::bad_alloc()), Kind::broken, true},
  };
  for (const Row& row : table) {
    EXPECT_EQ(row.end.kind(), row.kind);
    EXPECT_EQ(row.end.maybe_executed(), row.maybe_executed) << static_cast<int>(row.kind);
    EXPECT_FALSE(row.end.answered());
    EXPECT_NE(row.end.what(), "");
    EXPECT_ANY_THROW(row.end.rethrow());
  }
}

TEST(CallEnd, KnowsWhatToDoAboutARefusal) {
  EXPECT_EQ(ended_with(ServerError("READONLY", "x")).remedy(), Remedy::reconnect);
  EXPECT_EQ(ended_with(ServerError("BUSY", "x")).remedy(), Remedy::wait);
  EXPECT_EQ(ended_with(ConnectionError("x")).remedy(), Remedy::refuse);
}

TEST(CallEnd, TellsTheTextOfWhatIsNoException) {
  EXPECT_EQ(CallEnd(std::make_exception_ptr(1)).what(), "an unknown error");
}

}  // namespace
}  // namespace mx_rmq::redis
