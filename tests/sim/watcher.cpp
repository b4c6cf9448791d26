#include "watcher.hpp"

#include <array>
#include <charconv>

#include "broker/data/envelope.hpp"
#include "broker/data/keys.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::sim {

namespace {

std::int64_t number(std::string_view text) {
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::string_view without_incarnation(std::string_view consumer) {
  return consumer.substr(0, consumer.rfind('.'));
}

// What of a topic a key holds.
std::string_view after_tag(std::string_view key) {
  const std::size_t tag = key.find("}:");
  return tag == std::string_view::npos ? std::string_view() : key.substr(tag + 2);
}

std::string tag_of(std::string_view key) {
  const std::size_t open = key.find('{');
  const std::size_t close = key.find('}');
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  return std::string(key.substr(open + 1, close - open - 1));
}

// Whether a script's second reply element says that nothing was done.
bool refused(const Value& reply) {
  if (reply.kind == Value::Kind::integer) return reply.integer < 0;
  return reply.kind != Value::Kind::array || reply.elements.size() < 2 ||
         reply.elements[1].text != "ok";
}

}  // namespace

Watcher::Watcher(Books& books, const Scheduler& scheduler, MiniRedis& redis)
    : books_(books), scheduler_(scheduler), redis_(redis) {
  for (const lua::Script* const script : lua::all()) scripts_.emplace(script->sha1, script->name);
}

std::string_view Watcher::script_of(const Arguments& command) const {
  if (command[0] == "EVALSHA") {
    const auto found = scripts_.find(command[1]);
    if (found != scripts_.end()) return found->second;
  } else if (command[0] == "EVAL") {
    for (const lua::Script* const script : lua::all()) {
      if (script->source == command[1]) return script->name;
    }
  }
  return {};
}

int Watcher::owner(std::string_view consumer) const {
  const auto found = owners_.find(without_incarnation(consumer));
  return found == owners_.end() ? -1 : found->second;
}

Record* Watcher::record_of(std::string_view envelope) const {
  const auto view = broker::parse_envelope(envelope);
  return view ? books_.find(view->id) : nullptr;
}

Watcher::Held Watcher::held_at(const std::string& key) const {
  Held out;
  const auto found = redis_.keys().find(key);
  if (found == redis_.keys().end()) return out;
  for (const auto& [tag, envelope] : std::get<Hash>(found->second.data)) {
    if (Record* const record = record_of(envelope)) out.emplace(tag, record);
  }
  return out;
}

std::vector<Record*> Watcher::messages_at(const std::string& key) const {
  std::vector<Record*> out;
  const auto found = redis_.keys().find(key);
  if (found == redis_.keys().end()) return out;
  const auto add = [&](std::string_view bytes) {
    if (Record* const record = record_of(bytes)) out.push_back(record);
  };
  if (const auto* const list = std::get_if<List>(&found->second.data)) {
    for (const std::string& each : *list) add(each);
  } else if (const auto* const hash = std::get_if<Hash>(&found->second.data)) {
    for (const auto& [name, value] : *hash) add(value);
  }
  return out;
}

void Watcher::before(const Arguments& command, std::int64_t now_ms, bool sure) {
  sure_ = sure;
  script_ = script_of(command);
  held_.clear();
  expired_.clear();
  if (script_.empty()) return;
  keys_ = static_cast<std::size_t>(number(command[2]));
  tag_ = tag_of(key(command, 1));
  if (script_ == "ack" || script_ == "retry" || script_ == "dead" || script_ == "release" ||
      script_ == "tend" || script_ == "reap") {
    held_ = held_at(key(command, 1));
  } else if (script_ == "sweep") {
    for (std::size_t list = 1; list <= 4; ++list) {
      for (Record* const record : messages_at(key(command, list))) {
        if (record->expires_ms > now_ms) break;
        expired_.push_back(record);
      }
    }
  }
}

void Watcher::after(const Arguments& command, const Value& reply, int node) {
  if (script_.empty() || reply.is_error()) return;
  books_.saw("script " + script_);
  if (script_ == "produce") {
    produced(command, reply);
  } else if (script_ == "claim" || script_ == "suspect") {
    claimed(command, reply, node, script_ == "suspect");
  } else if (script_ == "sweep") {
    swept(reply, argument(command, 5) == "drop");
  } else if (script_ == "cancel") {
    Record* const record = books_.find(argument(command, 1));
    if (reply.integer == 1 && record != nullptr) books_.cancelled(*record);
  } else if (script_ == "cancel_page") {
    Record* const record = books_.find(argument(command, 1));
    if (reply.elements.at(0).integer == 1 && record != nullptr) books_.cancelled(*record);
  } else if (!held_.empty()) {
    taken(command, argument(command, 1));
  }
}

void Watcher::enqueue(std::string_view envelope, std::int64_t due_ms) {
  const auto view = broker::parse_envelope(envelope);
  Record* const record = view ? books_.find(view->id) : nullptr;
  if (record == nullptr) {
    books_.violate("CORRUPT", "the server got an envelope of no message: " +
                                  std::string(envelope.substr(0, 60)));
    return;
  }
  const auto wait = std::chrono::milliseconds(due_ms - redis_.now_us() / 1000);
  const bool later = due_ms != 0 && wait.count() > 0;
  record->tag = tag_;
  excuse_after_failover(*record);
  look_for_split(*record);
  books_.enqueued(*record, scheduler_.now() + (later ? Duration(wait) : Duration(0)),
                  redis_.now_us() / 1000, view->expire_at);
}

// A key has messages in one partition at a time: else nobody knows their order.
void Watcher::look_for_split(const Record& record) {
  if (record.key.empty()) return;
  for (const auto& [number, other] : books_.records()) {
    if (&other == &record || !other.live || other.key != record.key) continue;
    if (other.topic != record.topic || other.tag == record.tag) continue;
    if (record.astray || other.astray) continue;
    books_.violate("SPLIT", record.id + " of key " + record.key + " was enqueued in " + record.tag +
                                " while " + other.id + " is in " + other.tag);
  }
}

std::string Watcher::version_at(const std::string& tag) const {
  const Hash* const settings = redis_.find<Hash>("mx:{" + tag + "}:settings");
  if (settings == nullptr) return "0";
  const auto found = settings->find("version");
  return found == settings->end() ? "0" : found->second;
}

// What was agreed upon over several partitions does not hold for what was there when one of them
// forgot it, nor for what one of them takes by settings that are not the topic's. A key may be in
// two of them then, and an id be taken twice.
void Watcher::excuse_after_failover(Record& record) {
  const auto odds = at_odds_since_.find(record.topic);
  if (odds == at_odds_since_.end()) return;
  for (auto& [number, other] : books_.records()) {
    if (other.topic == record.topic && other.live && other.enqueued_at <= odds->second) {
      other.astray = true;
    }
  }
  if (record.live && record.astray) ++record.excuses;
  record.astray = version_at(record.tag) != version_at(record.topic);
  if (record.astray) books_.saw("enqueued by settings that were undone");
}

void Watcher::let_time_pass(const std::vector<std::string>& topics, int partitions) {
  for (const std::string& topic : topics) {
    for (int i = 0; i < partitions; ++i) {
      const broker::TopicKeys keys("", topic, i);
      Hash* const settings = redis_.find<Hash>(keys.settings);
      if (settings == nullptr || !settings->contains("ids_until")) continue;
      bool in_work = false;
      for (const auto& [number, record] : books_.records()) {
        const bool routed = record.chosen || !record.key.empty();
        in_work = in_work || (routed && record.live && record.tag == keys.tag());
      }
      if (in_work) continue;
      settings->erase("ids_until");
      redis_.drop_if_empty(keys.settings);
      books_.saw("no key or id in work");
    }
  }
}

void Watcher::produced(const Arguments& command, const Value& reply) {
  if (refused(reply)) {
    books_.saw("produce again");
    return;
  }
  std::set<std::int64_t> duplicates;
  const bool looked = reply.elements.size() > 3 && reply.elements[3].text == "settings";
  for (std::size_t i = looked ? 5 : 3; i < reply.elements.size(); ++i) {
    duplicates.insert(reply.elements[i].integer);
    books_.saw("duplicate");
  }
  const std::int64_t lists = number(argument(command, 3));
  std::size_t at = 6;
  std::int64_t plain = 0;
  for (std::int64_t i = 0; i < lists; ++i) plain += number(argument(command, at++));
  for (; plain > 0; --plain) enqueue(argument(command, at++), 0);
  const std::size_t last = command.size() - 3 - keys_;
  for (std::int64_t k = 1; at + 4 <= last; at += 5, ++k) {
    if (duplicates.contains(k)) continue;
    const bool delayed = argument(command, at) == "0";
    enqueue(argument(command, at + 4), delayed ? number(argument(command, at + 1)) : 0);
  }
}

void Watcher::claimed(const Arguments& command, const Value& reply, int node, bool suspect) {
  const std::string& consumer = argument(command, suspect ? 1 : 2);
  owners_.emplace(without_incarnation(consumer), node);
  if (refused(reply)) {
    books_.saw("claim lost");
    return;
  }
  for (std::size_t i = suspect ? 3 : 7; i < reply.elements.size(); ++i) {
    if (reply.elements[i].kind != Value::Kind::string) continue;
    if (Record* const record = record_of(reply.elements[i].text)) {
      books_.given(*record, consumer);
    }
  }
}

// Whatever has left a consumer's hash, by the script that took it.
void Watcher::taken(const Arguments& command, const std::string& consumer) {
  const Held still = held_at(key(command, 1));
  const auto argument_after = [&](const std::string& tag, std::size_t by) -> const std::string& {
    const std::size_t last = command.size() - 3 - keys_;
    for (std::size_t i = 2; i + by <= last; ++i) {
      if (argument(command, i) == tag) return argument(command, i + by);
    }
    static const std::string none;
    return none;
  };
  for (const auto& [tag, record] : held_) {
    if (still.contains(tag)) continue;
    if (script_ == "ack") {
      if (argument(command, 3) == "expired") expire(*record);
      books_.acked(*record, consumer, argument(command, 2) != "completed");
    } else if (script_ == "retry") {
      const auto delay = std::chrono::milliseconds(number(argument_after(tag, 1)));
      books_.retried(*record, consumer, scheduler_.now() + delay);
    } else if (script_ == "dead") {
      const std::string& line = argument_after(tag, 2);
      const std::string_view reason = std::string_view(line).substr(0, line.find('\t'));
      if (reason == "expired") expire(*record);
      books_.buried(*record, reason);
    } else if (script_ == "release") {
      books_.released(*record, consumer, !argument_after(tag, 2).empty());
    } else if (script_ == "tend") {
      books_.released(*record, consumer, false);
      books_.saw("given back by tend");
    } else {
      const auto found = redis_.keys().find(key(command, 10));
      const bool dead =
          found != redis_.keys().end() && std::get<Hash>(found->second.data).contains(record->id);
      if (dead) {
        books_.buried(*record, "poison");
      } else {
        books_.recovered(*record);
      }
    }
  }
}

// Clocks that were set of late excuse a wrong estimate.
void Watcher::expire(const Record& record) {
  if (sure_) books_.expired(record, redis_.now_us() / 1000);
}

void Watcher::swept(const Value& reply, bool dropped) {
  const auto took = static_cast<std::size_t>(reply.elements.at(2).integer);
  for (std::size_t i = 0; i < std::min(took, expired_.size()); ++i) {
    if (dropped) {
      expired_[i]->live = false;
      expired_[i]->discarded = true;
    } else {
      books_.buried(*expired_[i], "expired");
    }
  }
}

Watcher::Places Watcher::places() const {
  constexpr std::string_view processing = "processing:";
  Places out;
  for (const auto& [name, entry] : redis_.keys()) {
    const std::string_view rest = after_tag(name);
    if (rest.starts_with("ready:") || rest == "delayed:data") {
      for (Record* const record : messages_at(name)) out.emplace(record, Place{"", tag_of(name)});
    } else if (rest.starts_with(processing)) {
      const std::string consumer(rest.substr(processing.size()));
      for (Record* const record : messages_at(name)) {
        out.emplace(record, Place{consumer, tag_of(name)});
      }
    }
  }
  return out;
}

bool Watcher::drained() const {
  for (const auto& [name, entry] : redis_.keys()) {
    const std::string_view rest = after_tag(name);
    if (rest.starts_with("ready:") || rest == "delayed:data" || rest.starts_with("processing:")) {
      return false;
    }
  }
  return true;
}

void Watcher::audit(const std::vector<std::string>& topics, int partitions, bool alone) {
  for (const std::string& topic : topics) {
    for (int i = 0; i < partitions; ++i) audit(broker::TopicKeys("", topic, i), alone);
  }
}

void Watcher::audit(const broker::TopicKeys& keys, bool alone) {
  std::vector<std::string> consumers;
  if (const SortedSet* const set = redis_.find<SortedSet>(keys.consumers)) {
    for (const auto& [name, score] : set->scores) consumers.push_back(name);
  }
  if (alone && !consumers.empty()) {
    books_.violate("CONSERVATION", "a consumer did not leave: " + consumers.front());
  }
  if (const SortedSet* const idle = redis_.find<SortedSet>(keys.idle); alone && idle != nullptr) {
    books_.violate("CONSERVATION",
                   "a consumer that is gone is listed as idle: " + idle->scores.begin()->first);
  }
  Arguments command{"EVAL", std::string(lua::audit.source), ""};
  for (const broker::List list : broker::all_lists) command.push_back(keys.ready(list));
  for (const std::string& key : {keys.delayed, keys.delayed_data, keys.consumers, keys.dlq,
                                 keys.dlq_data, keys.ids, keys.stats}) {
    command.push_back(key);
  }
  for (const std::string& consumer : consumers) command.push_back(keys.processing(consumer));
  command[2] = std::to_string(command.size() - 3);
  command.push_back("100000");
  command.insert(command.end(), consumers.begin(), consumers.end());
  const Value reply = redis_.run(command);
  if (reply.is_error() || reply[0].str() != "ok") {
    books_.violate("CONSERVATION", "audit says " + reply.dump());
    return;
  }
  std::int64_t excused = 0;  // a copy that the server could not know may be there, too
  for (const auto& [number, record] : books_.records()) {
    if (record.topic == keys.topic()) excused += record.excuses;
  }
  for (std::size_t i = 1; i + 1 < reply.elements.size(); i += 2) {
    const std::string& name = reply[i].str();
    if (name == "dead" || reply[i + 1].num() == 0) continue;
    if (name == "twice" && reply[i + 1].num() <= excused) continue;
    books_.violate("CONSERVATION", "audit of " + keys.tag() + ": " + name + " is " +
                                       std::to_string(reply[i + 1].num()));
  }
}

void Watcher::check_places() const {
  const Places there = places();
  for (auto& [number, record] : books_.records()) {
    if (record.excuses > 0) continue;  // there may be two of it
    const auto found = there.count(&record);
    if (found > 1) books_.violate("TWIN", record.id + " is in more than one place");
    if (record.live && found == 0) {
      books_.violate(
          "LOST", record.id + " vanished from the server; it was held by '" + record.holder + "'");
    }
    if (!record.live && found > 0) {
      books_.violate("CONSERVATION", record.id + " is at the server though it had left");
    }
    if (found == 1 && there.find(&record)->second.holder != record.holder) {
      books_.violate("CONSERVATION", record.id + " is held by '" +
                                         there.find(&record)->second.holder + "', not by '" +
                                         record.holder + "'");
    }
  }
}

std::set<std::string> Watcher::tags() const {
  std::set<std::string> out;
  for (const auto& [name, entry] : redis_.keys()) {
    if (std::string tag = tag_of(name); !tag.empty()) out.insert(std::move(tag));
  }
  return out;
}

void Watcher::rolled_back(const std::set<std::string>& tags) {
  new_epoch();
  for (const std::string& tag : tags) {
    at_odds_since_[tag.substr(0, tag.find('#'))] = scheduler_.now();
  }
  const Places place = places();
  std::set<Record*> dead;
  for (const auto& [name, entry] : redis_.keys()) {
    if (after_tag(name) == "dlq:data") {
      for (const auto& [id, value] : std::get<Hash>(entry.data)) {
        if (Record* const record = books_.find(id)) dead.insert(record);
      }
    }
  }
  for (auto& [number, record] : books_.records()) {
    if (record.calls == 0) continue;
    if (!tags.empty() && !record.tag.empty() && !tags.contains(record.tag) &&
        place.count(&record) < 2) {
      continue;
    }
    ++record.rollbacks;
    const auto found = place.find(&record);
    if (place.count(&record) > 1) ++record.excuses;  // it was produced anew elsewhere
    record.ready_at = scheduler_.now();
    if (found != place.end()) {
      record.live = true;
      record.holder = found->second.holder;
      record.tag = found->second.tag;
      record.acked = record.dead = record.discarded = record.cancelled = false;
    } else if (dead.contains(&record)) {
      record.live = false;
      record.holder.clear();
      record.dead = true;
    } else if (record.live || record.ever_enqueued) {
      // It was not there yet, or had left already.
      record.rolled_away = record.rolled_away || record.live || !record.acked;
      if (record.live) books_.saw("rolled away");
      record.live = false;
      record.holder.clear();
      record.enqueued = 0;
    }
  }
}

}  // namespace mx_rmq::sim
