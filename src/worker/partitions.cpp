#include "worker/partitions.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>

#include "broker/scripts/calls_raise_ids.hpp"
#include "broker/scripts/calls_settings.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"
#include "runtime/planted.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using broker::StoredSettings;
using redis::CallEnd;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// Sources that are made in one turn of the loop.
constexpr int most_in_a_step = 16;
// Who raises ids_active takes a few round trips. Partitions that take no ids for longer were left
// so by one that died.
constexpr Duration held_for_too_long = 10s;
// For so long a partition may have later settings than are known here of the topic.
constexpr Duration ahead_for_too_long = 1s;
constexpr int ids_in_a_step = 500;

}  // namespace

Partitions::Partitions(runtime::EventLoop& loop, const MQConfig& config, runtime::Scope& scope,
                       AddSource add_source, Follow follow)
    : loop_(loop),
      config_(config),
      scope_(scope),
      add_source_(std::move(add_source)),
      follow_(std::move(follow)) {}

Partitions::~Partitions() = default;

void Partitions::add(const Topic& topic) {
  assert(topic.id == records_.size() && "topics are added in order");
  records_.emplace_back(topic);
}

void Partitions::add(Source& source) {
  Record& record = records_[source.topic.id];
  assert(static_cast<std::size_t>(source.partition) == record.parts.size() &&
         "partitions are added in order");
  record.parts.emplace_back().source = &source;
  if (source.partition > 0) {
    source.partitions = record.settings->known().partitions;
    return;
  }
  record.settings = std::make_unique<broker::SettingsWatch>(
      scope_, source.broker.caller(), source.broker.keys(), config_.command_timeout);
  record.settings->on_change([this, &record](const StoredSettings&) { changed(record); });
}

TimePoint Partitions::deadline() const { return loop_.now() + Duration(config_.command_timeout); }

void Partitions::failed(const Record& record, std::string_view what, std::string_view why) {
  log::warn(failure_gate_, "the partitions of a topic could not be put in order; trying again",
            "topic", record.topic.name, "what", what, "error", why);
}

// --- what is told ---

void Partitions::claimed(const Source& source, std::int64_t version) {
  Record& record = records_[source.topic.id];
  Part& part = record.parts[static_cast<std::size_t>(source.partition)];
  part.claimed = true;
  told(record, part, version);
  raise_active(record);
}

void Partitions::swept(const Source& source, std::int64_t version) {
  Record& record = records_[source.topic.id];
  told(record, record.parts[static_cast<std::size_t>(source.partition)], version);
  if (source.partition == 0) raise_ids(record);
}

void Partitions::told(Record& record, Part& part, std::int64_t version) {
  const std::int64_t known = record.settings->known().version;
  if (version <= known) part.ahead_since.reset();
  if (version == known) return;
  if (stopped_) return;
  if (part.source->partition == 0 || version > known) record.settings->seen(version);
  if (part.source->partition == 0) return;
  if (version < known) {
    if (!part.copying) scope_.spawn(copy(&record, &part, Raised(part.copying)));
  } else {
    ahead(record, part, version);
  }
}

void Partitions::ahead(Record& record, Part& part, std::int64_t version) {
  const TimePoint now = loop_.now();
  if (!part.ahead_since) part.ahead_since = now;
  const bool held = version == record.settings->known().version + 1;
  const Duration allowed = held ? held_for_too_long : ahead_for_too_long;
  if (now - *part.ahead_since < allowed || record.raising) return;
  part.ahead_since.reset();
  scope_.spawn(catch_up(&record, &part, Raised(record.raising)));
}

// The topic's settings are read after the partition's, so what these have more was not on its way.
Task<> Partitions::catch_up(Record* record, Part* part, Raised /*raising*/) {
  CallEnd end;
  try {
    const broker::Settings::Args nothing;
    const broker::Settings::Reply there =
        co_await part->source->broker.call<broker::Settings>(nothing, deadline());
    const StoredSettings is = co_await record->settings->read(deadline());
    if (!there.unreadable.empty() || there.settings.version <= is.version) co_return;
    broker::Configure::Args args;
    args.only_version = is.version;
    args.touch = true;
    args.partitions = std::max(is.partitions, there.settings.partitions);
    args.active = std::max(is.active, there.settings.active);
    co_await record->settings->change(args, deadline());
    log::warn("the settings of a topic were behind those of one of its partitions, and are new now",
              "topic", record->topic.name, "partition", part->source->partition);
  } catch (...) {
    end = CallEnd::caught();
  }
  // Refused: somebody else has changed them, which does as well.
  if (!end.answered() && end.kind() != CallEnd::Kind::refused) {
    failed(*record, "settings", end.what());
  }
}

