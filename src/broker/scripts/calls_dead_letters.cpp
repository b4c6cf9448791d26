#include "broker/scripts/calls_dead_letters.hpp"

#include "broker/scripts/fields.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::broker {

using redis::CommandBuilder;

redis::Command make_dlq_list(const TopicKeys& keys, const DlqListArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::dlq_list, 2);
  out.add(keys.dlq).add(keys.dlq_data);
  out.add(args.offset).add(args.most).add(args.bytes);
  return out.build();
}

DlqListResult read_dlq_list(redis::Reply&& reply) {
  Fields fields(lua::dlq_list.name, std::move(reply));
  DlqListResult out;
  out.seen = fields.count();
  out.letters.reserve(fields.left() / 3);
  while (fields.left() > 0) {
    StoredDeadLetter& letter = out.letters.emplace_back();
    letter.member = fields.text();
    letter.dead_at = fields.score();
    letter.value = fields.text();
  }
  return out;
}

redis::Command make_dlq_get(const TopicKeys& keys, std::string_view member) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::dlq_get, 2);
  out.add(keys.dlq).add(keys.dlq_data);
  out.add(member);
  return out.build();
}

std::optional<StoredDeadLetter> read_dlq_get(redis::Reply&& reply) {
  Fields fields(lua::dlq_get.name, std::move(reply));
  if (fields.left() == 0) return std::nullopt;
  StoredDeadLetter letter;
  letter.dead_at = fields.score();
  letter.value = fields.text();
  fields.end();
  return letter;
}

redis::Command make_dlq_remove(const TopicKeys& keys, std::span<const std::string_view> members) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::dlq_remove, 4);
  out.add(keys.dlq).add(keys.dlq_data).add(keys.ids).add(keys.stats);
  for (const std::string_view member : members) out.add(member);
  return out.build();
}

std::int64_t read_dlq_remove(redis::Reply&& reply) {
  return single_number(lua::dlq_remove.name, reply);
}

redis::Command make_dlq_purge(const TopicKeys& keys, const DlqStepArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::dlq_purge, 4);
  out.add(keys.dlq).add(keys.dlq_data).add(keys.ids).add(keys.stats);
  out.add(args.before).add(args.most).add(args.bytes);
  return out.build();
}

DlqStepResult read_dlq_purge(redis::Reply&& reply) {
  Fields fields(lua::dlq_purge.name, std::move(reply));
  DlqStepResult out;
  out.now = fields.count();
  out.done = fields.count();
  out.more = fields.flag();
  fields.end();
  return out;
}

namespace {

void add_requeue_keys(CommandBuilder& out, const TopicKeys& keys) {
  out.add(keys.dlq).add(keys.dlq_data);
  out.add(keys.ready(List::high)).add(keys.ready(List::normal)).add(keys.ready(List::low));
  out.add(keys.wake).add(keys.stats).add(keys.ids);
}

}  // namespace

redis::Command make_requeue_all(const TopicKeys& keys, const DlqStepArgs& args) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::requeue_all, 8);
  add_requeue_keys(out, keys);
  out.add(args.before).add(args.pass).add(args.most).add(args.bytes);
  return out.build();
}

DlqStepResult read_requeue_all(redis::Reply&& reply) {
  Fields fields(lua::requeue_all.name, std::move(reply));
  DlqStepResult out;
  out.now = fields.count();
  out.done = fields.count();
  out.passed = fields.count();
  out.more = fields.flag();
  fields.end();
  return out;
}

redis::Command make_requeue(const TopicKeys& keys, std::string_view member) {
  CommandBuilder out;
  CommandBuilder::begin_evalsha(out, lua::requeue, 8);
  add_requeue_keys(out, keys);
  out.add(member);
  return out.build();
}

RequeueResult read_requeue(redis::Reply&& reply) {
  Fields fields(lua::requeue.name, std::move(reply));
  RequeueResult out;
  out.now = fields.count();
  const std::string state = fields.text();
  fields.end();
  if (state == "ok") {
    out.state = RequeueState::done;
  } else if (state == "none") {
    out.state = RequeueState::none;
  } else if (state == "unreadable") {
    out.state = RequeueState::unreadable;
  } else {
    fields.fail("'ok', 'none' or 'unreadable'");
  }
  return out;
}

}  // namespace mx_rmq::broker
