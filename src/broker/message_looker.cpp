#include "broker/message_looker.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/data/envelope.hpp"
#include "broker/scripts/fields.hpp"

namespace mx_rmq::broker {

namespace {

constexpr int consumers_step = 1'000;
constexpr int most_named = 10'000;

// "12.3" as two numbers; what is no tag comes first.
std::pair<std::int64_t, std::int64_t> order_of(const std::string& tag) {
  std::int64_t claim = 0;
  std::int64_t index = 0;
  const char* const end = tag.data() + tag.size();
  const auto read = std::from_chars(tag.data(), end, claim);
  if (read.ptr != end) std::from_chars(read.ptr + 1, end, index);
  return {claim, index};
}

}  // namespace

Task<LookList::Reply> MessageLooker::list(List list, bool from_tail, LookBounds bounds,
                                          const Wanted* wanted) {
  LookList::Args args;
  args.list = list;
  args.from_tail = from_tail;
  args.bounds = bounds;
  args.wanted = wanted;
  return broker_->call<LookList>(args, deadline());
}

Task<LookIndex::Reply> MessageLooker::index(bool dead, bool latest_first, LookBounds bounds,
                                            const Wanted* wanted) {
  LookIndex::Args args;
  args.dead = dead;
  args.latest_first = latest_first;
  args.bounds = bounds;
  args.wanted = wanted;
  return broker_->call<LookIndex>(args, deadline());
}

Task<LookHeld::Reply> MessageLooker::held(std::string consumer, std::span<const std::string> tags,
                                          int room, const Wanted* wanted) {
  LookHeld::Args args;
  args.consumer = consumer;
  args.bytes = look_bytes;
  args.room = room;
  args.wanted = wanted;
  args.tags = tags;
  return broker_->call<LookHeld>(args, deadline());
}

Task<std::vector<std::int64_t>> MessageLooker::scores(bool dead, bool latest_first,
                                                      std::int64_t skip, std::int64_t most) {
  std::vector<std::int64_t> out;
  if (most <= 0) co_return out;
  const TopicKeys& keys = broker_->keys();
  const char* const name = latest_first ? "ZREVRANGE" : "ZRANGE";
  redis::Command command =
      redis::Command::of(name, dead ? keys.dlq : keys.delayed, skip, skip + most - 1, "WITHSCORES");
  redis::Reply reply = co_await plain(std::move(command));
  Fields fields(name, std::move(reply));
  while (fields.left() > 0) {
    static_cast<void>(fields.text());
    out.push_back(fields.score());
  }
  co_return out;
}

Task<std::vector<std::string>> MessageLooker::consumers() {
  std::vector<std::string> out;
  for (int from = 0; from < most_named; from += consumers_step) {
    redis::Command command =
        redis::Command::of("ZRANGE", broker_->keys().consumers, from, from + consumers_step - 1);
    redis::Reply reply = co_await plain(std::move(command));
    Fields fields("ZRANGE", std::move(reply));
    std::vector<std::string> some = fields.rest();
    const bool last = some.size() < consumers_step;
    std::ranges::move(some, std::back_inserter(out));
    if (last) break;
  }
  co_return out;
}

Task<std::int64_t> MessageLooker::held_count(std::string consumer) {
  redis::Command command = redis::Command::of("HLEN", broker_->keys().processing(consumer));
  const redis::Reply reply = co_await plain(std::move(command));
  co_return reply.as_integer();
}

Task<std::vector<std::string>> MessageLooker::tags(std::string consumer) {
  redis::Command command = redis::Command::of("HKEYS", broker_->keys().processing(consumer));
  redis::Reply reply = co_await plain(std::move(command));
  Fields fields("HKEYS", std::move(reply));
  std::vector<std::string> out = fields.rest();
  std::ranges::sort(out, {}, order_of);
  co_return out;
}

Task<std::optional<Sighting>> MessageLooker::member(bool dead, std::string id) {
  const TopicKeys& keys = broker_->keys();
  redis::Command score = redis::Command::of("ZSCORE", dead ? keys.dlq : keys.delayed, id);
  redis::Reply when = co_await plain(std::move(score));
  if (when.is_nil()) co_return std::nullopt;
  redis::Command data = redis::Command::of("HGET", dead ? keys.dlq_data : keys.delayed_data, id);
  redis::Reply stored = co_await plain(std::move(data));
  if (stored.is_nil()) co_return std::nullopt;
  Sighting out;
  out.state = dead ? MessageState::dead : MessageState::delayed;
  out.looked.member = id;
  const std::string number = when.take_string();
  double score_of = 0;
  std::from_chars(number.data(), number.data() + number.size(), score_of);
  out.looked.score = static_cast<std::int64_t>(score_of);
  out.looked.envelope = stored.take_string();
  if (dead) {
    const std::size_t end = out.looked.envelope.find('\n');
    out.looked.line = out.looked.envelope.substr(0, end);
    out.looked.envelope.erase(0, end == std::string::npos ? end : end + 1);
  }
  out.looked.size = out.looked.envelope.size();
  // A name with a suffix may look like another message's id.
  const auto view = parse_envelope(out.looked.envelope);
  if (view && view->id != id) co_return std::nullopt;
  co_return out;
}

Task<std::optional<Sighting>> MessageLooker::holding(std::string id, std::int64_t* looked_at) {
  Wanted wanted;
  wanted.what = Wanted::What::id;
  wanted.texts = {id};
  wanted.payload_bytes = whole_payload;
  const std::vector<std::string> all = co_await consumers();
  for (const std::string& consumer : all) {
    const std::vector<std::string> its_tags = co_await tags(consumer);
    std::span<const std::string> left(its_tags);
    while (!left.empty()) {
      const auto some = left.first(std::min<std::size_t>(left.size(), look_step));
      LookHeld::Reply looked = co_await held(consumer, some, 1, &wanted);
      *looked_at += looked.seen;
      if (!looked.found.empty()) {
        Sighting out;
        out.state = MessageState::held;
        out.consumer = consumer;
        out.lease_until = looked.lease_until;
        out.looked = std::move(looked.found.front());
        co_return out;
      }
      left = left.subspan(static_cast<std::size_t>(std::max<std::int64_t>(looked.seen, 1)));
    }
  }
  co_return std::nullopt;
}

Task<std::optional<std::int64_t>> MessageLooker::id_until(std::string id) {
  redis::Command command = redis::Command::of("HGET", broker_->keys().ids, id);
  redis::Reply reply = co_await plain(std::move(command));
  if (reply.is_nil()) co_return std::nullopt;
  const std::string text = reply.take_string();
  std::int64_t until = 0;
  std::from_chars(text.data(), text.data() + text.size(), until);
  if (until <= 0) co_return std::nullopt;
  co_return until;
}

}  // namespace mx_rmq::broker
