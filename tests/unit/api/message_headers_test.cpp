// Headers: what is allowed, and their one line in the envelope.
#include "api/message_headers.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "mx_rmq/detail/payload_decode_error.hpp"

namespace mx_rmq::api {
namespace {

using Headers = std::map<std::string, std::string>;

std::string refused(const Headers& headers) {
  try {
    validate_headers(headers);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

TEST(MessageHeaders, OneLineHoldsThemWhateverTheirValues) {
  const std::vector<Headers> rows{
      {{"a", ""}},
      {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
      {{"a", "tab\t newline\n quote\" backslash\\ nul" + std::string(1, '\0')},
       {"B/c:d_e.f-1", "ü€😀"}},
  };
  for (const Headers& headers : rows) {
    EXPECT_EQ(refused(headers), "");
    const std::string line = encode_headers(headers);
    EXPECT_EQ(line.find_first_of("\t\n"), std::string::npos) << line;
    EXPECT_EQ(decode_headers(line), headers) << line;
  }
  EXPECT_EQ(encode_headers({}), "");
  EXPECT_EQ(decode_headers(""), Headers());
}

TEST(MessageHeaders, ValuesOfOthersThatAreNoStringsAreGivenAsJson) {
  EXPECT_EQ(
      decode_headers(R"({"n":18446744073709551615,"o":{"a":[1]},"s":"x","z":null})"),
      (Headers{{"n", "18446744073709551615"}, {"o", R"({"a":[1]})"}, {"s", "x"}, {"z", "null"}}));
}

TEST(MessageHeaders, WhatIsNoObjectDoesNotDecode) {
  for (const char* text : {"[]", "1", "null", "{", "{\"a\":1}x", "\"a\""})
    EXPECT_THROW((void)decode_headers(text), mx_rmq::detail::PayloadDecodeError) << text;
}

TEST(MessageHeaders, LimitsAreToldWithTheNameOfTheHeader) {
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  for (const char* name : {"", "a b", "a=b", "ü", "a\n"}) {
    EXPECT_TRUE(has(refused({{name, "x"}}), "this name is not allowed")) << name;
  }
  EXPECT_EQ(refused({{std::string(128, 'n'), "x"}}), "");
  EXPECT_TRUE(has(refused({{std::string(129, 'n'), "x"}}), "1 to 128 characters"));
  EXPECT_EQ(refused({{"a", "ok\xff"}}), "header \"a\": invalid UTF-8 at byte 2 of its value");
  Headers many;
  for (int i = 0; i < 64; ++i) many["h" + std::to_string(i)] = "";
  EXPECT_EQ(refused(many), "");
  many["one more"[0] + std::string("x")] = "";
  EXPECT_EQ(refused(many), "header: 65 headers; at most 64 are allowed");
  EXPECT_EQ(refused({{"a", std::string(8191, 'x')}}), "");
  EXPECT_EQ(refused({{"a", std::string(8192, 'x')}}),
            "header: names and values have 8193 bytes together; at most 8192 are allowed");
}

}  // namespace
}  // namespace mx_rmq::api
