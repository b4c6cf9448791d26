#include "fixtures.hpp"

namespace mx_rmq::test {

ScriptOp at(std::int64_t ms, const std::string& script, const std::string& who,
            std::vector<std::string> argv, std::vector<std::string> lists,
            std::vector<std::string> named) {
  return {{script, fixture_topic, who, std::move(argv), std::move(lists), std::move(named)},
          (start_ms + ms) * 1000};
}

EnvelopeText message(int serial, char priority, const std::string& id, std::int64_t until) {
  EnvelopeText e;
  e.priority = priority;
  e.created = start_ms;
  e.ttl = 1'000'000;
  e.expire = start_ms + e.ttl;
  e.until = until;
  e.id = id.empty() ? "g" + std::to_string(serial) : id;
  e.payload = "{}#" + std::to_string(serial) + "#";
  return e;
}

ScriptOp produce_plain(std::int64_t ms, int number, const std::string& list,
                       const std::vector<std::string>& envelopes) {
  std::vector<std::string> argv{std::to_string(number),          "60000000", "1", "0", "0",
                                std::to_string(envelopes.size())};
  argv.insert(argv.end(), envelopes.begin(), envelopes.end());
  return at(ms, "produce", "p", argv, {list});
}

ScriptOp claim(std::int64_t ms, const std::string& who, int number, int n, bool first,
               std::int64_t lease, const std::string& bytes, const std::string& list,
               const std::string& listed) {
  return at(ms, "claim", who,
            {std::to_string(n), who, std::to_string(lease), "100", std::to_string(number),
             first ? "1" : "0", bytes, "4", "0", list, listed});
}

namespace {

constexpr std::int64_t until = start_ms + 2'000'000;

std::vector<std::string> other(int place, std::int64_t due, const EnvelopeText& e) {
  return {std::to_string(place), std::to_string(start_ms + due), e.id, std::to_string(e.until),
          e.text()};
}

}  // namespace

std::vector<ScriptOp> fixture(int idle) {
  std::vector<ScriptOp> out;
  out.push_back(at(-100, "configure", "", {"-1", "0", "partitions", "4", "active", "2"}));
  for (int i = 10; i < 10 + idle; ++i) {
    const std::string name = "i" + std::to_string(i);
    if (i % 3 != 0) out.push_back(at(-100 + i, "listen", name, {}));
    out.push_back(claim(-100 + i, name + ".0", 1, 0, true, 1000, "100000", "1"));
  }
  // d.0 takes two good messages, one of which may not be recovered any more, and garbage, and is
  // not heard of again.
  EnvelopeText last_chance = message(2, 'h', "poison", until);
  last_chance.limit = 0;
  EnvelopeText once = message(3, 'l');
  once.recoveries = 1;
  std::vector<std::string> argv{
      "1", "60000000", "1", "0", "1", "2", message(1, 'h').text(), "mx1 garbage #4#"};
  for (const EnvelopeText& e : {last_chance, once}) {
    const auto row = other(1, 0, e);
    argv.insert(argv.end(), row.begin(), row.end());
  }
  out.push_back(at(0, "produce", "p", argv, {"high"}));
  out.push_back(claim(0, "d.0", 1, 10, true, 100));
  // c.0 takes three, one with a chosen id, and goes on.
  argv = {"2", "60000000", "1", "0", "1", "2", message(5).text(), message(6).text()};
  const auto row = other(1, 0, message(7, 'n', "chosen", until));
  argv.insert(argv.end(), row.begin(), row.end());
  out.push_back(at(1, "produce", "p", argv, {"normal"}));
  out.push_back(claim(1, "c.0", 1, 10, true, 100'000));
  // Three that are dead, one of them with a chosen id and one that cannot be read, by c.0.
  argv = {"3", "60000000", "1", "0", "1", "2", message(8).text(), "garbage #9#"};
  const auto dead_row = other(1, 0, message(10, 'n', "dead one", until));
  argv.insert(argv.end(), dead_row.begin(), dead_row.end());
  out.push_back(at(2, "produce", "p", argv, {"normal"}));
  out.push_back(claim(2, "c.0", 2, 10, false, 100'000));
  out.push_back(at(3, "dead", "c.0",
                   {"c.0", "0", "2.1", "g8", "retries\t[\"e\",[1]]", "2.2", "!c.0.2.2", "decode\t",
                    "2.3", "dead one", "rejected\t[\"e\",[1]]"}));
  // One suspect that waits.
  EnvelopeText suspect = message(11, 'h');
  suspect.recoveries = 2;
  out.push_back(at(4, "produce", "p",
                   {"4", "60000000", "0", "1", "0", "0", std::to_string(start_ms + 4), suspect.id,
                    "0", suspect.text()}));
  out.push_back(claim(5, "c.0", 3, 0, false));
  // Waiting ones, the first of each list expired; delayed ones, one due and one with a chosen id.
  int serial = 12;
  for (const char* list : {"high", "normal", "low"}) {
    EnvelopeText expired = message(serial, *list, "x" + std::to_string(serial), until);
    expired.expire = start_ms + 10;
    argv = {std::to_string(serial), "60000000", "1", "0", "1", "0"};
    for (const auto& each :
         {other(1, 0, expired), other(1, 0, message(serial + 1, *list)),
          other(1, 0, message(serial + 2, *list, "w" + std::to_string(serial + 2), until))}) {
      argv.insert(argv.end(), each.begin(), each.end());
    }
    out.push_back(at(6, "produce", "p", argv, {list}));
    serial += 3;
  }
  argv = {"50", "60000000", "0", "1", "1"};
  for (const auto& each :
       {other(0, 150, message(21, 'l')), other(0, 160, message(22, 'h', "later", until)),
        other(0, 9'000, message(23, 'n', "much later", until))}) {
    argv.insert(argv.end(), each.begin(), each.end());
  }
  out.push_back(at(7, "produce", "p", argv));
  out.push_back(at(7, "snapshot", "", {"480", "1008"}));
  if (idle == 1) out.push_back(at(7, "unlisten", "i10", {}));
  return out;
}

std::vector<ScriptOp> writing_calls() {
  const EnvelopeText plain = message(5);
  EnvelopeText again = plain;
  again.attempts = 1;
  again.rare = "\t[\"e\",[1]]";
  const std::string length = std::to_string(plain.head().size());
  EnvelopeText fresh = message(60, 'h', "fresh", until);
  EnvelopeText delayed = message(61, 'l', "later", 0);
  EnvelopeText first = message(62, 'l', "soon", until);
  std::vector<std::string> batch{"51",
                                 "60000000",
                                 "2",
                                 "1",
                                 "1",
                                 "1",
                                 "2",
                                 message(63, 'h').text(),
                                 message(64, 'l').text(),
                                 message(65, 'l').text()};
  for (const auto& row : {other(1, 0, fresh), other(0, 500, delayed), other(0, 10, first)}) {
    batch.insert(batch.end(), row.begin(), row.end());
  }
  std::vector<std::string> looking = batch;
  looking.push_back(std::to_string(start_ms - 100));
  std::vector<std::string> stale = batch;
  stale.push_back("0");
  return {
      at(200, "produce", "p", batch, {"high", "low"}),
      at(200, "produce", "p", looking, {"high", "low"}, {"settings"}),
      at(200, "produce", "p", stale, {"high", "low"}, {"settings"}),
      at(200, "configure", "", {"-1", "0", "partitions", "16", "active", "4"}),
      at(200, "configure", "", {"-1", "1"}),
      at(200, "configure", "", {"-1", "0", "paused_until", std::to_string(start_ms + 300)}),
      at(200, "answer", "k", {"c.0", "1", "60000000"}),
      at(200, "copy_settings", "",
         {std::to_string(start_ms + 300), "partitions", "8", "active", "8", "ids_active", "8"}),
      at(200, "raise_ids", "", {std::to_string(start_ms + 300), "8", "8"}),
      at(200, "raise_ids", "", {"0", "1", "1"}, {"unused"}),
      claim(200, "c.0", 4, 5, false),
      claim(200, "e.0", 1, 100, true),
      claim(200, "c.0", 4, 0, false),
      at(200, "suspect", "e.0", {"e.0", "1000", "1", "1"}),
      at(200, "ack", "c.0",
         {"c.0", "completed", "", "1", "1.3", "chosen", std::to_string(until), "1.1", "1.2"}),
      at(200, "ack", "c.0", {"c.0", "discarded", "expired", "0", "1.1"}),
      at(200, "retry", "c.0",
         {"c.0", "1.1", "50", "g5", length, again.head(), "1.2", "0", "later",
          std::to_string(message(6).head().size()), message(6, 'h', "later").head()}),
      at(200, "dead", "c.0",
         {"c.0", "2", "1.3", "chosen", "retries\t[\"e\",[1]]", "1.1", "g8", "expired\t"}),
      at(200, "dead", "c.0",
         {"c.0", "0", "1.3", "chosen", "retries\t[\"e\",[1]]", "1.1", "g8", "expired\t"}),
      at(200, "release", "c.0", {"c.0", "1.3", "0", "", "1.1", length, again.head()}),
      at(200, "tend", "c.0", {"c.0", "1000", "3", "100", "100000", "1.2", "1.9"}),
      at(200, "reap", "d.0", {"d.0", "100", "100000", "100000", "2"}),
      at(200, "reap", "d.0", {"d.0", "2", "100000", "100000", "0"}),
      at(200, "reap", "c.0", {"c.0", "100", "100000", "50", "0"}),
      at(200, "sweep", "", {"c.0", "1", "100", "100000", "dead", "50", "0"}),
      at(200, "sweep", "", {"c.0", "1", "100", "100000", "dead", "50", "2"}),
      at(200, "sweep", "", {"c.0", "1", "100", "100000", "drop", "100000", "0"}),
      claim(200, "e.0", 1, 100, true, 1000, "100000", "1"),
      claim(200, "i10.0", 2, 1, true, 1000, "100000", "1", "1"),
      claim(200, "i10.0", 2, 100, true, 1000, "100000", "0", "1"),
      at(200, "pass", "", {"c.0", "2"}),
      at(200, "unlist", "", {"i10.0"}),
      at(200, "unlist", "", {"i25.0"}),
      at(200, "leave", "i10.0", {"i10.0", "0"}),
      at(200, "sweep", "", {"i10.0", "2", "100", "100000", "dead", "50", "0"}),
      at(70'000, "sweep", "", {"i10.0", "1", "100", "100000", "dead", "50", "0"}),
      at(200, "leave", "c.0", {"c.0", std::to_string(start_ms + 4)}),
      at(200, "leave", "c.0", {"c.0", "-1"}),
      at(200, "cancel", "", {"much later"}),
      at(200, "cancel_page", "", {"w16", "0", "1000", "100000"}, {"normal"}),
      at(200, "cancel_page", "", {"w17", "0", "1000", "100000"}, {"normal"}),
      at(200, "promote", "", {"g21", "much later", "nobody"}),
      at(200, "reschedule", "", {"much later", std::to_string(start_ms + 100), "h"}),
      at(200, "reschedule", "", {"later", "", "l"}),
      at(200, "displace", "", {"w17", "0", "10", "100000", "h"}, {"normal", "high"}),
      at(200, "displace", "", {"w20", "1", "10", "100000", std::to_string(start_ms + 100)},
         {"low", "delayed"}),
      at(200, "displace", "", {"g11", "0", "10", "100000", "l"}, {"suspect", "suspect"}),
      at(200, "purge_list", "", {"0", "0", "100", "100000"}, {"normal"}),
      at(200, "purge_list", "", {"0", "1", "1", "100000"}, {"low"}),
      at(200, "purge_delayed", "", {"0", "0", "100", "100000"}),
      at(200, "requeue", "", {"dead one"}),
      at(200, "requeue_all", "", {"0", "0", "100", "100000"}),
      at(200, "dlq_remove", "", {"dead one", "g8", "nobody"}),
      at(200, "dlq_purge", "", {"0", "100", "100000"}),
      at(200, "snapshot", "", {"480", "1008"}),
      at(70'000, "snapshot", "", {"1", "1"}),
  };
}

std::vector<ScriptOp> all_calls() {
  std::vector<ScriptOp> out = writing_calls();
  out.push_back(at(200, "dlq_list", "", {"0", "10", "100000"}));
  out.push_back(at(200, "dlq_get", "", {"dead one"}));
  out.push_back(at(200, "look_list", "", {"0", "0", "10", "100000", "10", "5", "", "0"}, {"high"}));
  out.push_back(at(200, "look_index", "",
                   {"0", "0", "10", "100000", "10", "1", "5", "error", "1", "e"}, {"dlq"}));
  out.push_back(at(200, "look_held", "c.0",
                   {"c.0", "100000", "10", "5", "id", "1", "g5", "1.1", "1.2", "1.3"}));
  out.push_back(at(200, "stats", "", {"10"}));
  out.push_back(at(200, "settings", "", {}));
  out.push_back(at(200, "ask", "k", {"q k paused 1", "0", "100"}));
  out.push_back(at(200, "forget", "", {"100"}));
  out.push_back(at(200, "audit", "", {"1000", "c.0", "d.0"}, {}, {"c.0", "d.0"}));
  return out;
}

}  // namespace mx_rmq::test
