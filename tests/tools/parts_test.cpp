// The parts of the command line that need no Redis.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "acl_line.hpp"
#include "dead_filter.hpp"
#include "exact_json.hpp"
#include "output.hpp"
#include "support/paths.hpp"
#include "terminal.hpp"
#include "times.hpp"

namespace mxrmq {
namespace {

using nlohmann::json;

std::string printed(Format format, std::vector<std::vector<json>> rows) {
  testing::internal::CaptureStdout();
  Output out(format, {{"name", 8}, {"count"}});
  for (auto& row : rows) out.row(std::move(row));
  out.finish("nothing");
  return testing::internal::GetCapturedStdout();
}

TEST(Terminal, TextOfMessagesCannotSteerIt) {
  EXPECT_EQ(terminal::harmless("plain ü€😀"), "plain ü€😀");
  EXPECT_EQ(terminal::harmless("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(terminal::harmless("\x1b[2J\x07\x7f"), "\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(terminal::harmless(std::string("nul\0.", 5)), "nul\\x00.");
  EXPECT_EQ(terminal::harmless("\xc2\x9b"
                               "31m"),
            "\\xc2\\x9b31m");  // CSI in one byte
  EXPECT_EQ(terminal::harmless("\xe2\x80\xae"
                               "txt"),
            "\\xe2\\x80\\xaetxt");  // turns the text around
  EXPECT_EQ(terminal::harmless("\xff\xc0\xaf\xed\xa0\x80"), "\\xff\\xc0\\xaf\\xed\\xa0\\x80");
  EXPECT_EQ(terminal::harmless("cut \xe2\x82"), "cut \\xe2\\x82");
}

TEST(Terminal, TextIsCutBetweenCharacters) {
  EXPECT_EQ(terminal::shortened("üüü", 3), "üüü");
  EXPECT_EQ(terminal::shortened("üüüü", 3), "üü…");
  EXPECT_EQ(terminal::columns("ü€😀"), 3U);
}

TEST(Times, DurationsAreShownInTwoPartsAtMost) {
  using std::chrono::milliseconds;
  EXPECT_EQ(in_words(milliseconds(0)), "0ms");
  EXPECT_EQ(in_words(milliseconds(999)), "999ms");
  EXPECT_EQ(in_words(milliseconds(1'450)), "1.4s");
  EXPECT_EQ(in_words(milliseconds(60'000)), "1m");
  EXPECT_EQ(in_words(milliseconds(200'900)), "3m 20s");
  EXPECT_EQ(in_words(milliseconds(7'500'000)), "2h 5m");
  EXPECT_EQ(in_words(milliseconds(273'600'000)), "3d 4h");
}

TEST(Output, ATableAlignsNumbersAtTheRight) {
  EXPECT_EQ(printed(Format::table, {{"ü", 7}, {"long name here", 1234567}, {nullptr, nullptr}}),
            "name          count\n"
            "ü                 7\n"
            "long na…  1,234,567\n"
            "-                 -\n");
  EXPECT_EQ(printed(Format::table, {}), "nothing\n");
}

TEST(Output, EachFormCanBeReadBack) {
  const std::vector<std::vector<json>> rows{{"tab\t\"q\"\nline\\", 9007199254740993},
                                            {"b", nullptr}};
  const json all = json::parse(printed(Format::json, rows));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["name"], rows[0][0]);
  EXPECT_EQ(all[0]["count"], 9007199254740993);
  EXPECT_EQ(all[1]["count"], nullptr);
  const std::string lines = printed(Format::jsonl, rows);
  EXPECT_EQ(json::parse(lines.substr(0, lines.find('\n')))["name"], rows[0][0]);
  EXPECT_EQ(printed(Format::tsv, rows),
            "name\tcount\ntab\\t\"q\"\\nline\\\\\t9007199254740993\nb\t\n");
  EXPECT_EQ(printed(Format::json, {}), "[]\n");
}

TEST(Times, AreReadAndWritten) {
  EXPECT_EQ(utc(1'700'000'000'123), "2023-11-14 22:13:20.123Z");
  for (const char* text : {"1700000000123", "2023-11-14T22:13:20.123Z", "2023-11-14 22:13:20.123Z"})
    EXPECT_EQ(parse_time("t", text), 1'700'000'000'123) << text;
  EXPECT_EQ(parse_time("t", "2023-11-14T22:13:20Z"), 1'700'000'000'000);
  for (const char* text :
       {"", "now", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14T22:13:20+01", "-1"})
    EXPECT_THROW((void)parse_time("t", text), std::invalid_argument) << text;
  const std::pair<const char*, std::int64_t> durations[] = {
      {"250ms", 250}, {"1.5s", 1500}, {"30m", 1'800'000}, {"2h", 7'200'000}, {"7d", 604'800'000}};
  for (const auto& [text, ms] : durations) EXPECT_EQ(parse_duration("d", text).count(), ms) << text;
  for (const char* text : {"", "5", "s", "-1s", "1 s", "1w", "nans", "1e99d"})
    EXPECT_THROW((void)parse_duration("d", text), std::invalid_argument) << text;
}

TEST(DeadFilter, StarsStandForAnyText) {
  for (const char* pattern : {"*", "timeout*", "*7", "time*after*7", "timeout after 7", "**t*"})
    EXPECT_TRUE(glob(pattern, "timeout after 7")) << pattern;
  for (const char* pattern : {"", "timeout", "*after", "Timeout*", "*8*", "timeout after 7?"})
    EXPECT_FALSE(glob(pattern, "timeout after 7")) << pattern;
  EXPECT_TRUE(glob("", ""));
  EXPECT_FALSE(glob(std::string(50, '*') + "b", std::string(20'000, 'a')));
}

TEST(DeadFilter, ErrorsThatDifferInNumbersIdsAndQuotedPartsAreOneGroup) {
  EXPECT_EQ(normalised("no order 17 at \"http://a/b?c\""), "no order N at \"…\"");
  EXPECT_EQ(normalised("row 01890a5d-ac96-774b-bcce-b302099a8057 locked"), "row ID locked");
  EXPECT_EQ(normalised("0xdeadbeef12 badface added"), "NxdeadbeefN badface added");
  EXPECT_EQ(normalised("one \" alone"), "one \" alone");
  EXPECT_EQ(normalised(""), "");
}

TEST(DeadFilter, Rates) {
  EXPECT_EQ(parse_rate("r", "50/s"), 50);
  EXPECT_EQ(parse_rate("r", "600/m"), 10);
  for (const char* text : {"", "50", "0/s", "-1/s", "x/s", "1/d"})
    EXPECT_THROW((void)parse_rate("r", text), std::invalid_argument) << text;
}

TEST(ExactJson, IsAValueWhereNothingIsLost) {
  EXPECT_EQ(exact_json(R"({"n": [9007199254740993, -9223372036854775808, 18446744073709551615]})"),
            json({{"n", {9007199254740993, INT64_MIN, UINT64_MAX}}}));
  EXPECT_EQ(exact_json("1.5"), 1.5);
  for (const std::string lossy :
       {"18446744073709551616", R"([{"a":[123456789012345678901]}])", "no JSON", "", "{} x"})
    EXPECT_EQ(exact_json(lossy), json(lossy));
  const std::string deep(100'000, '[');
  EXPECT_EQ(exact_json(deep), json(deep)) << "and no stack ends";
}

TEST(AclLine, IsThatOfTheDocuments) {
  std::ifstream in(mx_rmq::test::source_path("docs/operations.md"));
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t begin = text.find("user mxrmq on >secret");
  ASSERT_NE(begin, std::string::npos);
  std::string line = text.substr(begin, text.find("\n```", begin) - begin);
  for (auto at = line.find("\n  "); at != std::string::npos; at = line.find("\n  "))
    line.replace(at, 3, " ");
  EXPECT_EQ(acl_line("mxrmq", "mx"), line);
}

}  // namespace
}  // namespace mxrmq
