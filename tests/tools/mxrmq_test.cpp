// The program mxrmq, as people and scripts call it.
#include <csignal>
#include <fstream>
#include <iterator>

#include "support/http_call.hpp"
#include "support/queue_fixture.hpp"
#include "tools/program_path.hpp"

namespace mx_rmq::test {
namespace {

struct Called {
  int code = -1;
  std::string out;
  std::string err;
};

std::string content(const std::string& path) {
  std::ifstream in(path);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

class Mxrmq : public QueueTest {
 protected:
  // Without a terminal, as from a script.
  static Called call(const Strings& arguments, const std::string& input = "",
                     Strings environment = {}) {
    const std::string base = server().directory() + "/mxrmq";
    std::ofstream(base + ".in") << input;
    std::string line = quoted(mxrmq::test::program());
    for (const std::string& each : arguments) line += " " + quoted(each);
    line +=
        " <" + quoted(base + ".in") + " >" + quoted(base + ".out") + " 2>" + quoted(base + ".err");
    ChildOptions options;
    options.arguments = {"-c", line};
    options.environment = TestRedis::get().environment();
    options.environment.insert(options.environment.end(), environment.begin(), environment.end());
    ChildProcess child = ChildProcess::start("sh", options);
    const auto exit = child.wait(2 * patience);
    Called called;
    if (exit && exit->exited) called.code = exit->code;
    called.out = content(base + ".out");
    called.err = content(base + ".err");
    return called;
  }
  static json rows(Strings arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const Called called = call(arguments);
    EXPECT_EQ(called.code, 0) << called.err;
    return json::parse(called.out);
  }
  // Dead letters with these errors, one after the other; their ids.
  static Strings make_dead(const Strings& errors) {
    RedisMessageQueue queue(config());
    queue.register_handler("orders",
                           [](const json& payload) { throw Reject(payload.get<std::string>()); });
    Strings ids;
    start(queue);
    for (const std::string& error : errors) {
      ids.push_back(produce(queue, "orders", error));
      const auto dead = static_cast<std::int64_t>(ids.size());
      EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), "orders", "dead") == dead; }));
    }
    stop(queue);
    return ids;
  }
};

