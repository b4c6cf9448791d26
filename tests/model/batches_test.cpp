// Batches of 0 to 2,001 through every script, caps, emptied elements, byte budgets.
#include "boundaries.hpp"

namespace mx_rmq::test {
namespace {

TEST_F(ScriptBoundaries, BatchesOfNoneToAThousandAndOneGoThroughEveryScript) {
  for (const int n : {0, 1, 2, 999, 1000, 1001, 2001}) {
    clear();
    SCOPED_TRACE(n);
    const auto count = static_cast<std::size_t>(n);
    std::vector<std::string> argv{"1", "60000000", "1", "1", "1", std::to_string(n)};
    for (const std::string& each : envelopes(1, n)) argv.push_back(each);
    for (int i = 0; i < n; ++i) {  // as many with chosen ids, every other one delayed
      const EnvelopeText e =
          message(10'000 + i, 'n', "id" + std::to_string(10'000 + i), start_ms + 2'000'000);
      argv.insert(argv.end(), {i % 2 == 0 ? "0" : "1", std::to_string(start_ms + 1), e.id,
                               std::to_string(e.until), e.text()});
    }
    run(at(0, "produce", "p", argv, {"normal"}));
    EXPECT_EQ(run(at(0, "produce", "p", argv, {"normal"}))[1].str(), n == 0 ? "ok" : "again");
    const std::string most = std::to_string(2 * n);
    const std::string holds_nothing = n == 0 ? "1" : "0";
    const Value got =
        run(at(10, "claim", "c.0", {most, "c.0", "1000", "3000", "1", "1", "100000000", "4", "0"}));
    ASSERT_EQ(got.elements.size(), 7 + 2 * count);
    std::vector<std::string> retry{"c.0"};
    for (std::size_t i = 0; i < 2 * count; ++i) {
      auto e = EnvelopeText::parse(got[7 + i].str());
      const std::string length = std::to_string(e->head().size());
      ++e->attempts;
      retry.insert(retry.end(), {"1." + std::to_string(i + 1), "5", e->id, length, e->head()});
    }
    EXPECT_EQ(run(at(11, "retry", "c.0", retry)).elements.size(), n == 0 ? 2U : 3U)
        << "nobody registers by taking nothing";
    run(at(20, "claim", "c.0",
           {most, "c.0", "1000", "5000", "2", holds_nothing, "100000000", "100", "0"}));
    std::vector<std::string> release{"c.0"};
    for (int i = 2 * n; i >= 1; --i)
      release.insert(release.end(), {"2." + std::to_string(i), "0", ""});
    EXPECT_EQ(run(at(21, "release", "c.0", release)).elements.size(), n == 0 ? 2U : 3U);
    run(at(22, "claim", "c.0",
           {most, "c.0", "1000", "5000", "3", holds_nothing, "100000000", "100", "0"}));
    run(at(23, "tend", "c.0", {"c.0", "1000", "3", most == "0" ? "1" : most, "100000000"}));
    run(at(24, "claim", "d.0", {most, "d.0", "10", "5000", "1", "1", "100000000", "100", "0"}));
    run(at(40, "reap", "d.0", {"d.0", most == "0" ? "1" : most, "100000000", "100000", "0"}));
    const Value last =
        run(at(41, "claim", "c.0",
               {most, "c.0", "1000", "5000", "4", holds_nothing, "100000000", "100", "0"}));
    ASSERT_EQ(last.elements.size(), 7 + 2 * count);
    std::vector<std::string> dead{"c.0", n == 0 ? "0" : std::to_string(n)};
    std::vector<std::string> chosen;
    std::vector<std::string> plain;
    for (std::size_t i = 0; i < 2 * count; ++i) {
      const auto e = EnvelopeText::parse(last[7 + i].str());
      const std::string tag = "4." + std::to_string(i + 1);
      if (i % 3 == 0) {
        dead.insert(dead.end(), {tag, e->id, "retries\t[\"e\",[1]]"});
      } else if (e->until != 0) {
        chosen.insert(chosen.end(), {tag, e->id, std::to_string(e->until)});
      } else {
        plain.push_back(tag);
      }
    }
    run(at(42, "dead", "c.0", dead));
    std::vector<std::string> ack{"c.0", "completed", "", std::to_string(chosen.size() / 3)};
    ack.insert(ack.end(), chosen.begin(), chosen.end());
    ack.insert(ack.end(), plain.begin(), plain.end());
    run(at(43, "ack", "c.0", ack));
    run(at(44, "requeue_all", "", {"0", "0", std::to_string(n / 3), "100000000"}));
    run(at(45, "sweep", "", {"c.0", "1", std::to_string(n), "100000000", "dead", "100000", "0"}));
    run(at(46, "dlq_purge", "", {"0", std::to_string(n), "100000000"}));
    audit(47, {"c.0", "d.0"});
  }
}

TEST_F(ScriptBoundaries, ACapOfAThousandAndOneNamesEachOneThatItDrops) {
  run(produce_plain(0, 1, "low", envelopes(1, 3000, 'l')));
  const Value got = run(claim(0, "c.0", 1, 3000, true, 1000, "100000000"));
  std::vector<std::string> first{"c.0", "0"};
  std::vector<std::string> second{"c.0", "1"};
  for (int i = 1; i <= 3000; ++i) {
    auto& call = i <= 1500 ? first : second;
    call.insert(call.end(), {"1." + std::to_string(i), "g" + std::to_string(i), "retries\t"});
  }
  run(at(1, "dead", "c.0", first));
  EXPECT_EQ(run(at(2, "dead", "c.0", second)).elements.size(), 3U + 2999U);
}

TEST_F(ScriptBoundaries, AClaimPassesAThousandEmptiedElementsAndGoesOnNextTime) {
  run(produce_plain(0, 1, "high", envelopes(1, 2600, 'h')));
  std::vector<std::string> emptied;
  RedisClient& client = server_.client();
  for (int i = 0; i < 2500; ++i) {
    client.command({"LSET", key("t", "ready:high"), std::to_string(i), ""});
    model_.topic("t").ready[0][static_cast<std::size_t>(i)].clear();
  }
  // Not compared step by step: how many it passes is bounded by slices.
  int got = 0;
  int calls = 0;
  for (; got < 100 && calls < 10; ++calls) {
    const Value reply = server_.run(claim(1, "c.0", calls + 1, 100, true, 1000, "100000000"));
    got += static_cast<int>(reply.elements.size()) - 7;
    if (got < 100) {
      EXPECT_EQ(reply[5].num(), 1) << "something is left";
    }
  }
  EXPECT_EQ(got, 100);
  EXPECT_GE(calls, 2);
}

TEST_F(ScriptBoundaries, OneMessageGoesThroughEveryByteBudget) {
  for (const char* bytes : {"0", "1"}) {
    clear();
    run(produce_plain(0, 1, "high", envelopes(1, 3, 'h')));
    EXPECT_EQ(run(claim(1, "c.0", 1, 3, true, 50, bytes)).elements.size(), 8U);
    EXPECT_EQ(run(at(2, "tend", "c.0", {"c.0", "50", "1", "10", bytes})).elements.size(), 3U);
    EXPECT_EQ(run(claim(3, "c.0", 2, 3, true, 50, bytes)).elements.size(), 8U);
    EXPECT_EQ(run(at(100, "reap", "c.0", {"c.0", "10", bytes, "1000", "0"}))[3].num(), 1);
  }
}

}  // namespace
}  // namespace mx_rmq::test
