// Topics and ids, and where they turn up: keys, envelopes, log lines, JSON.
//
// Input: a topic, a newline, an id.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "api/checks.hpp"
#include "api/json_text.hpp"
#include "broker/data/envelope.hpp"
#include "broker/data/history.hpp"
#include "broker/data/keys.hpp"
#include "fuzz.hpp"
#include "runtime/text.hpp"
#include "runtime/utf8.hpp"

using namespace mx_rmq;
using fuzz::require;

namespace {

template <class Check>
bool accepts(Check check, std::string_view name) {
  try {
    check(name);
    return true;
  } catch (const std::invalid_argument& error) {
    const std::string_view what = error.what();
    require(std::ranges::all_of(what, [](char c) { return c == ' ' || c > ' ' || c < 0; }),
            "an error has no control bytes");
    return false;
  }
}

bool topic_by_the_book(std::string_view topic) {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  return !topic.empty() && topic.size() <= 128 &&
         topic.find_first_not_of(allowed) == std::string_view::npos;
}

// The part of a key that decides its slot, as Redis Cluster does it.
std::string_view slot_part(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const std::size_t close = key.find('}', open);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

void check_topic(std::string_view topic, std::string_view id) {
  const bool accepted = accepts(api::validate_topic, topic);
  require(accepted == topic_by_the_book(topic), "topics are what the documentation says");
  if (!accepted) return;
  const broker::TopicKeys keys("", topic);
  for (const std::string& key :
       {keys.ready(broker::List::high), keys.ready(broker::List::suspect), keys.delayed,
        keys.delayed_data, keys.consumers, keys.dlq, keys.dlq_data, keys.ids, keys.idle, keys.stats,
        keys.processing(id), keys.producer(id)}) {
    require(slot_part(key) == topic, "all keys of a topic are in one slot");
  }
}

bool json_accepts(std::string_view text) {
  return nlohmann::json::accept(text.begin(), text.end());
}

void check_id(std::string_view id) {
  const bool valid_text = runtime::utf8::find_invalid(id) == std::string_view::npos;
  std::string quoted;
  api::append_json_string(quoted, id, api::BadUtf8::replace);
  require(json_accepts(quoted), "any bytes become a JSON string");
  require(std::ranges::none_of(quoted, [](char c) { return c >= 0 && c < ' '; }),
          "a JSON string has no control bytes");
  if (valid_text) {
    require(nlohmann::json::parse(quoted).get<std::string>() == id, "valid text is kept in JSON");
    std::string json;
    json = nlohmann::json(std::string(id)).dump();
    require(json_accepts(json), "what we take for UTF-8 nlohmann does, too");
  }
  std::string cut;
  api::append_json_string(cut, id, api::BadUtf8::replace, 10);
  require(cut.size() <= 12 && json_accepts(cut), "a JSON string is capped as it is written");
  std::string shown;
  runtime::text::append_value(shown, id);
  require(std::ranges::none_of(shown, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }),
          "what is logged has no control bytes");
  require(runtime::utf8::find_invalid(shown) == std::string_view::npos,
          "what is logged is valid text");
  const bool accepted = accepts(api::validate_message_id, id);
  require(accepted == (valid_text && !id.empty() && id.size() <= 256),
          "ids are what the documentation says");
  if (id.size() > broker::max_id_size) return;
  broker::EnvelopeView view;
  view.id = id;
  view.payload = id;
  const std::string envelope = broker::encode_envelope(view);
  const auto read = broker::parse_envelope(envelope);
  require(read && read->id == id && read->payload == id, "any id comes back from its envelope");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::string_view topic = input.line();
  check_topic(topic, input.rest());
  check_id(input.rest());
  return 0;
}
