#include "limit.hpp"

#include <hiredis/hiredis.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "broker/data/envelope.hpp"
#include "mx_rmq_scripts.hpp"

namespace bench {
namespace {

namespace broker = mx_rmq::broker;
namespace lua = mx_rmq::lua;

constexpr std::size_t claim_bytes = std::size_t{4} << 20;
constexpr std::string_view claim_bytes_text = "4194304";
constexpr std::int64_t ttl = 86'400'000;
// As long as a UUID, which the library generates.
constexpr std::string_view blank_id = "00000000-0000-7000-8000-000000000000";

std::int64_t unix_ms() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string encode(std::int64_t due, std::string_view payload) {
  broker::EnvelopeView view;
  view.max_recoveries = 3;
  view.created_at = unix_ms();
  view.ttl = ttl;
  view.expire_at = due + ttl;
  view.id = blank_id;
  view.payload = payload;
  return broker::encode_envelope(view);
}

// 32 hex digits, as the library's: another one for each Limit, for a producer's batches are
// numbered.
std::string unique_id() {
  static std::atomic<std::uint64_t> counter{0};
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%08lx%08llx",
                static_cast<unsigned long long>(unix_ms()), static_cast<unsigned long>(getpid()),
                static_cast<unsigned long long>(++counter));
  return text.data();
}

void write_id(char* at, std::uint64_t number) {
  constexpr char digits[] = "0123456789abcdef";
  for (int i = 0; i < 12; ++i) at[35 - i] = digits[(number >> (4 * i)) & 15U];
}

}  // namespace

Limit::Topic::Topic(const std::string& name, const std::string& id)
    : keys("", name), producer(keys.producer(id)), processing(keys.processing(id + ".0")) {}

Limit::Limit(Plain& redis, std::vector<std::string> topics, std::size_t payload_bytes,
             LimitShape shape)
    : redis_(redis), shape_(shape), next_id_(static_cast<std::uint64_t>(unix_ms()) << 20U) {
  const std::string id = unique_id();
  consumer_ = id + ".0";
  for (const std::string& topic : topics) topics_.emplace_back(topic, id);
  for (const lua::Script* script : {&lua::produce, &lua::claim, &lua::ack}) redis_.load(*script);
  prepare(payload_bytes);
}

LimitShape Limit::fit(LimitShape shape, std::size_t payload_bytes) {
  const std::size_t most = std::max<std::size_t>(1, claim_bytes / 4 / (payload_bytes + 200));
  shape.batch = static_cast<int>(std::min(most, static_cast<std::size_t>(shape.batch)));
  return shape;
}

void Limit::prepare(std::size_t payload_bytes) {
  std::string payload(std::max<std::size_t>(payload_bytes, 2), 'x');
  payload.front() = payload.back() = '"';
  const std::string envelope = encode(unix_ms(), payload);
  id_at_ = envelope.find(blank_id);
  envelopes_.assign(static_cast<std::size_t>(shape_.batch), envelope);
}

void Limit::stamp(std::size_t slot) { write_id(envelopes_[slot].data() + id_at_, next_id_++); }

void Limit::send_produce(Topic& topic, long messages) {
  const std::string number = std::to_string(++topic.batches);
  const std::string count = std::to_string(messages);
  arguments_ = {"EVALSHA",
                lua::produce.sha1,
                "4",
                topic.producer,
                topic.keys.idle,
                topic.keys.stats,
                topic.keys.ready(broker::List::normal),
                number,
                "30000",
                "1",
                "0",
                "0",
                count};
  for (std::size_t i = 0; i < static_cast<std::size_t>(messages); ++i) {
    stamp(i);
    arguments_.push_back(envelopes_[i]);
  }
  arguments_.push_back("PUBLISH");
  redis_.append(arguments_);
}

void Limit::read_produce() {
  const Reply reply = redis_.receive();
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
      std::string_view(reply->element[1]->str) != "ok")
    throw std::runtime_error("limit: a batch was not taken");
}

void Limit::produce(long messages) {
  int under_way = 0;
  while (messages > 0 || under_way > 0) {
    if (messages > 0 && under_way < shape_.depth) {
      const long now = std::min<long>(messages, shape_.batch);
      send_produce(next_topic(), now);
      messages -= now;
      ++under_way;
      continue;
    }
    read_produce();
    --under_way;
  }
}