TEST_F(Mxrmq, ProducesWhatThenIsSeen) {
  const Called one = call({"produce", "orders", R"({"n": 1})", "--header", "tenant=7"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out.size(), 37U) << one.out;  // a UUID
  const Called lines = call({"produce", "orders", "-", "--delay", "1h"}, "1\n\n\"two\"\n[3]");
  EXPECT_EQ(lines.code, 0) << lines.err;
  EXPECT_EQ(occurrences(lines.out, "\n"), 3U);
  EXPECT_EQ(lines.err, "produced 3\n");
  ASSERT_TRUE(wait_for(patience, [&] { return rows({"topics"}).size() == 1; }));
  const json topic = rows({"topics"})[0];
  EXPECT_EQ(topic["topic"], "orders");
  EXPECT_EQ(topic["waiting"], 1);
  EXPECT_EQ(topic["delayed"], 3);
  EXPECT_EQ(rows({"topic", "orders"})["produced"], 4);

  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("orders", [journal](Context& context) {
    if (context.headers().at("tenant") == "7") journal->add(context);
  });
  start(queue);
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_EQ(journal->runs()[0].id + "\n", one.out);
}

TEST_F(Mxrmq, ALineThatIsNoJsonIsNamedAndWhatWasSentBeforeIsTold) {
  std::string input;
  for (int i = 0; i < 1'500; ++i) input += "1\n";
  const Called called = call({"produce", "orders", "-"}, input + "oops\n");
  EXPECT_EQ(called.code, 6);
  EXPECT_NE(called.err.find("produced 1,000 before what follows"), std::string::npos) << called.err;
  EXPECT_NE(called.err.find("stdin, line 1501: not JSON"), std::string::npos) << called.err;
  EXPECT_EQ(stat(server(), "orders", "produced"), 1'000);
  const Called first = call({"produce", "orders", "-"}, "oops\n");
  EXPECT_EQ(first.code, 2);
}

TEST_F(Mxrmq, CancelsAndSaysWhatWasNotThere) {
  const std::string id = call({"produce", "orders", "1", "--id", "seven"}).out;
  EXPECT_EQ(id, "seven\n");
  EXPECT_EQ(call({"produce", "orders", "1", "--id", "seven"}).code, 3 + 1);  // in use: refused
  EXPECT_EQ(call({"cancel", "orders", "seven", "--dry-run"}).code, 0);
  const Called some = call({"cancel", "orders", "seven", "eight", "-o", "tsv"});
  EXPECT_EQ(some.code, 6);
  EXPECT_EQ(some.out, "id\tcancelled\nseven\ttrue\neight\tfalse\n");
  EXPECT_EQ(call({"cancel", "orders", "seven"}).code, 1);
}

TEST_F(Mxrmq, ListsShowsAndFindsMessages) {
  const std::string big = R"({"n": 9007199254740993, "huge": 123456789012345678901234567890})";
  {
    RedisMessageQueue queue(config());
    produce(queue, "orders", "bad \x1b[2J\xe2\x80\xae\nline",
            ProduceOptions().header("tenant", "7"));
    produce(queue, "orders", {{"n", 9007199254740993}}, ProduceOptions().message_id("exact"));
    produce(queue, "orders", "later", ProduceOptions().message_id("delayed").delay(1h));
    // As a program in another language might write it.
    std::string stored = server().command({"LINDEX", key_of("orders", "ready:normal"), "-1"}).str();
    stored.replace(stored.find("exact"), 5, "other");
    stored.replace(stored.rfind('\n') + 1, std::string::npos, big);
    server().command({"RPUSH", key_of("orders", "ready:normal"), stored});
  }
  const Called table = call({"list", "orders"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(occurrences(table.out, "\n"), 4U);
  for (const char* hostile : {"\x1b", "\xe2\x80\xae"})
    EXPECT_EQ(table.out.find(hostile), std::string::npos) << table.out;
  EXPECT_EQ(rows({"list", "orders", "--from", "tail", "--limit", "1"})[0]["id"], "other");
  EXPECT_EQ(rows({"list", "orders", "--state", "delayed", "--payload", "3"})[0]["payload"],
            "\"la…");
  EXPECT_EQ(rows({"list", "orders", "--offset", "1", "--payload", "full"})[1]["payload"], big);
  EXPECT_EQ(call({"list", "orders", "--state", "sleeping"}).code, 2);

  const json exact = rows({"show", "orders", "exact"});
  EXPECT_EQ(exact["state"], "waiting");
  EXPECT_EQ(exact["payload"]["n"], 9007199254740993);
  EXPECT_EQ(rows({"show", "orders", "other"})["payload"], big) << "its numbers are beyond JSON's";
  EXPECT_EQ(call({"show", "orders", "other", "--raw"}).out, big + "\n");
  EXPECT_EQ(rows({"show", "orders", "delayed"})["state"], "delayed");
  const Called none = call({"show", "orders", "none"});
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("there is no message \"none\""), std::string::npos) << none.err;
  EXPECT_EQ(call({"show", "orders", "none", "--scan-limit", "1"}).code, 6)
      << "it was not looked for";

  const json found = rows({"find", "orders", "--text", "later"});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["state"], "delayed");
  EXPECT_EQ(rows({"find", "orders", "--header", "tenant=7"}).size(), 1U);
  EXPECT_EQ(call({"find", "orders", "--text", "later", "--state", "waiting"}).code, 1);
  EXPECT_EQ(call({"find", "orders", "--text", "9007", "--max", "1", "-o", "tsv"}).code, 0);
  EXPECT_EQ(call({"find", "orders"}).code, 2);
  EXPECT_EQ(call({"find", "orders", "--header", "tenant"}).code, 2);
  const Called tsv = call({"list", "orders", "--limit", "1", "-o", "tsv"});
  EXPECT_EQ(tsv.out.find('\x1b'), std::string::npos) << tsv.out;
}

TEST_F(Mxrmq, ChangesMessagesAndSaysWhatBecameOfThem) {
  for (const char* id : {"a", "b", "c"})
    call({"produce", "orders", "1", "--id", id, "--delay", "1h"});
  const auto state = [](const std::string& id) { return rows({"show", "orders", id})["state"]; };
  const Called dry = call({"promote", "orders", "a", "--dry-run", "-o", "tsv"});
  EXPECT_EQ(dry.out, "id\tstate\na\tdelayed\n");
  EXPECT_EQ(state("a"), "delayed");
  EXPECT_EQ(call({"promote", "orders", "a", "b"}).code, 4) << "nobody is here to be asked";
  const Called some = call({"promote", "orders", "a", "none", "--yes", "-o", "tsv"});
  EXPECT_EQ(some.code, 6);
  EXPECT_EQ(some.out, "id\toutcome\tstate\na\tdone\twaiting\nnone\tnot_found\t\n");
  EXPECT_EQ(call({"promote", "orders", "none"}).code, 1);
  EXPECT_EQ(rows({"promote", "orders", "a"})[0]["outcome"], "already");
  EXPECT_EQ(call({"reprioritise", "orders", "a", "high"}).code, 0);
  EXPECT_EQ(rows({"list", "orders", "--priority", "high"})[0]["id"], "a");
  EXPECT_EQ(call({"reprioritise", "orders", "a", "urgent"}).code, 2);
  EXPECT_EQ(call({"reschedule", "orders", "a", "--at", "2100-01-01T00:00:00Z"}).code, 0);
  EXPECT_EQ(rows({"show", "orders", "a"})["due"], "2100-01-01 00:00:00.000Z");
  EXPECT_EQ(call({"move", "orders", "a", "--to", "mail"}).code, 0);
  EXPECT_EQ(rows({"show", "mail", "a"})["state"], "delayed");
  EXPECT_EQ(call({"move", "orders", "a", "--to", "mail"}).code, 1);
  EXPECT_EQ(call({"move", "orders", "b", "--to", "orders"}).code, 2);
  const Called refused = call({"purge", "orders", "--state", "delayed"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_NE(refused.err.find("throw away all 2 delayed messages of \"orders\""), std::string::npos)
      << refused.err;
  EXPECT_EQ(call({"purge", "orders", "--state", "delayed", "--dry-run"}).code, 0);
  EXPECT_EQ(state("b"), "delayed");
  EXPECT_EQ(call({"purge", "orders", "--state", "delayed", "--yes", "-o", "tsv"}).out,
            "removed\t2\n");
  EXPECT_EQ(call({"purge", "orders", "--state", "held", "--yes"}).code, 2);
}

TEST_F(Mxrmq, ShowsDeadLettersAndGroupsThemByError) {
  const Strings ids = make_dead({"no order 17", "no order 18", "bad \x1b[2J\nline"});
  const json list = rows({"dead", "list", "orders"});
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0]["id"], ids[2]);
  EXPECT_EQ(list[0]["error"], "bad \x1b[2J\nline");
  EXPECT_EQ(rows({"dead", "list", "orders", "--limit", "1", "--offset", "1"})[0]["id"], ids[1]);
  EXPECT_EQ(rows({"dead", "list", "orders", "--error", "no order*"}).size(), 2U);
  const json groups = rows({"dead", "groups", "orders"});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0]["count"], 2);
  EXPECT_EQ(groups[0]["error"], "no order N");
  EXPECT_EQ(groups[0]["sample"], ids[1]);
  const Called table = call({"dead", "list", "orders"});
  EXPECT_EQ(table.out.find('\x1b'), std::string::npos)
      << "no colour into a file, none from a message";
  EXPECT_NE(table.out.find("bad \\x1b[2J\\nline"), std::string::npos) << table.out;
  EXPECT_EQ(occurrences(table.out, "\n"), 4U);
  EXPECT_EQ(rows({"dead", "show", "orders", ids[0]})["payload"], "no order 17");
  EXPECT_EQ(call({"dead", "show", "orders", "nobody"}).code, 1);
  const Called lines = call({"dead", "export", "orders"});
  EXPECT_EQ(json::parse(lines.out.substr(0, lines.out.find('\n')))["message"]["id"], ids[2]);
}

TEST_F(Mxrmq, RequeuesAndRemovesWhatWasChosenAndNothingElse) {
  const Strings ids = make_dead({"timeout 1", "timeout 2", "wrong", "timeout 3"});
  EXPECT_EQ(call({"dead", "requeue", "orders"}).code, 2) << "it must be said which";
  const Strings timeouts{"dead", "requeue", "orders", "--error", "timeout*"};
  const auto with = [](Strings arguments, const Strings& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  const Called would = call(with(timeouts, {"--dry-run"}));
  EXPECT_EQ(would.out,
            "would requeue 3 of the dead letters of \"orders\", the oldest " + ids[0] + "\n");
  const Called unasked = call(timeouts);
  EXPECT_EQ(unasked.code, 4);
  EXPECT_NE(unasked.err.find("say --yes"), std::string::npos) << unasked.err;
  EXPECT_EQ(stat(server(), "orders", "requeued"), 0);
  const Called done =
      call(with(timeouts, {"--yes", "--limit", "2", "--rate", "100/s", "-o", "jsonl"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "{\"requeued\":2,\"skipped\":0,\"unknown\":0}\n");
  EXPECT_EQ(call({"dead", "remove", "orders", ids[3], "nobody", "--yes"}).code, 6);
  const json left = rows({"dead", "list", "orders"});
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0]["id"], ids[2]);
  EXPECT_EQ(call({"dead", "purge", "orders"}).code, 4);
  EXPECT_EQ(call({"dead", "purge", "orders", "--yes", "-o", "tsv"}).out, "removed\t1\n");
}

TEST_F(Mxrmq, ShowsAndChangesWhatIsSetForATopic) {
  call({"produce", "orders", "1"});
  EXPECT_EQ(rows({"topic", "orders"})["partitions"], 1);
  EXPECT_EQ(call({"topic", "orders", "set", "partitions=4"}).code, 4) << "nobody said yes";
  EXPECT_EQ(call({"topic", "orders", "set", "partitions=4", "--dry-run"}).code, 0);
  EXPECT_EQ(rows({"topic", "orders"})["partitions"], 1);
  const Called done = call({"topic", "orders", "set", "partitions=4", "--yes"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(rows({"topic", "orders"})["partitions"], 4);
  const Called fewer = call({"topic", "orders", "set", "partitions=2", "--yes"});
  EXPECT_EQ(fewer.code, 4) << fewer.err;
  EXPECT_EQ(call({"topic", "orders", "set", "colour=red", "--yes"}).code, 2);
  EXPECT_EQ(call({"topic", "orders", "set", "partitions=many", "--yes"}).code, 2);
}

TEST_F(Mxrmq, PausesResumesAndInterrupts) {
  call({"produce", "orders", "1"});
  EXPECT_EQ(call({"pause", "orders"}).code, 4) << "nobody said yes";
  EXPECT_EQ(call({"pause", "orders", "--dry-run"}).code, 0);
  EXPECT_EQ(rows({"topic", "orders"})["paused"], false);
  const Called done = call({"pause", "orders", "--for", "30m", "--yes"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(rows({"topics"})[0]["paused"], true);
  EXPECT_TRUE(rows({"topic", "orders"}).contains("paused_until"));
  EXPECT_EQ(call({"interrupt", "orders", "nobody", "--yes"}).code, 1);
  EXPECT_EQ(call({"resume", "orders"}).code, 0);
  EXPECT_EQ(rows({"topic", "orders"})["paused"], false);
  EXPECT_EQ(call({"pause", "orders", "--for", "soon", "--yes"}).code, 2);
}

TEST_F(Mxrmq, TellsMonitorsHowItIs) {
  make_dead({"a", "b"});
  EXPECT_EQ(call({"check"}).code, 0);
  const Called warning = call({"check", "--dead-warn", "1", "--dead-crit", "3"});
  EXPECT_EQ(warning.code, 1);
  EXPECT_EQ(warning.out,
            "MXRMQ WARNING - 2 dead in orders | 'orders waiting'=0 'orders dead'=2 'orders "
            "oldest'=0ms\n");
  EXPECT_EQ(call({"check", "--dead-crit", "2"}).code, 2);
  EXPECT_EQ(call({"check", "--oldest-crit", "0s"}).code, 2);
  EXPECT_EQ(call({"check", "--oldest-crit", "1h"}).code, 0);
  EXPECT_EQ(call({"check", "orders", "--min-consumers", "1"}).code, 2);
  const Called away = call({"check", "--url", "redis://127.0.0.1:1", "--timeout", "200ms"});
  EXPECT_EQ(away.code, 2);
  EXPECT_NE(away.out.find("MXRMQ CRITICAL - "), std::string::npos) << away.out;
}

TEST_F(Mxrmq, SeesWhatAServiceWouldTripOver) {
  const Called well = call({"doctor"});
  EXPECT_NE(well.out.find("eviction: noeviction"), std::string::npos) << well.out;
  call({"produce", "orders", "1"});
  const Called alone = call({"doctor"});
  EXPECT_EQ(alone.code, 2);
  EXPECT_NE(alone.out.find("no process consumes the topic"), std::string::npos) << alone.out;
  server().command({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  const Called evicting = call({"doctor", "-o", "jsonl"});
  server().command({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  EXPECT_EQ(evicting.code, 2);
  EXPECT_NE(evicting.out.find("\"seen\":\"maxmemory-policy is allkeys-lru"), std::string::npos)
      << evicting.out;
}

// Both are made from what the parser knows.
TEST_F(Mxrmq, CompletesCommandLinesAndHasAManual) {
  call({"produce", "orders", "1"});
  const std::string program = mxrmq::test::program();
  const auto completed = [&program](const std::string& words, int at) {
    const std::string base = server().directory() + "/completed";
    ChildOptions options;
    options.arguments = {"-c", "PATH=" + quoted(program.substr(0, program.rfind('/'))) +
                                   ":$PATH; source <(mxrmq completion bash); COMP_WORDS=(mxrmq " +
                                   words + "); COMP_CWORD=" + std::to_string(at) +
                                   "; _mxrmq; echo \"${COMPREPLY[@]}\" >" + quoted(base)};
    options.environment = TestRedis::get().environment();
    ChildProcess child = ChildProcess::start("bash", options);
    EXPECT_TRUE(child.wait(2 * patience).has_value());
    return content(base);
  };
  EXPECT_EQ(completed("dead re", 2), "requeue remove\n");
  EXPECT_EQ(completed("dead requeue --ra", 3), "--rate\n");
  EXPECT_EQ(completed("-o j", 2), "json jsonl\n");
  EXPECT_EQ(completed("produce or", 2), "orders\n");
  const std::string manual = call({"manual"}).out;
  for (const char* const each : {".SS dead requeue", ".SS topic set", "\\-\\-rate", ".SS doctor"})
    EXPECT_NE(manual.find(each), std::string::npos) << each;
  for (const char* const shell : {"zsh", "fish"})
    EXPECT_NE(call({"completion", shell}).out.find("requeue"), std::string::npos) << shell;
  EXPECT_EQ(call({"completion", "tcsh"}).code, 2);
}

TEST_F(Mxrmq, SaysWhatIsWrongAndEndsWithTheCodeForIt) {
  const Called away = call({"topics", "--url", "redis://127.0.0.1:1", "--timeout", "200ms"});
  EXPECT_EQ(away.code, 3);
  EXPECT_NE(away.err.find("127.0.0.1:1"), std::string::npos) << away.err;
  EXPECT_EQ(occurrences(away.err, "\n"), 1U) << away.err;
  EXPECT_EQ(call({"topics", "--url", "nonsense://x"}).code, 2);
  EXPECT_EQ(call({"topic", "no such"}).code, 2);
  EXPECT_EQ(call({"topic", "nobody"}).code, 1);
  EXPECT_EQ(call({"frobnicate"}).code, 2);
  EXPECT_EQ(call({"produce", "orders", "{"}).code, 2);
  EXPECT_EQ(call({"produce", "orders", "1", "--header", "x"}).code, 2);
  EXPECT_EQ(call({}).code, 2);
  EXPECT_EQ(call({"--help"}).code, 0);
  EXPECT_NE(call({"dead", "requeue", "--help"}).out.find("--rate"), std::string::npos);
}

TEST_F(Mxrmq, TellsWhatHappenedByTheMinuteAndNow) {
  EXPECT_EQ(call({"produce", "orders", "-"}, "1\n2").code, 0);
  EXPECT_EQ(call({"history", "orders", "--range", "8d"}).code, 2);
  EXPECT_EQ(rows({"history", "orders"}).size(), 0U) << "nobody has noted anything";
  RedisMessageQueue queue(config());
  sync_wait(queue.admin().note_history("orders"));
  const json history = rows({"history", "orders", "--range", "10m"});
  ASSERT_GE(history.size(), 1U);
  EXPECT_EQ(history[0]["waiting"], 2);
  EXPECT_EQ(history[0]["held"], 0);
  EXPECT_TRUE(history[0]["produced"].is_null()) << "it has nothing before it";
  EXPECT_EQ(rows({"history", "orders", "--range", "7d"}).back()["waiting"], 2);
  const json now = rows({"stats", "orders"});
  ASSERT_EQ(now.size(), 1U);
  EXPECT_EQ(now[0]["in/s"], 0.0);
  EXPECT_EQ(now[0]["waiting"], 2);
}

TEST_F(Mxrmq, ExporterServesAllTopicsAndNotesTheirHistoryUntilItIsStopped) {
  EXPECT_EQ(call({"produce", "orders", "1"}).code, 0);
  EXPECT_EQ(call({"exporter", "--listen", "localhost"}).code, 2);
  ChildOptions options;
  options.arguments = {"exporter", "--listen", "127.0.0.1:0", "--max-age", "0s"};
  options.environment = TestRedis::get().environment();
  options.output_file = server().directory() + "/exporter.out";
  ChildProcess exporter = ChildProcess::start(mxrmq::test::program(), options);
  ASSERT_TRUE(wait_output(exporter, "/metrics\n"));
  const std::string said = exporter.output();
  const auto port =
      static_cast<std::uint16_t>(std::stoi(said.substr(said.find("127.0.0.1:") + 10)));
  const std::string line = "\nmx_rmq_messages{topic=\"orders\",state=\"waiting\"} 1\n";
  ASSERT_TRUE(wait_for(
      patience, [&] { return http_get(port, "/metrics").find(line) != std::string::npos; }, 50ms))
      << http_get(port, "/metrics");
  ASSERT_TRUE(wait_for(
      2 * patience,
      [&] {
        return !rows({"history", "orders"}).empty();
      },
      200ms));
  exporter.signal(SIGTERM);
  const auto end = exporter.wait(patience);
  ASSERT_TRUE(end && end->exited);
  EXPECT_EQ(end->code, 0) << exporter.output();
}

}  // namespace
}  // namespace mx_rmq::test
