#include "mx_rmq/errors.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace mx_rmq {
namespace {

template <class E>
constexpr bool is_error = std::is_base_of_v<Error, E> && std::is_nothrow_copy_constructible_v<E>;

static_assert(std::is_base_of_v<std::runtime_error, Error>);
static_assert(is_error<ConfigError> && is_error<ConnectionError> && is_error<OutcomeUnknown>);
static_assert(is_error<TimeoutError> && is_error<LeaseLost> && is_error<ShutdownError>);
static_assert(is_error<Overloaded> && is_error<Duplicate>);
static_assert(std::is_base_of_v<Error, ServerError>);

TEST(Errors, EachIsCaughtAsErrorWithItsText) {
  try {
    throw LeaseLost("message 7 of orders");
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "message 7 of orders");
    EXPECT_NE(dynamic_cast<const LeaseLost*>(&error), nullptr);
  }
}

TEST(Errors, ServerErrorKeepsCodeAndFullTextThroughCopiesAndMoves) {
  ServerError original("OOM", "OOM command not allowed when used memory > 'maxmemory'.");
  ServerError moved = std::move(original);
  ServerError copied = moved;
  // NOLINTNEXTLINE(bugprone-use-after-move): an exception is never left without its code
  for (const ServerError* each : {&original, &moved, &copied}) EXPECT_EQ(each->code(), "OOM");
  EXPECT_STREQ(copied.what(), "OOM command not allowed when used memory > 'maxmemory'.");
}

}  // namespace
}  // namespace mx_rmq