void Limit::produce_delayed(long messages, const std::function<std::int64_t(long)>& due) {
  Topic& topic = topics_.front();
  for (long done = 0; done < messages;) {
    const long now = std::min<long>(messages - done, shape_.batch);
    texts_.clear();
    texts_.push_back(std::to_string(++topic.batches));
    for (long i = 0; i < now; ++i) {
      const std::int64_t at = due(done + i);
      const std::string when = std::to_string(at);
      std::string id(blank_id);
      write_id(id.data(), next_id_++);
      std::string envelope = encode(at, when);
      envelope.replace(envelope.find(blank_id), blank_id.size(), id);
      texts_.push_back(when);
      texts_.push_back(std::move(id));
      texts_.push_back(std::move(envelope));
    }
    const broker::TopicKeys& keys = topic.keys;
    arguments_ = {"EVALSHA",    lua::produce.sha1, "5",       topic.producer, keys.idle, keys.stats,
                  keys.delayed, keys.delayed_data, texts_[0], "30000",        "0",       "1",
                  "0"};
    for (std::size_t i = 1; i < texts_.size(); i += 3)
      arguments_.insert(arguments_.end(), {"0", texts_[i], texts_[i + 1], "0", texts_[i + 2]});
    arguments_.push_back("PUBLISH");
    redis_.append(arguments_);
    read_produce();
    done += now;
  }
}

void Limit::send_claim(Topic& topic, long messages) {
  const std::string most = std::to_string(messages);
  const std::string number = std::to_string(++topic.claims);
  const broker::TopicKeys& keys = topic.keys;
  arguments_ = {"EVALSHA",
                lua::claim.sha1,
                "11",
                keys.ready(broker::List::high),
                keys.ready(broker::List::normal),
                keys.ready(broker::List::low),
                keys.ready(broker::List::suspect),
                keys.delayed,
                keys.delayed_data,
                topic.processing,
                keys.consumers,
                keys.idle,
                keys.stats,
                keys.settings,
                most,
                consumer_,
                "30000",
                "100",
                number,
                "1",
                claim_bytes_text,
                "256",
                "0",
                lists_ ? "1" : "0",
                lists_ ? "1" : "0",
                "PUBLISH"};
  redis_.append(arguments_);
}

Limit::Held Limit::read_claim(Topic& topic, long number) {
  const Reply reply = redis_.receive();
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 7)
    throw std::runtime_error("limit: a claim was lost");
  listed_ = reply->element[6]->integer == 1;
  return {&topic, number, static_cast<long>(reply->elements) - 7};
}

void Limit::send_ack(const Held& held) {
  texts_.clear();
  const std::string prefix = std::to_string(held.claim) + ".";
  for (long i = 1; i <= held.count; ++i) texts_.push_back(prefix + std::to_string(i));
  const broker::TopicKeys& keys = held.topic->keys;
  arguments_ = {"EVALSHA",
                lua::ack.sha1,
                "3",
                held.topic->processing,
                keys.consumers,
                keys.stats,
                consumer_,
                "completed",
                "",
                "0"};
  arguments_.insert(arguments_.end(), texts_.begin(), texts_.end());
  redis_.append(arguments_);
}

void Limit::consume(long messages) {
  struct Call {
    Topic* topic;
    long claim;  // 0: an ack
    long asked;
  };
  std::deque<Call> calls;
  long wanted = messages;  // by claims under way or still to be sent
  long settled = 0;
  int claims = 0;
  std::size_t empty = 0;
  while (settled < messages) {
    while (wanted > 0 && claims < shape_.depth) {
      Topic& topic = next_topic();
      const long now = std::min<long>(wanted, shape_.batch);
      send_claim(topic, now);
      calls.push_back({&topic, topic.claims, now});
      wanted -= now;
      ++claims;
    }
    const Call call = calls.front();
    calls.pop_front();
    if (call.claim == 0) {
      settled += redis_.receive()->integer;
      continue;
    }
    const Held got = read_claim(*call.topic, call.claim);
    --claims;
    wanted += call.asked - got.count;
    empty = got.count == 0 ? empty + 1 : 0;
    if (empty > 2 * topics_.size() + 2U * static_cast<std::size_t>(shape_.depth))
      throw std::runtime_error("limit: fewer messages than expected");
    if (got.count == 0) continue;
    send_ack(got);
    calls.push_back({got.topic, 0, 0});
  }
  while (!calls.empty()) {
    redis_.receive();
    calls.pop_front();
  }
}

void Limit::claim(long messages) {
  while (messages > 0) {
    Topic& topic = next_topic();
    send_claim(topic, std::min<long>(messages, shape_.batch));
    const Held got = read_claim(topic, topic.claims);
    if (got.count == 0) throw std::runtime_error("limit: fewer messages than expected");
    held_.push_back(got);
    messages -= got.count;
  }
}

std::string Limit::consumer_alias() const { return consumer_.substr(0, consumer_.rfind('.')); }

void Limit::become_idle() {
  lists_ = true;
  Topic& topic = topics_.front();
  send_claim(topic, 0);
  read_claim(topic, topic.claims);
}

void Limit::ack(long messages) {
  while (messages > 0) {
    if (held_.empty()) throw std::runtime_error("limit: nothing is held");
    const Held next = held_.front();
    held_.pop_front();
    send_ack(next);
    messages -= redis_.receive()->integer;
  }
}

}  // namespace bench
