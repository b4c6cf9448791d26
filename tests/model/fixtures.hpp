// A topic in which every script finds something to do, for tests that look at one call.
#pragma once

#include <string>
#include <vector>

#include "bench.hpp"

namespace mx_rmq::test {

constexpr std::int64_t start_ms = 1'700'000'000'000;
constexpr const char* fixture_topic = "t";

// An operation on the fixture's topic at `ms` after start_ms.
ScriptOp at(std::int64_t ms, const std::string& script, const std::string& who,
            std::vector<std::string> argv, std::vector<std::string> lists = {},
            std::vector<std::string> named = {});

// A message with the mark #<serial>#; id "g<serial>" unless given; chosen if `until` is not 0.
EnvelopeText message(int serial, char priority = 'n', const std::string& id = "",
                     std::int64_t until = 0);

// A produce of plain messages into one list, by producer p.
ScriptOp produce_plain(std::int64_t ms, int number, const std::string& list,
                       const std::vector<std::string>& envelopes);

// A claim by `who`; `list`: as idle, if nothing is left; `listed`: it may be.
ScriptOp claim(std::int64_t ms, const std::string& who, int number, int n, bool first,
               std::int64_t lease = 1000, const std::string& bytes = "100000",
               const std::string& list = "0", const std::string& listed = "0");

// The state from which `calls()` start: something is set for the topic, and there are messages of
// every kind in every place. c.0 holds live
// messages, d.0 has lapsed.
// `idle` consumers i10.0, i11.0, ... are listed as idle before that, and nobody listens to each
// third, or to the only one.
std::vector<ScriptOp> fixture(int idle = 16);

// For each script (but stats, settings, audit, dlq_list, dlq_get, look_*, which write nothing)
// calls that find work in the fixture.
std::vector<ScriptOp> writing_calls();

// The calls of every script.
std::vector<ScriptOp> all_calls();

}  // namespace mx_rmq::test
