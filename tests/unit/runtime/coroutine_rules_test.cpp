// The forms of co_await that this project allows itself. g++ 12 miscompiles others (temporary
// aggregates and capturing lambdas are destroyed twice): if a compiler breaks one of these too,
// this test tells.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mx_rmq/sync_wait.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {
namespace {

struct Trivial {
  int a;
  double b;
};

int alive = 0;

/// Stands for a public option type: members that must be destroyed once, constructor of its own.
struct Options {
  Options() : mark(new int(1)) { ++alive; }
  Options(const Options& other) : text(other.text), mark(new int(*other.mark)) { ++alive; }
  Options(Options&& other) noexcept : text(std::move(other.text)), mark(other.mark) {
    other.mark = new int(0);
    ++alive;
  }
  ~Options() {
    delete mark;  // twice would be seen by the allocator
    --alive;
  }
  Options& named(std::string value) {
    text = std::move(value);
    return *this;
  }
  std::string text;
  int* mark;
};

struct Aggregate {
  std::string text;
  int number;
};

const std::string long_text = "long enough that a std::string allocates memory for it, twice over";

Task<double> add(Trivial value) { co_return value.a + value.b; }
Task<std::string> text_of(Options options) { co_return options.text; }
Task<std::string> text_of_aggregate(Aggregate value) { co_return value.text; }
Task<std::string> apply(std::function<std::string()> function) { co_return function(); }
Task<std::size_t> count(std::vector<std::string> values) { co_return values.size(); }
Task<std::string> joined(std::string a, std::string b) { co_return a + b; }
std::string make_text() { return long_text; }

Task<> aggregates_of_trivial_members() {
  const double a = co_await add(Trivial{1, 2.5});
  EXPECT_EQ(a, 3.5);
  const double b = co_await add({.a = 2, .b = 0.5});
  EXPECT_EQ(b, 2.5);
}

Task<> classes_with_a_constructor_of_their_own() {
  const std::string text = co_await text_of(Options());
  EXPECT_EQ(text, "");
}

Task<> builder_chains() {
  const std::string text = co_await text_of(Options().named("first").named(long_text));
  EXPECT_EQ(text, long_text);
}

Task<> named_locals_moved() {
  Aggregate value{long_text, 1};
  const std::string text = co_await text_of_aggregate(std::move(value));
  EXPECT_EQ(text, long_text);
  std::vector<std::string> values{long_text, long_text};
  const std::size_t number = co_await count(std::move(values));
  EXPECT_EQ(number, 2U);
}

Task<> two_statements() {
  auto task = text_of_aggregate(Aggregate{long_text, 1});
  const std::string text = co_await std::move(task);
  EXPECT_EQ(text, long_text);
  const auto owner = std::make_shared<std::string>(long_text);
  auto call = apply([owner] { return *owner; });
  const std::string again = co_await std::move(call);
  EXPECT_EQ(again, long_text);
  EXPECT_EQ(owner.use_count(), 1);
}

Task<> calls_and_literals_as_arguments() {
  const std::string text = co_await joined(make_text(), "x");
  EXPECT_EQ(text, long_text + "x");
}

Task<> a_lambda_that_captures_nothing() {
  const auto twice = [](std::string text) -> Task<std::string> {
    const std::string result = co_await joined(text, text);
    co_return result;
  };
  const std::string text = co_await twice(make_text());
  EXPECT_EQ(text, long_text + long_text);
}

TEST(CoroutineRules, AllowedFormsOfCoAwaitDestroyEverythingOnce) {
  alive = 0;
  sync_wait(aggregates_of_trivial_members());
  sync_wait(classes_with_a_constructor_of_their_own());
  sync_wait(builder_chains());
  sync_wait(named_locals_moved());
  sync_wait(two_statements());
  sync_wait(calls_and_literals_as_arguments());
  sync_wait(a_lambda_that_captures_nothing());
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace mx_rmq
