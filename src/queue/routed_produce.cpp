#include "queue/routed_produce.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "broker/data/partitions.hpp"
#include "broker/scripts/calls_settings.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/backoff.hpp"
#include "runtime/planted.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

using broker::OutgoingEnvelope;
using broker::Produced;
using broker::ProduceOutcome;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// With less time than this left a message stays where it is, so that its end says what is wrong
// there.
constexpr Duration last_try = 500ms;

// The pauses before something is routed again that was so to no purpose.
runtime::Backoff routing_pauses() { return {5ms, 100ms}; }

// While this lives the settings at a port are being read, or copied to it.
class SettingsBusy {
 public:
  explicit SettingsBusy(TopicPort& port) : port_(port) { port_.settings_idle.reset(); }
  ~SettingsBusy() { port_.settings_idle.set(); }
  SettingsBusy(const SettingsBusy&) = delete;
  SettingsBusy& operator=(const SettingsBusy&) = delete;

 private:
  TopicPort& port_;
};

TopicPorts::Use port_of(Access& access, TopicPort& first, int partition) {
  const std::string& topic = first.broker.keys().topic();
  return access.ports().use(first.routing.tag(partition), topic, partition);
}

// Where it goes by what is known to be set. `together`: so many others go with it.
int route(Access& access, TopicPort& first, OutgoingEnvelope& message, std::size_t together) {
  const broker::StoredSettings& is = first.settings.known();
  message.must.reset();
  message.may_move = false;
  if (message.keyed || message.chosen) {
    message.must = is.version;
    MX_RMQ_PLANT("takes_a_version_without_its_settings",
                 message.must = std::max(is.version, first.version_here));
    MX_RMQ_PLANT(
        "stays_on_its_stale_count", int& count = planted::kept<int>(&first);
        if (count == 0 && is.version != 0) count = is.ids_active; if (count != 0) {
          message.must = -1;
          return broker::partition_of(message.route, count);
        });
    return broker::partition_of(message.route, is.ids_active);
  }
  message.may_move = is.active > 1;
  return first.routing.pick(is.active, together, [&](int partition) {
    const TopicPorts::Use port = port_of(access, first, partition);
    if (!port->producer.connected()) port->producer.connect();
    return Routing::Look{port->producer.connected(), port->producer.waiting(),
                         port->producer.in_flight()};
  });
}

void note_where(const TopicPort& first, OutgoingEnvelope& message, int partition) {
  if (!message.chosen && first.settings.known().partitions > 1) {
    broker::note_partition(message.id, partition);
  }
}

// One of those who wait does it, for all of them.
Task<> read_settings(TopicPort* first, TimePoint deadline) {
  if (!first->settings_idle.is_set()) {
    co_await first->settings_idle.wait_until(deadline);
    co_return;
  }
  const SettingsBusy busy(*first);
  co_await first->settings.read(deadline);
}

Task<> copy_settings(TopicPort* first, TopicPort* there, TimePoint deadline) {
  if (!there->settings_idle.is_set()) {
    co_await there->settings_idle.wait_until(deadline);
    co_return;
  }
  const SettingsBusy busy(*there);
  broker::CopySettings::Args args;
  args.settings = first->settings.known();
  const broker::CopySettings::Reply reply =
      co_await there->broker.call<broker::CopySettings>(args, deadline);
  there->version_here = reply.version;
}

// After a message that was routed by the settings of version `by` was refused `there`: learns the
// present ones, and brings them there. False: neither has helped, a pause is due.
Task<bool> renew(TopicPort* first, TopicPort* there, std::int64_t by, TimePoint deadline) {
  if (first->settings.known().version == by) co_await read_settings(first, deadline);
  const std::int64_t known = first->settings.known().version;
  if (there != first && there->version_here < known) {
    co_await copy_settings(first, there, deadline);
    co_return true;
  }
  co_return known != by;
}

// Why a message, which surely was not stored, is not routed again after a pause until then; null:
// it is.
std::exception_ptr no_further_try(const Access& access, TimePoint next, TimePoint deadline) {
  if (access.is_forbidden()) {
    return std::make_exception_ptr(
        ShutdownError("produce: the queue was stopped before the message was sent"));
  }
  if (next < deadline) return nullptr;
  return std::make_exception_ptr(
      TimeoutError("produce: the message could not be sent in time: what is set for the topic was "
                   "being changed"));
}

// Those of one call that go to one partition.
struct Group {
  explicit Group(TopicPorts::Use use) : port(std::move(use)) {}

  TopicPorts::Use port;
  std::vector<std::size_t> places;
  std::vector<const OutgoingEnvelope*> messages;
  std::int64_t by = 0;                  // the version of the settings by which it was made
  std::optional<std::int64_t> refused;  // the version by which they were routed, if it has passed
};

struct GroupCall {
  std::vector<ProduceOutcome> outcomes;  // by place
  std::vector<std::size_t> again;        // places that are to be routed again
  bool moved = false;                    // some of them as there was no connection
};

