// What is produced in a simulated world, by whom and when.
#include <functional>
#include <utility>

#include <nlohmann/json.hpp>

#include "broker/data/partitions.hpp"
#include "node.hpp"
#include "simulation.hpp"

namespace mx_rmq::sim {

using namespace std::chrono_literals;

namespace {

std::string body_of(std::uint64_t number, Random& random) {
  nlohmann::json body{{"n", number}, {"text", std::string(random.below(40), 'x')}};
  return body.dump();
}

}  // namespace

void Simulation::later(Duration span, std::function<void()> what) {
  ++planned_;
  scheduler_.after(span, [this, what = std::move(what)] {
    --planned_;
    what();
  });
}

void Simulation::plan_messages() {
  // Some come alone, some in bursts.
  Duration at = 0ms;
  const Duration mean = plan_.chaos / plan_.messages;
  for (int i = 1; i <= plan_.messages; ++i) {
    if (!random_.chance(40)) at += random_.span(0ms, mean * 3);
    const auto number = static_cast<std::uint64_t>(i);
    open_message(number);
    const Record& record = books_.records().at(number);
    const Duration when = std::min(at, plan_.chaos);
    later(when, [this, number] { produce(number); });
    // The same chosen id once more, perhaps from elsewhere.
    if (record.chosen && random_.chance(20)) {
      later(when + random_.span(0ms, 500ms), [this, number] { produce(number); });
    }
    if (random_.chance(plan_.cancelled)) {
      later(when + random_.span(0ms, 300ms), [this, number] { cancel(number); });
    }
  }
}

void Simulation::open_message(std::uint64_t number) {
  Record& record = books_.open(number);
  record.topic = random_.one_of(plan_.topics);
  record.body = body_of(number, random_);
  record.kills = plan_.kills(number);
  record.chosen = random_.chance(plan_.chosen);
  if (plan_.partitions > 1 && random_.chance(plan_.keyed)) {
    record.key = "k" + std::to_string(random_.below(4));
  }
}

void Simulation::produce_one_more(const std::function<void(Record&)>& change) {
  const std::uint64_t number = books_.records().rbegin()->first + 1;
  open_message(number);
  Record& record = books_.records().at(number);
  if (change) change(record);
  produce(number);
}

// Each topic takes messages, whichever partition they go to.
void Simulation::produce_everywhere() {
  for (const std::string& topic : plan_.topics) {
    for (int i = 0; i < plan_.partitions * 2; ++i) {
      produce_one_more([&](Record& record) {
        record.topic = topic;
        record.kills = false;
        record.chosen = i % 2 == 0;
        record.key = i % 2 == 0 ? "" : "last" + std::to_string(i);
      });
    }
  }
}

Node* Simulation::producer() {
  const std::vector<Node*> all = alive();
  return all.empty() ? nullptr : random_.one_of(all);
}

void Simulation::produce(std::uint64_t number) {
  Record& record = books_.records().at(number);
  Node* const node = producer();
  if (node == nullptr) return;
  broker::OutgoingEnvelope envelope;
  envelope.id = record.id;
  envelope.payload = record.body;
  envelope.chosen = record.chosen;
  envelope.keyed = !record.key.empty();
  envelope.route = broker::route_hash(envelope.keyed ? record.key : record.id);
  const std::uint64_t level = random_.below(4);
  if (level == 0) envelope.priority = MessagePriority::high;
  if (level == 1) envelope.priority = MessagePriority::low;
  envelope.ttl = random_.chance(plan_.short_lived)
                     ? std::chrono::milliseconds(random_.between(1, 3000))
                     : std::chrono::milliseconds(1h);
  if (random_.chance(plan_.delayed)) {
    envelope.delay = std::chrono::milliseconds(random_.between(1, 2500));
  }
  node->produce(record, std::move(envelope));
  if (record.chosen) {
    const Duration pause = Duration(plan_.config.produce_timeout) + random_.span(0ms, 1s);
    later(pause, [this, number] { again_if_unknown(number); });
  }
}

// What the documentation tells users to do.
void Simulation::again_if_unknown(std::uint64_t number) {
  const Record& record = books_.records().at(number);
  if (record.accepted == 0 && record.open == 0 && record.unknown > 0 && record.calls < 5) {
    produce(number);
  }
}

void Simulation::plan_partitions() {
  if (plan_.partitions == 1) return;
  for (const std::string& topic : plan_.topics) {
    // Some have them from the beginning, some get them twice.
    if (plan_.grows) {
      later(random_.span(0ms, 1s), [this, topic] { configure(topic, 2); });
      later(random_.span(plan_.chaos / 3, plan_.chaos * 2 / 3),
            [this, topic] { configure(topic, plan_.partitions); });
      continue;
    }
    const bool twice = plan_.partitions > 2 && random_.chance(50);
    if (twice) later(random_.span(0ms, plan_.chaos), [this, topic] { configure(topic, 2); });
    const Duration when = random_.chance(30) ? 0ms : random_.span(0ms, plan_.chaos);
    later(when, [this, topic] { configure(topic, plan_.partitions); });
  }
}

void Simulation::configure(const std::string& topic, int partitions) {
  if (Node* const node = producer()) node->configure(topic, partitions);
}

void Simulation::plan_pauses() {
  for (int i = 0; i < plan_.pauses; ++i) {
    const std::string topic = random_.one_of(plan_.topics);
    const Duration when = random_.span(0ms, plan_.chaos * 3 / 4);
    const auto span = std::chrono::milliseconds(random_.between(300, 3000));
    const bool timed = random_.chance(40);
    later(when, [this, topic, span, timed] {
      Node* const node = producer();
      if (node == nullptr || books_.may_be_paused(topic)) return;
      node->pause_topic(topic, span, timed);
    });
  }
}

void Simulation::cancel(std::uint64_t number) {
  if (Node* const node = producer()) node->cancel(books_.records().at(number));
}

}  // namespace mx_rmq::sim