std::int64_t Partitions::follows(const Topic& topic) const {
  const Record& record = records_[topic.id];
  return record.settings ? record.settings->known().version : 0;
}

// One that was for a time may be over. That its end is near makes no difference.
bool Partitions::paused(const Record& record) {
  const std::int64_t until = record.settings->known().paused_until;
  return until > 0 && until > record.parts.front().source->broker.clock().now_ms();
}

void Partitions::look(const Topic& topic, std::int64_t version) {
  if (!stopped_ && records_[topic.id].settings) records_[topic.id].settings->seen(version);
}

void Partitions::changed(Record& record) {
  for (Part& part : record.parts) part.ahead_since.reset();
  const std::int64_t version = record.settings->known().version;
  follow_(record.topic, version, paused(record) ? version : 0);
  if (stopped_) return;
  const auto wanted = static_cast<std::size_t>(record.settings->known().partitions);
  for (const Part& part : record.parts) part.source->partitions = static_cast<int>(wanted);
  if (record.parts.size() >= wanted || record.growing) return;
  if (MX_RMQ_PLANTED("does_not_claim_from_new_partitions")) return;
  log::info("a topic has more partitions", "topic", record.topic.name, "partitions", wanted);
  scope_.spawn(grow(&record, Raised(record.growing)));
}

Task<> Partitions::grow(Record* record, Raised /*growing*/) {
  while (!stopped_) {
    const auto wanted = static_cast<std::size_t>(record->settings->known().partitions);
    for (int i = 0; i < most_in_a_step && record->parts.size() < wanted; ++i) {
      add_source_(record->topic, static_cast<int>(record->parts.size()));
    }
    if (record->parts.size() >= wanted) co_return;
    co_await loop_.next_turn();
  }
}