Task<> submit_group(Group* group, GroupCall* call, TimePoint deadline) {
  std::exception_ptr error;
  try {
    auto outcomes = co_await group->port->producer.submit_all(std::move(group->messages), deadline);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      const Produced result = outcomes[i].result;
      if (!outcomes[i].error && result == Produced::stale) {
        call->again.push_back(group->places[i]);
        group->refused = group->by;
      } else if (!outcomes[i].error && result == Produced::moved) {
        call->again.push_back(group->places[i]);
        call->moved = true;
      } else {
        call->outcomes[group->places[i]] = std::move(outcomes[i]);
      }
    }
  } catch (...) {
    error = std::current_exception();
  }
  if (!error) co_return;
  for (const std::size_t place : group->places) call->outcomes[place].error = error;
}

// See renew().
Task<bool> renew_all(TopicPort* first, std::map<int, Group>* groups, const GroupCall* call,
                     TimePoint deadline) {
  bool helped = !call->moved;
  for (auto& [partition, group] : *groups) {
    if (!group.refused) continue;
    const bool renewed = co_await renew(first, &*group.port, *group.refused, deadline);
    helped = helped && renewed;
  }
  co_return helped;
}

std::map<int, Group> group_by_partition(Access& access, TopicPort& first,
                                        const std::vector<OutgoingEnvelope*>& messages,
                                        const std::vector<std::size_t>& places) {
  std::map<int, Group> groups;
  std::optional<int> free;  // where those without a key go, up to a full batch
  std::size_t left = 0;
  for (const std::size_t place : places) {
    OutgoingEnvelope& message = *messages[place];
    int partition = 0;
    if (free && left > 0 && !message.keyed && !message.chosen) {
      partition = *free;
      message.must.reset();
      message.may_move = first.settings.known().active > 1;
      --left;
    } else {
      const std::size_t together = std::min(places.size(), Routing::most_in_a_row);
      partition = route(access, first, message, together);
      if (!message.must) {
        free = partition;
        left = Routing::most_in_a_row - 1;
      }
    }
    note_where(first, message, partition);
    auto found = groups.find(partition);
    if (found == groups.end()) {
      found = groups.emplace(partition, Group(port_of(access, first, partition))).first;
      found->second.by = first.settings.known().version;
    }
    found->second.places.push_back(place);
    found->second.messages.push_back(&message);
  }
  return groups;
}

}  // namespace

Task<Produced> produce_routed(Access* access, TopicPort* first, OutgoingEnvelope* message,
                              TimePoint deadline) {
  runtime::Backoff pauses = routing_pauses();
  for (;;) {
    const int partition = route(*access, *first, *message, 1);
    note_where(*first, *message, partition);
    const TopicPorts::Use there = port_of(*access, *first, partition);
    const bool late = deadline - first->broker.loop().now() < last_try;
    if (late) message->may_move = false;
    broker::Producer::Submission submission = there->producer.submit(*message, deadline);
    const Produced produced = co_await submission;
    if (produced != Produced::stale && produced != Produced::moved) co_return produced;
    bool at_once = false;
    if (produced == Produced::stale) {
      at_once = co_await renew(first, &*there, *message->must, deadline);
    }
    const Duration wait = at_once ? Duration::zero() : pauses.next();
    const TimePoint next = first->broker.loop().now() + wait;
    const std::exception_ptr error = no_further_try(*access, next, deadline);
    if (error) std::rethrow_exception(error);
    if (!at_once) co_await sleep_for(wait);
  }
}

Task<std::vector<ProduceOutcome>> produce_all_routed(Access* access, TopicPort* first,
                                                     std::vector<OutgoingEnvelope*> messages,
                                                     TimePoint deadline) {
  runtime::EventLoop& loop = first->broker.loop();
  runtime::Backoff pauses = routing_pauses();
  GroupCall call;
  call.outcomes.resize(messages.size());
  std::vector<std::size_t> places(messages.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  while (!places.empty()) {
    std::map<int, Group> groups = group_by_partition(*access, *first, messages, places);
    if (deadline - loop.now() < last_try) {
      for (const std::size_t place : places) messages[place]->may_move = false;
    }
    call.again.clear();
    call.moved = false;
    runtime::Scope scope(loop);
    for (auto& [partition, group] : groups) scope.spawn(submit_group(&group, &call, deadline));
    co_await scope.join();
    places = call.again;
    std::ranges::sort(places);
    std::exception_ptr error;
    bool at_once = false;
    try {
      at_once = co_await renew_all(first, &groups, &call, deadline);
    } catch (...) {
      error = std::current_exception();
    }
    const Duration wait = at_once ? Duration::zero() : pauses.next();
    if (!error && !places.empty()) error = no_further_try(*access, loop.now() + wait, deadline);
    if (error) {
      for (const std::size_t place : places) call.outcomes[place].error = error;
      break;
    }
    if (!places.empty() && !at_once) co_await sleep_for(wait);
  }
  co_return std::move(call.outcomes);
}

}  // namespace mx_rmq::queue
