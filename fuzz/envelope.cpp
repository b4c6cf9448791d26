// Stored bytes, whoever wrote them: envelopes, attempts' history, dead letters' lines, tags.
#include <stdexcept>

#include "broker/data/envelope.hpp"
#include "broker/data/history.hpp"
#include "broker/data/tag.hpp"
#include "broker/dead_letter_store.hpp"
#include "fuzz.hpp"
#include "lua_head.hpp"

using namespace mx_rmq;
using fuzz::require;

namespace {

bool same(const broker::EnvelopeView& a, const broker::EnvelopeView& b) {
  return a.priority == b.priority && a.attempts == b.attempts && a.recoveries == b.recoveries &&
         a.max_recoveries == b.max_recoveries && a.created_at == b.created_at && a.ttl == b.ttl &&
         a.expire_at == b.expire_at && a.id_until == b.id_until && a.id == b.id &&
         a.headers == b.headers && a.history == b.history && a.payload == b.payload;
}

void check_history(std::string_view history) {
  const auto parsed = broker::parse_history(history);
  broker::History grown = parsed.value_or(broker::History());
  const std::string next_error(history.substr(0, 1'000));
  broker::add_failure(grown, next_error, 1'750'000'000'000, 1'750'000'000'001);
  broker::add_interruption(grown, 1'750'000'000'002);
  const std::string next = broker::encode_history(grown, 64);
  require(next.find('\n') == std::string::npos && next.find('\t') == std::string::npos,
          "a history is one line");
  const auto again = broker::parse_history(next);
  require(again.has_value(), "what is written as a history can be read");
  require(again->last_error && again->last_error->size() <= 64, "an error is capped");
  require(!again->started_at.empty() && again->started_at.back() == 1'750'000'000'000,
          "the last attempt is the one given");
  require(again->started_at.size() <= broker::max_history_times, "a history is bounded");
  require(again->interruptions == grown.interruptions && again->ended_at == grown.ended_at &&
              again->interrupted_run == grown.interrupted_run &&
              again->requeued_at == grown.requeued_at && again->failures == grown.failures &&
              again->max_retries == grown.max_retries && again->retry_delays == grown.retry_delays,
          "a history keeps all its members");
}

void check_envelope(std::string_view bytes) {
  const auto view = broker::parse_envelope(bytes);
  require(view.has_value() == fuzz::lua_accepts(bytes), "scripts and client accept the same bytes");
  if (!view) return;
  require(view->head_size + view->payload.size() == bytes.size(),
          "the payload is all behind the head");
  require(bytes.substr(view->head_size) == view->payload, "the payload is taken byte for byte");
  const std::string encoded = broker::encode_envelope(*view);
  const auto again = broker::parse_envelope(encoded);
  require(again.has_value(), "what is written as an envelope can be read");
  require(same(*view, *again), "an envelope keeps all its fields");
  require(broker::encode_head(*view) == encoded.substr(0, again->head_size),
          "a head is the front of its envelope");
  check_history(view->history);
}

void check_tag(std::string_view text) {
  const auto tag = broker::Tag::parse(text);
  if (tag) require(tag->text() == text, "a tag is read only if it is written so");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_envelope(bytes);
  check_history(bytes);
  check_tag(bytes);
  broker::StoredDeadLetter stored;
  stored.member = "m";
  stored.value = bytes;
  const broker::DeadLetterRecord record = broker::read_dead_letter(stored);
  require(record.envelope.size() <= size, "a dead letter's envelope is part of what is stored");
  require(bytes.ends_with(record.envelope), "a dead letter's envelope is taken byte for byte");
  return 0;
}