Task<> Partitions::copy(Record* record, Part* part, Raised /*copying*/) {
  broker::CopySettings::Args args;
  args.settings = record->settings->known();
  CallEnd end;
  try {
    co_await part->source->broker.call<broker::CopySettings>(args, deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  // The next claim or sweep there tells of it again.
  if (!end.answered()) failed(*record, "copy_settings", end.what());
}

// --- active ---

void Partitions::raise_active(Record& record) {
  const StoredSettings& is = record.settings->known();
  if (is.active >= is.partitions || record.raising || stopped_) return;
  if (record.parts.size() < static_cast<std::size_t>(is.partitions)) return;
  // New partitions may not know of the pause yet; it has been told to those that were there.
  if (paused(record)) return;
  const bool all = std::ranges::all_of(record.parts.begin(), record.parts.begin() + is.partitions,
                                       [](const Part& part) { return part.claimed; });
  if (!all) return;
  scope_.spawn(send_active(&record, Raised(record.raising)));
}

Task<> Partitions::send_active(Record* record, Raised raising) {
  const StoredSettings is = record->settings->known();
  broker::Configure::Args args;
  args.only_version = is.version;
  args.active = is.partitions;
  CallEnd end;
  try {
    co_await record->settings->change(args, deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  const bool now_so = record->settings->known().active >= is.partitions;
  raising.lower();
  if (now_so) {
    log::info("the partitions of a topic are produced to", "topic", record->topic.name,
              "partitions", is.partitions);
    raise_ids(*record);
  } else if (!end.answered()) {
    failed(*record, "active", end.what());
  }
}

// --- ids_active ---

void Partitions::raise_ids(Record& record) {
  const StoredSettings& is = record.settings->known();
  if (is.ids_active >= is.active || record.raising || stopped_) return;
  if (record.parts.size() < static_cast<std::size_t>(is.active)) return;
  scope_.spawn(send_ids(&record, Raised(record.raising)));
}

Task<> Partitions::send_ids(Record* record, Raised raising) {
  const StoredSettings is = record->settings->known();
  CallEnd end;
  bool held = false;
  try {
    const bool may = co_await ids_may_move(record, is);
    const bool early = MX_RMQ_PLANTED("moves_ids_before_all_partitions_agree");
    if (!may && !early) co_return;
    held = is.ids_active > 1;
    bool ready = co_await hold_ids(record, is);
    ready = ready || early;
    broker::RaiseIds::Reply raised;
    if (ready) {
      broker::RaiseIds::Args args;
      args.version = is.version;
      args.ids_active = is.active;
      raised =
          co_await record->parts.front().source->broker.call<broker::RaiseIds>(args, deadline());
      ready = raised.state != broker::RaiseIds::State::used;
    }
    // `other`: the settings have changed, be it by an earlier copy of this call. That opens the
    // partitions again, too.
    if (ready) held = false;
    if (raised.state == broker::RaiseIds::State::done && ready) {
      log::info("ids and keys of a topic go by more partitions", "topic", record->topic.name,
                "partitions", is.active);
    }
    co_await record->settings->read(deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  raising.lower();
  if (held) open_again(*record);
  if (!end.answered()) failed(*record, "ids_active", end.what());
}

// Nothing that went by the old number can be in work any more, as far as can be seen from here; the
// scripts that follow look again, each at its partition.
Task<bool> Partitions::ids_may_move(Record* record, StoredSettings is) {
  for (int i = 0; i < is.ids_active; ++i) {
    Source* const source = record->parts[static_cast<std::size_t>(i)].source;
    redis::Command command =
        redis::Command::of("HMGET", source->broker.keys().settings, "version", "ids_until");
    redis::Reply reply = co_await source->broker.caller().plain(std::move(command), deadline());
    if (reply.size() != 2 || reply.at(0).kind() == redis::Reply::Kind::nil) co_return false;
    if (reply.at(0).as_integer() != is.version) co_return false;
    const bool some = reply.at(1).kind() != redis::Reply::Kind::nil;
    if (some && reply.at(1).as_integer() > source->broker.clock().now_ms()) co_return false;
    const bool in_use = co_await any_id_in_use(source);
    if (in_use) co_return false;
  }
  co_return true;
}

// By a message that is there, in work, or dead. Those that came before anything was set are in no
// ids_until. What is added meanwhile is.
Task<bool> Partitions::any_id_in_use(Source* source) {
  std::string cursor = "0";
  do {
    const TimePoint until = source->consumer.command_deadline();
    redis::Command command =
        redis::Command::of("HSCAN", source->broker.keys().ids, cursor, "COUNT", ids_in_a_step);
    redis::Reply reply = co_await source->broker.caller().plain(std::move(command), until);
    cursor = reply.at(0).take_string();
    const std::int64_t now = source->broker.clock().now_ms();
    redis::Reply& found = reply.at(1);
    for (std::size_t i = 1; i < found.size(); i += 2) {
      const std::int64_t used_until = found.at(i).as_integer();
      if (used_until == 0 || used_until > now) co_return true;
    }
  } while (cursor != "0");
  co_return false;
}

// At all but the first one. False: somewhere that cannot be.
Task<bool> Partitions::hold_ids(Record* record, StoredSettings is) {
  for (int i = is.ids_active - 1; i > 0; --i) {
    broker::RaiseIds::Args args;
    args.version = is.version;
    const broker::TopicBroker& there = record->parts[static_cast<std::size_t>(i)].source->broker;
    const broker::RaiseIds::Reply reply = co_await there.call<broker::RaiseIds>(args, deadline());
    if (reply.state != broker::RaiseIds::State::done) co_return false;
  }
  co_return true;
}

// A new version of the settings: what an attempt for the one before has begun comes to nothing.
void Partitions::open_again(Record& record) {
  if (record.raising || stopped_) return;
  scope_.spawn(touch(&record, Raised(record.raising)));
}

Task<> Partitions::touch(Record* record, Raised /*raising*/) {
  broker::Configure::Args args;
  args.only_version = record->settings->known().version;
  args.touch = true;
  CallEnd end;
  try {
    co_await record->settings->change(args, deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  // Refused: somebody else has changed them, which does as well.
  if (!end.answered() && end.kind() != CallEnd::Kind::refused) {
    failed(*record, "settings", end.what());
  }
}

}  // namespace mx_rmq::worker
