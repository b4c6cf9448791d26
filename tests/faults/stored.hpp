// What a server has of a topic, read straight from its keys as docs/protocol.md describes them and
// not by the library under test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faults/checker.hpp"
#include "support/redis_client.hpp"

namespace mx_rmq::faults {

struct Stored {
  std::uint64_t key = 0;  // the number in its payload
  std::uint64_t id = 0;   // hash of the message's id
  std::uint16_t attempt = 0;
  std::uint16_t recoveries = 0;
  std::string_view payload;
};

// Nothing if it is no envelope, or its payload has no number.
std::optional<Stored> read_envelope(std::string_view bytes);

// Payloads of fault tests are objects with a number "k".
std::optional<std::uint64_t> key_of_payload(std::string_view payload);

struct Contents {
  std::vector<Left> dead;
  std::vector<Left> rest;       // waiting, delayed or held
  std::int64_t unreadable = 0;  // what read_envelope() does not take
};
Contents read_contents(test::RedisClient& client, const std::string& topic);

// The library's audit of a topic. Empty text: sound. `rest`: what is ready, delayed or held.
struct Audited {
  bool done = false;  // false: consumers came and went meanwhile
  std::string wrong;
  std::int64_t rest = 0;
};
Audited audit_topic(test::RedisClient& client, const std::string& topic);

// The history of the server's append-only file: what was granted to which consumer and what was
// acknowledged, in the server's order. Needs appendonly, and no rewriting.
std::vector<Record> read_server_history(const std::string& directory);

// The append-only file that a server writes to at present, under its directory.
std::string append_only_file(const std::string& directory);

// Of a server that was killed: cuts what a script had written by half off its append-only file, as
// redis-check-aof --fix does; false if there was nothing. Redis itself (valkey-io/valkey#4342)
// leaves the MULTI and the whole commands after it there, does not apply them, and does so at the
// restart after next.
bool drop_unfinished_script(const std::string& directory);

}  // namespace mx_rmq::faults
