// The context of a trace in the headers of a message.
#include "mx_rmq/tracing.hpp"

#include <gtest/gtest.h>

namespace mx_rmq {
namespace {

using Headers = std::map<std::string, std::string>;

const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceContext, IsReadFromTheHeaders) {
  const TraceContext context(Headers{{"traceparent", good}, {"tracestate", "a=1"}, {"x", "y"}});
  EXPECT_EQ(context.traceparent, good);
  EXPECT_EQ(context.tracestate, "a=1");
  EXPECT_FALSE(context.empty());
  EXPECT_EQ(TraceContext(Headers{{"traceparent", good}}).tracestate, "");
}

TEST(TraceContext, OfALaterVersionMayHaveMoreFields) {
  const std::string later = "cc" + good.substr(2);
  EXPECT_FALSE(TraceContext(Headers{{"traceparent", later}}).empty());
  EXPECT_FALSE(TraceContext(Headers{{"traceparent", later + "-what-comes"}}).empty());
  EXPECT_TRUE(TraceContext(Headers{{"traceparent", later + "x"}}).empty());
}

TEST(TraceContext, ThatIsMalformedIsNone) {
  std::vector<std::string> rows{"", "00", good + "-", good + "0", "ff" + good.substr(2)};
  for (const std::size_t place : {0U, 2U, 3U, 35U, 36U, 52U, 53U}) {
    rows.push_back(good);
    rows.back()[place] = 'X';
  }
  rows.push_back(good);
  rows.back()[5] = 'A';  // upper case
  rows.push_back("00-" + std::string(32, '0') + good.substr(35));
  rows.push_back(good.substr(0, 36) + std::string(16, '0') + "-01");
  for (const std::string& row : rows) {
    const TraceContext context(Headers{{"traceparent", row}, {"tracestate", "a=1"}});
    EXPECT_TRUE(context.empty()) << row;
    EXPECT_EQ(context.tracestate, "") << row;
  }
  EXPECT_TRUE(TraceContext(Headers{{"tracestate", "a=1"}}).empty());
}

}  // namespace
}  // namespace mx_rmq
