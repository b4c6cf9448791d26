#include "redis/topology/node.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/connection_group.hpp"
#include "redis/connection/role.hpp"
#include "redis/topology/subscriber.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

namespace {

// What a server that is there answers, in the order to try; rights to the first two may be missing.
enum class Question : std::uint8_t { role, info, ping };
constexpr std::array questions{Question::role, Question::info, Question::ping};

Command ask(Question question) {
  switch (question) {
    case Question::role:
      return Command::of("ROLE");
    case Question::info:
      return Command::of("INFO", "replication");
    case Question::ping:
      break;
  }
  return Command::of("PING");
}

}  // namespace

Node::Node(runtime::EventLoop& loop, ClientOptions options, Seams seams)
    : group_(std::make_shared<ConnectionGroup>(loop, std::move(options), std::move(seams))) {
  if (group_->options.pool_size == 0) {
    throw std::invalid_argument("a Redis client needs at least one connection");
  }
  lanes_.resize(group_->options.pool_size);
}

Node::~Node() {
  subscriber_.reset();
  // Whoever still waits is told; the coroutines keep what they need.
  const std::vector<Connection*> all = group_->connections();
  for (Connection* const each : all) each->abort();
}

Lane& Node::lane(std::size_t key) {
  std::unique_ptr<Lane>& lane = lanes_[key % lanes_.size()];
  if (lane == nullptr) lane = std::make_unique<Lane>(open());
  return *lane;
}

std::unique_ptr<Subscription> Node::subscribe(const std::string& channel,
                                              Subscription::Events events) {
  if (subscriber_ == nullptr) {
    Subscriber::Options options;
    options.kind = group_->channels;
    // Sentinels take no messages of others.
    if (group_->options.peer != Peer::sentinel) {
      options.published_over = &lane(0);
      options.beside_hello = [connection = lane(0).connection()] { connection->look(); };
    }
    options.on_kind = [group = group_.get()](ChannelKind kind) { group->channels = kind; };
    subscriber_ = std::make_shared<Subscriber>(group_, std::move(options));
    if (closing_) subscriber_->end();
  }
  return subscriber_->subscribe(channel, std::move(events));
}

void Node::abandon(std::string why) {
  closing_ = true;
  if (subscriber_ != nullptr) subscriber_->end();
  const std::vector<Connection*> all = group_->connections();
  for (Connection* const each : all) each->abandon(why);
}

std::shared_ptr<Connection> Node::open() {
  auto connection = std::make_shared<Connection>(group_);
  // A loop that ends has no timers any more.
  if (closing_ || group_->loop.stopping()) connection->abort();
  return connection;
}

ServerClock& Node::clock() const noexcept { return group_->clock; }
runtime::EventLoop& Node::loop() const noexcept { return group_->loop; }

Rng& Node::rng() const noexcept { return *group_->seams.rng; }

ClientHealth Node::health() const {
  ClientHealth health;
  for (const Connection* const each : group_->connections()) {
    const ConnectionFsm& fsm = each->fsm();
    if (fsm.epoch() > 1) health.reconnects += fsm.epoch() - 1;
    if (fsm.state() == LaneState::idle || fsm.state() == LaneState::closed) continue;
    ++health.lanes;
    if (fsm.ready()) {
      ++health.ready;
      continue;
    }
    if (fsm.state() == LaneState::refused) ++health.refused;
    if (!fsm.last_error().empty()) health.last_error = fsm.last_error();
    if (fsm.unfit()) health.unfit = fsm.last_error();
  }
  if (health.unfit.empty()) health.unfit = group_->cluster_trouble();
  if (subscriber_ != nullptr) health.mute = subscriber_->mute();
  return health;
}

Task<> Node::check(TimePoint deadline) {
  lane(0);
  return check_on(lanes_[0]->connection(), deadline);
}

Task<> Node::check_on(std::shared_ptr<Connection> connection, TimePoint deadline) {
  for (const Question question : questions) {
    Command command = ask(question);
    Connection::Answer answer(connection->group().loop);
    connection->submit(answer, std::move(command), deadline, 0, true);
    const Reply reply = co_await answer.wait();
    if (reply.is_error()) {
      const std::string& text = reply.error_text();
      const ErrorMeaning meaning = classify(text);
      if (question != Question::ping && meaning.remedy == Remedy::fatal) continue;
      throw refusal("to answer", text);
    }
    const std::string unfit =
        unfit_text(question == Question::role ? read_role(reply) : read_replication_info(reply));
    if (unfit.empty()) co_return;
    connection->demoted(unfit);
    throw ConnectionError(unfit);
  }
}

Task<> Node::close(TimePoint deadline) {
  const std::shared_ptr<ConnectionGroup> group = group_;
  closing_ = true;
  const std::shared_ptr<Subscriber> subscriber = subscriber_;
  const std::vector<Connection*> all = group->connections();
  for (Connection* const each : all) {
    if (each->listens()) {
      each->abort();
    } else {
      each->drain(deadline);
    }
  }
  const auto all_closed = [](const ConnectionGroup& what) {
    const auto& open = what.connections();
    return std::all_of(open.begin(), open.end(), [](const Connection* each) {
      return each->fsm().state() == LaneState::closed;
    });
  };
  if (subscriber != nullptr) co_await subscriber->close();
  while (!all_closed(*group)) {
    group->closed.reset();
    try {
      co_await group->closed.wait();
    } catch (const ShutdownError&) {
      co_return;  // the loop ends, and has closed them
    }
  }
}

}  // namespace mx_rmq::redis
