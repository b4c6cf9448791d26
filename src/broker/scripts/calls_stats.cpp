#include "broker/scripts/calls_stats.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

namespace {

std::int64_t find(const std::map<std::string, std::int64_t, std::less<>>& numbers,
                  std::string_view name) {
  const auto at = numbers.find(name);
  return at == numbers.end() ? 0 : at->second;
}

}  // namespace

std::int64_t StatsResult::counter(std::string_view name) const { return find(counters, name); }

redis::Command make_stats(const TopicKeys& keys, int most_consumers) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::stats, 8);
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.delayed).add(keys.consumers).add(keys.dlq).add(keys.stats);
  out.add(most_consumers);
  return out.build();
}

StatsResult read_stats(redis::Reply&& reply) {
  Fields fields(lua::stats.name, std::move(reply));
  StatsResult out;
  out.now = fields.count();
  for (std::int64_t& length : out.waiting) length = fields.count();
  out.delayed = fields.count();
  out.dead = fields.count();
  out.consumers = fields.count();
  out.lapsed = fields.count();
  for (std::int64_t left = fields.count(); left > 0; --left) {
    std::string name = fields.text();
    const auto value = fields.stored_number();
    if (!value) continue;
    if (name == "alarm") {
      out.alarm = *value;
    } else {
      out.counters.emplace(std::move(name), *value);
    }
  }
  while (fields.left() > 0) {
    ConsumerLease& lease = out.leases.emplace_back();
    lease.consumer = fields.text();
    lease.until = fields.score();
  }
  return out;
}

std::int64_t AuditReport::number(std::string_view name) const { return find(numbers, name); }

bool AuditReport::sound() const {
  if (state != AuditState::ok) return false;
  for (const std::string_view name : {"unreadable", "twice", "stray_data", "stray_index", "unowned",
                                      "free_ids", "books", "dead_books"}) {
    if (number(name) != 0) return false;
  }
  return true;
}

redis::Command make_audit(const TopicKeys& keys, std::int64_t most,
                          std::span<const std::string> consumers) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::audit, 11 + consumers.size());
  for (const List list : all_lists) out.add(keys.ready(list));
  out.add(keys.delayed).add(keys.delayed_data).add(keys.consumers);
  out.add(keys.dlq).add(keys.dlq_data).add(keys.ids).add(keys.stats);
  for (const std::string& consumer : consumers) out.add_copy(keys.processing(consumer));
  out.add(most);
  for (const std::string& consumer : consumers) out.add(consumer);
  return out.build();
}

AuditReport read_audit(redis::Reply&& reply) {
  Fields fields(lua::audit.name, std::move(reply));
  AuditReport out;
  const std::string state = fields.text();
  if (state == "changed") {
    out.state = AuditState::changed;
  } else if (state == "large") {
    out.state = AuditState::large;
  } else if (state != "ok") {
    fields.fail("'ok', 'changed' or 'large'");
  }
  while (fields.left() > 0) {
    std::string name = fields.text();
    out.numbers.insert_or_assign(std::move(name), fields.number());
  }
  return out;
}

}  // namespace mx_rmq::broker
