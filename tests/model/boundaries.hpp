// A server and the model, compared after each call.
#pragma once

#include <gtest/gtest.h>

#include "fixtures.hpp"

namespace mx_rmq::test {

class ScriptBoundaries : public testing::Test {
 protected:
  // Runs on both; they must agree in reply and state.
  Value run(const ScriptOp& op) {
    const Value got = server_.run(op);
    const Value wanted = model_.run(op);
    EXPECT_TRUE(same(got, wanted)) << show(op).substr(0, 300) << "\n"
                                   << show(got).substr(0, 500) << "\n"
                                   << show(wanted).substr(0, 500);
    EXPECT_EQ(difference(server_.state(), model_.state()).substr(0, 500), "")
        << show(op).substr(0, 300);
    EXPECT_EQ(heard(), model_.topic(fixture_topic).heard) << show(op).substr(0, 300);
    return got;
  }
  // "<alias> <payload>" of each wake-up so far.
  std::vector<std::string> heard() {
    const auto& all = server_.heard();
    const auto found = all.find(fixture_topic);
    return found == all.end() ? std::vector<std::string>() : found->second;
  }
  void clear() {
    server_.flush();
    model_ = Model();
  }
  Value audit(std::int64_t ms, std::vector<std::string> consumers) {
    ScriptOp op = at(ms, "audit", "", {"1000000"}, {}, consumers);
    op.call.argv.insert(op.call.argv.end(), consumers.begin(), consumers.end());
    return run(op);
  }
  static std::vector<std::string> envelopes(int from, int n, char priority = 'n') {
    std::vector<std::string> out;
    for (int i = from; i < from + n; ++i) out.push_back(message(i, priority).text());
    return out;
  }

  ScriptServer server_;
  Model model_;
};

}  // namespace mx_rmq::test
