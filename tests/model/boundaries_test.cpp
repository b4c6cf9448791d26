// The edges: times that meet exactly, ties, ids of any bytes, the largest numbers.
#include "boundaries.hpp"

namespace mx_rmq::test {
namespace {

using Words = std::vector<std::string>;

TEST_F(ScriptBoundaries, ALeaseEndsAtItsMillisecond) {
  for (const int late : {-1, 0, 1}) {
    clear();
    run(produce_plain(0, 1, "high", envelopes(1, 2)));
    run(claim(0, "c.0", 1, 1, true, 99));
    const Value seen = run(claim(100 + late, "d.0", 1, 0, true));
    EXPECT_EQ(seen[3].str(), late < 0 ? "" : "c.0");
    const Value reaped = run(at(100 + late, "reap", "c.0", {"c.0", "10", "1000", "1000", "0"}));
    EXPECT_EQ(reaped[1].str(), late < 0 ? "alive" : "ok");
    // Who is over its lease but not reaped yet may still settle: nobody else can have its tags.
    if (late < 0) {
      EXPECT_EQ(run(at(100, "ack", "c.0", {"c.0", "completed", "", "0", "1.1"})).num(), 1);
    }
  }
}

// The server's time is cut down to whole milliseconds, so what counts from it could be one short.
TEST_F(ScriptBoundaries, NoSpanIsShortWhereverInItsMillisecondItBegins) {
  const auto late_in_it = [](ScriptOp op) {
    op.now_us += 999;
    return op;
  };
  const std::string head = message(1).head();
  const std::string length = std::to_string(head.size());
  const std::vector<ScriptOp> begins{
      claim(0, "c.0", 1, 1, true, 100),
      at(0, "suspect", "c.0", {"c.0", "100", "1", "1"}),
      at(0, "tend", "c.0", {"c.0", "100", "1", "10", "1000", "1.1"}),
      at(0, "retry", "c.0", {"c.0", "1.1", "100", "g1", length, head}),
      at(0, "retry", "c.0", {"c.0", "1.1", "0", "g1", length, head}),
  };
  for (std::size_t i = 0; i < begins.size(); ++i) {
    clear();
    if (i == 1) {  // one that was recovered twice, and is due
      EnvelopeText suspect = message(1);
      suspect.recoveries = 2;
      run(at(0, "produce", "p",
             {"1", "60000000", "0", "1", "0", "0", std::to_string(start_ms), suspect.id, "0",
              suspect.text()}));
      run(claim(0, "e.0", 1, 0, true));
    } else {
      run(produce_plain(0, 1, "normal", envelopes(1, 1)));
    }
    if (i > 1) run(claim(0, "c.0", 1, 1, true, 60'000));
    run(late_in_it(begins[i]));
    const bool retries = begins[i].call.script == "retry";
    const auto over = [&](std::int64_t ms, std::int64_t us) {
      ScriptOp look = claim(ms, "d.0", 1, 1, true);
      look.now_us += us;
      const Value reply = run(look);
      return retries ? reply.elements.size() > 7 : !reply[3].str().empty();
    };
    const bool at_once = i == 4;
    EXPECT_EQ(over(100, 998), at_once) << i << ": a microsecond before it";
    EXPECT_TRUE(over(101, 0) || at_once) << i;
  }
}

TEST_F(ScriptBoundaries, AMessageIsDueAtItsMillisecondAndExpiredAtItsOwn) {
  for (const int late : {-1, 0, 1}) {
    clear();
    EnvelopeText e = message(1, 'h');
    e.expire = start_ms + 100;
    run(at(0, "produce", "p",
           {"1", "1000", "1", "1", "0", "1", e.text(), "0", std::to_string(start_ms + 100), "d",
            "0", message(2, 'h', "d").text()},
           {"high"}));
    const Value swept =
        run(at(100 + late, "sweep", "", {"c.0", "1", "10", "1000", "dead", "1000", "0"}));
    EXPECT_EQ(swept[2].num(), late < 0 ? 0 : 1);
    const Value got = run(claim(100 + late, "c.0", 1, 5, true));
    EXPECT_EQ(got.elements.size(), 8U)
        << "before: the one that was to expire; then: the one that was due";
    EXPECT_EQ(got[2].num(), late < 0 ? start_ms + 100 : -1);
  }
}

TEST_F(ScriptBoundaries, AChosenIdCountsUntilItsMillisecond) {
  for (const int late : {-1, 0}) {
    clear();
    const auto produce = [&](std::int64_t ms, int number, int serial, std::int64_t until) {
      const EnvelopeText e = message(serial, 'n', "same", until);
      return run(at(ms, "produce", "p",
                    {std::to_string(number), "1000", "1", "0", "1", "0", "1", "0", e.id,
                     std::to_string(until), e.text()},
                    {"normal"}));
    };
    produce(0, 1, 1, start_ms + 100);
    EXPECT_EQ(produce(100 + late, 2, 2, start_ms + 500).elements.size(), late < 0 ? 4U : 3U);
  }
}

TEST_F(ScriptBoundaries, ABatchSentAgainTellsItsOwnDuplicatesAndNoOthers) {
  const auto batch = [&](int number, const std::vector<std::string>& ids) {
    std::vector<std::string> argv{std::to_string(number), "60000", "1", "0", "1", "0"};
    for (const std::string& id : ids) {
      const EnvelopeText e = message(number, 'n', id, start_ms + 90'000);
      argv.insert(argv.end(), {"1", "0", id, std::to_string(e.until), e.text()});
    }
    return run(at(number, "produce", "p", argv, {"normal"}));
  };
  const auto places = [](const Value& reply) {
    std::vector<std::int64_t> out;
    for (std::size_t i = 3; i < reply.elements.size(); ++i) out.push_back(reply[i].num());
    return out;
  };
  using Places = std::vector<std::int64_t>;
  EXPECT_EQ(places(batch(1, {"a", "b"})), Places{});
  const Value again = batch(1, {"a", "b"});
  EXPECT_EQ(again[1].str(), "again");
  EXPECT_EQ(places(again), Places{}) << "its own messages are no duplicates of themselves";
  EXPECT_EQ(places(batch(2, {"a", "c", "b", "c"})), (Places{1, 3, 4}));
  EXPECT_EQ(places(batch(2, {"a", "c", "b", "c"})), (Places{1, 3, 4}));
  const Value late = batch(1, {"a", "b"});
  EXPECT_EQ(late[1].str(), "again");
  EXPECT_EQ(places(late), Places{}) << "what a later batch was told is not about this one";
}

TEST_F(ScriptBoundaries, OnlyATopicWithoutMessagesIsForgotten) {
  const auto forget = [&](std::int64_t ms, const std::string& most) {
    return run(at(ms, "forget", "", {most}))[1].str();
  };
  EXPECT_EQ(forget(0, "10"), "gone") << "nothing was ever there";
  run(produce_plain(0, 1, "low", envelopes(1, 3, 'l')));
  EXPECT_EQ(forget(1, "10"), "used");
  for (const char* id : {"g1", "g2", "g3"})
    EXPECT_EQ(run(at(2, "cancel_page", "", {id, "0", "10", "1000"}, {"low"}))[0].num(), 1);
  EXPECT_EQ(forget(3, "2"), "used") << "three that were cancelled are more than it looks at";
  EXPECT_EQ(forget(3, "3"), "gone");
  run(produce_plain(4, 2, "low", envelopes(4, 1, 'l')));
  run(claim(4, "c.0", 1, 1, true, 99));
  EXPECT_EQ(forget(103, "10"), "used");
  EXPECT_EQ(forget(104, "10"), "lapsed");
  EXPECT_EQ(run(at(104, "ack", "c.0", {"c.0", "completed", "", "0", "1.1"})).num(), 1);
  EXPECT_EQ(forget(105, "10"), "lapsed") << "it is registered, and may hold what nobody has seen";
  run(at(106, "reap", "c.0", {"c.0", "10", "1000", "1000", "0"}));
  EXPECT_EQ(forget(107, "10"), "gone");
  EXPECT_EQ(server_.state().size(), 1U) << "the producer's number ends by itself";
}

TEST_F(ScriptBoundaries, PartitionsAreFrom1To1024AndNeverFewer) {
  const auto set = [&](std::int64_t ms, const std::string& partitions) {
    return run(at(ms, "configure", "", {"-1", "0", "partitions", partitions}));
  };
  const Value first = set(10, "1");
  EXPECT_EQ(first[1].str(), "ok");
  EXPECT_EQ(first[2].num(), 0) << "that is what it is, so nothing is written";
  EXPECT_EQ(set(10, "1025")[1].str(), "refused");
  EXPECT_EQ(set(10, "2")[2].num(), start_ms + 10);
  EXPECT_EQ(set(11, "2")[2].num(), start_ms + 10);
  EXPECT_EQ(set(10, "3")[2].num(), start_ms + 12) << "the clock has not moved: two more";
  EXPECT_EQ(set(11, "1023")[2].num(), start_ms + 14) << "it was set back";
  EXPECT_EQ(set(20, "1024")[2].num(), start_ms + 20);
  const Value fewer = set(21, "1023");
  EXPECT_EQ(fewer[1].str(), "refused");
  EXPECT_EQ(fewer[2].str(), "partitions");
  EXPECT_EQ(fewer[3].num(), start_ms + 20);
  EXPECT_EQ(fewer[5].str(), "1024");
  EXPECT_EQ(run(at(22, "settings", "", {}))[2].num(), start_ms + 20);
}

TEST_F(ScriptBoundaries, TheActiveOnesAreNeverMoreThanThereAre) {
  const auto set = [&](const std::vector<std::string>& fields) {
    std::vector<std::string> argv{"-1", "0"};
    argv.insert(argv.end(), fields.begin(), fields.end());
    return run(at(5, "configure", "", argv));
  };
  const auto refused = [&](const std::vector<std::string>& fields) {
    const Value reply = set(fields);
    return reply[1].str() == "refused" ? reply[2].str() : "";
  };
  EXPECT_EQ(refused({"active", "2"}), "active");
  EXPECT_EQ(refused({"partitions", "2", "active", "2", "ids_active", "3"}), "ids_active");
  EXPECT_EQ(refused({"partitions", "4", "active", "3", "ids_active", "3"}), "");
  EXPECT_EQ(refused({"active", "2"}), "active") << "fewer";
  EXPECT_EQ(refused({"ids_active", "2"}), "ids_active");
  EXPECT_EQ(refused({"active", "4", "ids_active", "4"}), "");
}

TEST_F(ScriptBoundaries, SettingsOfWhichSomethingIsNoNumberAreRefusedByName) {
  const auto store = [&](const std::string& name, const std::string& value) {
    server_.client().command({"HSET", key("t", "settings"), name, value});
    model_.topic("t").settings[name] = value;
  };
  const auto unreadable = [&] {
    const Value reply = run(at(10, "settings", "", {}));
    EXPECT_TRUE(same(run(at(10, "configure", "", {"-1", "0", "partitions", "9"})), reply));
    return reply[1].str() == "wrong" ? reply[2].str() : "";
  };
  store("version", "7");
  for (const char* wrong : {"", "x", "-1", "1.5", "0x10", "9999999999999999", " 5"}) {
    store("version", wrong);
    EXPECT_EQ(unreadable(), "version") << wrong;
    EXPECT_EQ(run(claim(11, "c.0", 1, 0, true))[7].num(), -1) << wrong;
  }
  store("version", "7");
  for (const char* name : {"partitions", "active", "ids_active"}) {
    for (const char* wrong : {"", "0", "1025", "many"}) {
      store(name, wrong);
      EXPECT_EQ(unreadable(), name) << wrong;
    }
    store(name, "1");
  }
  for (const char* wrong : {"", "x", "-1", "1.5", "9999999999999999"}) {
    store("paused_until", wrong);
    EXPECT_EQ(unreadable(), "paused_until") << wrong;
  }
  store("paused_until", "0");
  EXPECT_EQ(run(at(12, "settings", "", {}))[1].str(), "ok");
  for (int i = 0; i < 61; ++i)
    server_.client().command({"HSET", key("t", "settings"), "f" + std::to_string(i), ""});
  EXPECT_EQ(server_.run(at(12, "settings", "", {}))[2].str(), "number of fields");
}

TEST_F(ScriptBoundaries, ABatchIsStoredOnlyUnderTheVersionThatItNames) {
  const auto batch = [&](int number, const std::string& must) {
    return run(
        at(number, "produce", "p",
           {std::to_string(number), "60000", "1", "0", "0", "1", message(number).text(), must},
           {"normal"}, {"settings"}));
  };
  EXPECT_EQ(batch(1, "0")[1].str(), "ok");
  EXPECT_EQ(batch(2, "-1")[4].num(), 0);
  run(at(3, "configure", "", {"-1", "0", "partitions", "2"}));
  const std::string version = std::to_string(start_ms + 3);
  const Value stale = batch(4, "0");
  EXPECT_EQ(stale[1].str(), "stale");
  EXPECT_EQ(stale[4].num(), start_ms + 3);
  EXPECT_EQ(batch(4, version)[1].str(), "ok") << "the number was not used up";
  EXPECT_EQ(batch(4, "0")[1].str(), "again") << "it was applied, whatever is set by now";
  EXPECT_EQ(batch(5, "-1")[1].str(), "ok");
}

// Up to the millisecond before its end: nothing is taken, promoted or told of, and who claims is
// listed, and keeps the alarm.
TEST_F(ScriptBoundaries, OfAPausedTopicNothingIsTakenBeforeThePauseEnds) {
  const auto pause = [&](std::int64_t ms, std::int64_t until) {
    run(at(ms, "configure", "", {"-1", "0", "paused_until", std::to_string(until)}));
  };
  const auto claimed = [&](std::int64_t ms, int number) {
    return run(claim(ms, "c.0", number, 10, true, 1000, "1000", "1", "1"));
  };
  EnvelopeText suspect = message(3, 'h');
  suspect.recoveries = 2;
  run(produce_plain(0, 1, "normal", {message(1).text()}));
  run(at(0, "produce", "p",
         {"2", "60000", "0", "1", "0", "0", std::to_string(start_ms), suspect.id, "0",
          suspect.text()}));
  run(claim(1, "d.0", 1, 0, true));
  run(at(1, "produce", "p",
         {"3", "60000", "0", "1", "0", "0", std::to_string(start_ms + 5), message(2).id, "0",
          message(2).text()}));
  run(at(2, "listen", "c", {}));
  pause(3, start_ms + 100);
  const Value held = claimed(99, 1);
  EXPECT_EQ(held[2].num(), start_ms + 100) << "the alarm is the end of the pause";
  for (const std::size_t flag : {4, 5}) EXPECT_EQ(held[flag].num(), 0) << flag;
  EXPECT_EQ(held[6].num(), 1) << "it is listed";
  EXPECT_EQ(held[7].num(), start_ms + 3);
  EXPECT_EQ(held.elements.size(), 8U);
  EXPECT_EQ(run(at(99, "suspect", "c.0", {"c.0", "1000", "2", "1"})).elements.size(), 4U);
  const Value swept = run(at(99, "sweep", "", {"c.0", "1", "10", "1000", "dead", "1000", "0"}));
  EXPECT_EQ(swept[5].num() + swept[6].num(), 0) << "no suspect, nothing to claim";
  pause(99, 999'999'999'999'999);
  EXPECT_EQ(claimed(1000, 3)[2].num(), -1) << "nobody knows when this one ends";
  const std::size_t before = heard().size();
  pause(1001, 0);
  EXPECT_EQ(heard().size(), before + 1) << "who is listed is woken";
  pause(1002, start_ms + 1100);
  EXPECT_EQ(claimed(1099, 4).elements.size(), 8U);
  EXPECT_EQ(claimed(1100, 5).elements.size(), 10U) << "with the one that was due";
  EXPECT_EQ(run(at(1100, "suspect", "c.0", {"c.0", "1000", "6", "0"})).elements.size(), 5U);
}

// Also whose lease has ended, as it may be renewed; not whose messages others take over already.
TEST_F(ScriptBoundaries, AQuestionGoesToAllWhoMayBeginSomethingUntilTheyHaveAnswered) {
  for (int i = 1; i <= 3; ++i) {
    const std::string who = "c" + std::to_string(i);
    run(produce_plain(i, i, "normal", {message(2 * i).text(), message(2 * i + 1).text()}));
    run(claim(i, who + ".0", 1, 2, true, 100));
    run(at(i, "listen", who, {}));
  }
  run(at(200, "reap", "c1.0", {"c1.0", "1", "1000", "1000", "0"}));
  const auto asked = [&] { return run(at(200, "ask", "k", {"q k paused 1", "0", "10"})); };
  EXPECT_EQ(asked()[1].num(), 2);
  EXPECT_EQ(heard().size(), 2U);
  EXPECT_EQ(run(at(201, "answer", "k", {"c2.0", "1", "1000"})).num(), 1);
  EXPECT_EQ(run(at(201, "answer", "k", {"c2.1", "0", "1000"})).num(), 0) << "the first one counts";
  EXPECT_EQ(asked()[2].num(), 1);
  EXPECT_EQ(heard().size(), 3U) << "who has answered is not asked again";
}

TEST_F(ScriptBoundaries, AChangeOfSettingsWakes32OfThoseThatAreIdle) {
  std::vector<std::string> names;
  for (int i = 100; i < 140; ++i) names.push_back("n" + std::to_string(i));
  for (const std::string& name : names) {
    run(at(0, "listen", name, {}));
    run(claim(1, name + ".0", 1, 0, true, 1000, "1000", "1"));
  }
  run(at(5, "configure", "", {"-1", "0", "partitions", "2"}));
  EXPECT_EQ(heard().size(), 32U);
  run(at(6, "configure", "", {"-1", "0", "partitions", "2"}));
  EXPECT_EQ(heard().size(), 32U) << "nothing has changed";
  run(at(7, "copy_settings", "", {std::to_string(start_ms + 7), "partitions", "3"}));
  EXPECT_EQ(heard().size(), 40U);
  EXPECT_EQ(run(claim(8, "n100.0", 2, 0, true))[7].num(), start_ms + 7);
}

TEST_F(ScriptBoundaries, EqualDueTimesKeepTheOrderOfTheirIds) {
  std::vector<std::string> argv{"1", "1000", "0", "1", "0"};
  for (int i = 10; i < 40; ++i) {
    const EnvelopeText e = message(i);
    argv.insert(argv.end(), {"0", std::to_string(start_ms + 50), e.id, "0", e.text()});
  }
  run(at(0, "produce", "p", argv));
  const Value got = run(claim(50, "c.0", 1, 30, true));
  ASSERT_EQ(got.elements.size(), 37U);
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(mark_of(got[static_cast<std::size_t>(7 + i)].str()), std::to_string(10 + i));
}

// Lists consumers <name>.0 as idle, a millisecond apart; those in `deaf` have nobody who listens.
std::vector<ScriptOp> idle_ones(std::int64_t ms, const std::vector<std::string>& names,
                                const std::set<std::string>& deaf = {}) {
  std::vector<ScriptOp> out;
  for (const std::string& name : names) {
    if (!deaf.contains(name)) out.push_back(at(ms, "listen", name, {}));
    out.push_back(claim(ms++, name + ".0", 1, 0, true, 1000, "1000", "1"));
  }
  return out;
}

TEST_F(ScriptBoundaries, OfEqualDueTimesInOneCallTheFirstInTheIndexWakes) {
  for (const ScriptOp& op : idle_ones(0, {"w", "x"})) run(op);
  const EnvelopeText b = message(1, 'n', "b");
  const EnvelopeText a = message(2, 'n', "a");
  const std::string due = std::to_string(start_ms + 500);
  run(at(10, "produce", "p",
         {"1", "1000", "0", "1", "0", "0", due, "b", "0", b.text(), "0", due, "a", "0", a.text()}));
  EXPECT_EQ(heard(), (Words{"w w0"}));
  run(claim(500, "c.0", 1, 2, true));
  const std::string length = std::to_string(a.head().size());
  run(at(501, "retry", "c.0",
         {"c.0", "1.2", "100", "b", length, b.head(), "1.1", "100", "a", length, a.head()}));
  EXPECT_EQ(heard(), (Words{"w w0", "x w0"}));
}

TEST_F(ScriptBoundaries, TheLongestIdleIsWokenTheDeadArePassedOverAndRemoved) {
  for (const ScriptOp& op : idle_ones(0, {"b", "dead", "a", "c"}, {"dead"})) run(op);
  run(produce_plain(10, 1, "high", envelopes(1, 1)));
  EXPECT_EQ(heard(), (Words{"b w0"}));
  EXPECT_EQ(model_.topic("t").idle.at("b"), -(start_ms + 10));
  run(produce_plain(11, 2, "normal", envelopes(2, 1)));
  EXPECT_EQ(heard(), (Words{"b w0", "a w0"}));
  EXPECT_FALSE(model_.topic("t").idle.contains("dead"));
  // It claims: what is left wakes the next one, and it is not listed itself.
  EXPECT_EQ(run(claim(12, "a.0", 2, 1, true, 1000, "1000", "1", "1"))[6].num(), 0);
  EXPECT_EQ(heard().back(), "c w0");
  EXPECT_FALSE(model_.topic("t").idle.contains("a"));
  EXPECT_EQ(run(claim(13, "c.0", 2, 1, true, 1000, "1000", "1", "1"))[6].num(), 1);
  EXPECT_EQ(model_.topic("t").idle.at("c"), start_ms + 13);
  EXPECT_EQ(run(claim(14, "c.0", 3, 1, false, 1000, "1000", "1", "1"))[6].num(), 1);
  EXPECT_EQ(model_.topic("t").idle.at("c"), start_ms + 13) << "idle since then";
}

TEST_F(ScriptBoundaries, ForWorkThatWasThereOneIsWokenIn20Milliseconds) {
  for (const ScriptOp& op : idle_ones(0, {"a", "b", "c"})) run(op);
  run(produce_plain(10, 1, "high", envelopes(1, 1)));
  for (const int late : {19, 20, 21})
    run(produce_plain(10 + late, late, "high", envelopes(late, 1)));
  EXPECT_EQ(heard(), (Words{"a w0", "b w0"})) << "19 ms later somebody may be on the way";
  run(produce_plain(51, 21, "high", {}));
  EXPECT_EQ(heard(), (Words{"a w0", "b w0", "c w0"})) << "a batch that comes again wakes, too";
}

TEST_F(ScriptBoundaries, TheAgeIsThatOfTheFirstThatWasNotCancelled) {
  const auto first = [&](std::size_t place) {
    return run(at(50, "stats", "", {"0"}))[9 + place].num();
  };
  for (std::size_t place = 0; place < 5; ++place) EXPECT_EQ(first(place), -1) << place;
  EnvelopeText late = message(40, 'l');
  late.created = start_ms - 500;
  late.expire += 7;  // due 7 ms after the start
  run(produce_plain(10, 1, "low", {"garbage", late.text()}));
  EXPECT_EQ(first(2), -1) << "it cannot be read";
  std::vector<std::string> many;
  for (int i = 1; i <= 33; ++i) many.push_back(message(i).text());
  many.push_back(late.text());
  run(produce_plain(10, 2, "normal", many));
  EXPECT_EQ(first(1), start_ms);
  for (int i = 1; i <= 33; ++i) {
    EXPECT_EQ(first(1), i <= 32 ? start_ms : -1) << i - 1 << " were cancelled";
    run(at(20, "cancel_page", "", {"g" + std::to_string(i), "0", "1000", "1000000"}, {"normal"}));
  }
  EXPECT_EQ(first(1), -1) << "33 are more than it looks at";
  run(at(
      30, "produce", "p",
      {"3", "1000", "0", "1", "0", "0", std::to_string(start_ms + 40), late.id, "0", late.text()}));
  EXPECT_EQ(first(4), start_ms + 40);
}

TEST_F(ScriptBoundaries, HistoryHasOneEntryAMinuteAndOneInTenThatTellNothingTwice) {
  const std::int64_t minute = 60'000 - start_ms % 60'000;  // the next that begins
  const auto note = [&](std::int64_t ms, const std::string& most = "3") {
    return run(at(ms, "snapshot", "", {most, "2"}))[1].num();
  };
  EXPECT_EQ(note(minute - 1), 2);
  EXPECT_EQ(note(minute - 1), 0);
  EXPECT_EQ(note(minute), 0) << "nothing has changed";
  run(produce_plain(minute, 1, "normal", envelopes(1, 1)));
  EXPECT_EQ(note(minute + 1), 1);
  EXPECT_EQ(note(minute + 2), 0) << "in the same minute";
  EXPECT_EQ(note(minute + 59'999), 0);
  EXPECT_EQ(note(minute + 60'000), 1) << "the message is older now";
  EXPECT_EQ(note(minute + 120'000), 1);
  EXPECT_EQ(note(minute + 180'000), 1);
  EXPECT_EQ(model_.topic("t").history_1m.size(), 3U);
  EXPECT_EQ(note(minute + 800'000, "2"), 2);
  EXPECT_EQ(note(minute + 1'500'000, "2"), 2);
  EXPECT_EQ(model_.topic("t").history_1m.size(), 2U) << "fewer from now on";
  EXPECT_EQ(model_.topic("t").history_10m.size(), 2U);
  EXPECT_EQ(note(minute + 1'400'000, "2"), 0) << "a clock that is behind";
}

TEST_F(ScriptBoundaries, AWakeUpThatIsPassedOnReachesTwiceAsManyEachTime) {
  std::vector<std::string> names;
  for (int i = 10; i < 60; ++i) names.push_back("n" + std::to_string(i));
  for (const ScriptOp& op : idle_ones(0, names)) run(op);
  std::size_t told = 0;
  for (const auto& [hops, more] :
       std::vector<std::pair<int, std::size_t>>{{1, 2}, {2, 4}, {7, 32}}) {
    EXPECT_EQ(run(at(100, "pass", "", {"n59.0", std::to_string(hops)})).num(),
              static_cast<std::int64_t>(more));
    told += more;
    EXPECT_EQ(heard().size(), told);
    EXPECT_EQ(heard().back(), "n" + std::to_string(9 + told) + " w" + std::to_string(hops));
  }
}

TEST_F(ScriptBoundaries, WhoLeavesHandsOnTheWakeUpThatItWasSent) {
  for (const ScriptOp& op : idle_ones(0, {"a", "b", "c", "d"})) run(op);
  EXPECT_EQ(run(at(5, "unlist", "", {"d.0"})).num(), 1);
  EXPECT_EQ(run(at(5, "unlist", "", {"d.0"})).num(), 0);
  run(produce_plain(10, 1, "high", envelopes(1, 1)));
  EXPECT_EQ(run(at(11, "unlist", "", {"a.0"})).num(), 1);
  EXPECT_EQ(heard(), (Words{"a w0", "b w0"}));
  run(at(12, "leave", "b.0", {"b.0", "0"}));
  EXPECT_EQ(heard(), (Words{"a w0", "b w0", "c w0"}));
  EXPECT_EQ(model_.topic("t").idle.size(), 1U);
}

TEST_F(ScriptBoundaries, SweepsRemoveWhomNobodyHearsAndWhoWasToldAMinuteAgo) {
  std::vector<std::string> names;
  std::set<std::string> deaf;
  for (int i = 10; i < 50; ++i) {
    names.push_back("n" + std::to_string(i));
    if (i % 2 == 1) deaf.insert(names.back());
  }
  for (const ScriptOp& op : idle_ones(0, names, deaf)) run(op);
  const auto sweep = [&](std::int64_t ms, int number) {
    return run(
        at(ms, "sweep", "", {"n10.0", std::to_string(number), "10", "1000", "dead", "1000", "0"}));
  };
  Value swept;
  for (int number = 1; number <= 5; ++number) swept = sweep(100, number);
  EXPECT_EQ(model_.topic("t").idle.size(), 20U);
  EXPECT_EQ(swept[6].num(), 0) << "nothing waits";
  EXPECT_EQ(swept[7].num(), 1) << "it is listed itself";
  run(produce_plain(200, 1, "high", envelopes(1, 1)));
  EXPECT_EQ(heard(), (Words{"n10 w0"}));
  swept = sweep(60'199, 6);
  EXPECT_EQ(swept[6].num(), 1);
  EXPECT_EQ(heard(), (Words{"n10 w0", "n12 w0"})) << "the caller is told by the reply";
  EXPECT_TRUE(model_.topic("t").idle.contains("n10"));
  sweep(60'200, 7);
  EXPECT_FALSE(model_.topic("t").idle.contains("n10"));
  EXPECT_EQ(sweep(60'201, 8)[7].num(), 0);
}

TEST_F(ScriptBoundaries, IdsOfAnyBytesGoThroughEveryScript) {
  const std::vector<std::string> ids{std::string("\0", 1),
                                     "\n",
                                     "~",
                                     "a~1",
                                     "a",
                                     "!c.0.1.1",
                                     std::string("a\0b\n\xff", 5),
                                     std::string(256, 'x'),
                                     std::string(256, '\n'),
                                     "mx1 h 0 0 3 1 1 1 0 1\n",
                                     "mx:{t}:ready:high",
                                     "%d %s",
                                     "0"};
  std::int64_t ms = 0;
  int number = 0;
  int claims = 0;
  for (const std::string& id : ids) {
    SCOPED_TRACE(show(id));
    const EnvelopeText e = message(1, 'h', id, start_ms + 3'000'000);
    const auto put = [&](bool later) {
      std::vector<std::string> argv{std::to_string(++number), "1000", later ? "0" : "1",
                                    later ? "1" : "0", "1"};
      if (!later) argv.push_back("0");
      argv.insert(argv.end(), {later ? "0" : "1", std::to_string(start_ms + ms + 2), id,
                               std::to_string(e.until), e.text()});
      return run(at(++ms, "produce", "p", argv,
                    later ? std::vector<std::string>{} : std::vector<std::string>{"high"}));
    };
    const auto take = [&] {
      const Value got = run(claim(++ms + 5, "c.0", ++claims, 5, true, 100'000));
      EXPECT_EQ(got.elements.size(), 8U);
      return std::to_string(claims) + ".1";
    };
    EXPECT_EQ(put(true).elements.size(), 3U);
    EXPECT_EQ(put(false).elements.size(), 4U) << "a duplicate";
    EXPECT_EQ(run(at(++ms, "cancel", "", {id})).num(), 1);
    EXPECT_EQ(put(false).elements.size(), 3U);
    EXPECT_EQ(run(at(++ms, "cancel_page", "", {id, "0", "1000", "100000"}, {"high"}))[0].num(), 1);
    EXPECT_EQ(put(false).elements.size(), 3U);
    EnvelopeText again = e;
    again.attempts = 1;
    run(at(++ms, "retry", "c.0",
           {"c.0", take(), "2", id, std::to_string(e.head().size()), again.head()}));
    ms += 5;
    run(at(ms, "dead", "c.0", {"c.0", "0", take(), id, "rejected\t[\"e\",[1]]"}));
    EXPECT_EQ(run(at(++ms, "dlq_get", "", {id}))[1].str(),
              "rejected\t[\"e\",[1]]\n" + again.text());
    EXPECT_EQ(put(true).elements.size(), 4U) << "a dead message keeps its id";
    EXPECT_EQ(run(at(++ms, "requeue", "", {id}))[1].str(), "ok");
    const std::string tag = take();
    const auto revived = EnvelopeText::parse(model_.topic("t").processing.at("c.0").at(tag));
    EXPECT_EQ(run(at(++ms, "ack", "c.0",
                     {"c.0", "completed", "", "1", tag, id, std::to_string(revived->until)}))
                  .num(),
              1);
    EXPECT_TRUE(model_.topic("t").ids.empty());
  }
}

TEST_F(ScriptBoundaries, AProducersNumberIsKeptForTheTimeItNames) {
  run(produce_plain(0, 1, "high", envelopes(1, 1)));
  const std::int64_t left = server_.client().command({"PTTL", key("t", "producer:p")}).num();
  EXPECT_GT(left, 59'000'000);
  EXPECT_LE(left, 60'000'000);
}

TEST_F(ScriptBoundaries, TheLargestNumbersAreKeptToTheDigit) {
  // Claim and batch numbers up to 2^53, times of 15 digits.
  EnvelopeText e = message(1, 'h', "far", 999'999'999'999'999);
  e.expire = 999'999'999'999'998;
  e.ttl = 999'999'999'999'990;
  e.attempts = 999'999'999;
  run(at(0, "produce", "p",
         {"9007199254740992", "1000", "1", "0", "1", "0", "1", "0", "far", std::to_string(e.until),
          e.text()},
         {"high"}));
  EXPECT_EQ(
      run(at(0, "produce", "p", {"9007199254740992", "1000", "1", "0", "0", "0"}, {"high"}))[1]
          .str(),
      "again");
  const Value got = run(
      at(0, "claim", "c.0", {"1", "c.0", "10", "1", "9007199254740992", "1", "1000", "1", "0"}));
  EXPECT_EQ(got[7].str(), e.text());
  run(at(20, "reap", "c.0", {"c.0", "10", "1000", "1000", "0"}));
  run(at(20, "claim", "d.0", {"1", "d.0", "1000", "1", "1", "1", "1000", "1", "0"}));
  run(at(21, "dead", "d.0", {"d.0", "0", "1.1", "far", "rejected\t"}));
  EXPECT_EQ(run(at(22, "requeue", "", {"far"}))[1].str(), "ok");
  EXPECT_TRUE(EnvelopeText::parse(model_.topic("t").ready[0].front()).has_value())
      << "still readable";
}

TEST_F(ScriptBoundaries, ANameThatLooksLikeASuffixIsNeverOverwritten) {
  // Three generated ids "a" delayed beside messages that are called a~1 and a~2.
  int number = 0;
  for (const char* id : {"a~1", "a~2", "a", "a", "a"}) {
    ++number;
    const EnvelopeText e = message(number, 'n', id);
    run(at(
        0, "produce", "p",
        {std::to_string(number), "1000", "0", "1", "0", "0", "1700000000100", id, "0", e.text()}));
  }
  EXPECT_EQ(model_.topic("t").delayed.size(), 5U);
  const Value got = run(claim(200, "c.0", 1, 10, true));
  EXPECT_EQ(got.elements.size(), 12U);
}

TEST_F(ScriptBoundaries, AClaimWhoseReplyWasLostGetsTheAlarmAgain) {
  const EnvelopeText e = message(1);
  const std::string due = std::to_string(start_ms + 5'000);
  run(at(0, "produce", "p", {"1", "1000", "0", "1", "0", "0", due, e.id, "0", e.text()}));
  const auto claim_with = [&](std::int64_t ms, int number, const std::string& alarm) {
    return run(at(ms, "claim", "c.0",
                  {"0", "c.0", "1000", "10", std::to_string(number), "1", "1000", "4", alarm}));
  };
  EXPECT_EQ(claim_with(1, 1, "0")[2].num(), start_ms + 5'000);  // this reply is lost
  EXPECT_EQ(claim_with(2, 2, "0")[2].num(), -1);
  EXPECT_EQ(claim_with(3, 3, "-1")[2].num(), start_ms + 5'000);
  // Its message is cancelled: the keeper is told of none and has given up the alarm, so that the
  // next one is watched.
  run(at(4, "cancel", "", {e.id}));
  EXPECT_EQ(claim_with(5, 4, due)[2].num(), -1);
  const EnvelopeText next = message(2);
  run(at(6, "produce", "p",
         {"2", "1000", "0", "1", "0", "0", std::to_string(start_ms + 9'000), next.id, "0",
          next.text()}));
  EXPECT_EQ(claim_with(7, 5, "0")[2].num(), start_ms + 9'000);
}

}  // namespace
}  // namespace mx_rmq::test
