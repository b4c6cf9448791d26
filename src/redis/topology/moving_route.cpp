#include "redis/topology/moving_route.hpp"

#include <cassert>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include "mx_rmq/errors.hpp"
#include "redis/connection/bearings.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/eval.hpp"
#include "redis/topology/lane.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"

namespace mx_rmq::redis {

namespace {

// From node to node, for one command.
constexpr int most_redirections = 5;

}  // namespace

// Coroutines may outlive the route by a turn of the loop; what they touch is here.
class MovingRoute::State final : public Bearings, public std::enable_shared_from_this<State> {
 public:
  State(runtime::EventLoop& the_loop, Rng& the_rng, Redirected the_redirected)
      : loop(the_loop),
        rng(the_rng),
        on_redirection(std::move(the_redirected)),
        open(the_loop),
        clock(the_loop) {}

  void move_to(Lane* next, std::string why);
  /// The lane's connection of that epoch is usable, and nothing was sent over it yet by this route.
  void arrived(std::uint64_t lane_epoch);
  void forget_lane() noexcept;
  Task<Here> find(TimePoint deadline, std::uint64_t only_epoch) override;
  Turn redirected(const Connection& by, std::string_view error_text) override {
    return on_redirection ? on_redirection(by, error_text) : Turn{};
  }
  [[nodiscard]] bool ready() const noexcept {
    return lane != nullptr && lane_epoch != 0 && lane->ready() && lane->epoch() == lane_epoch;
  }

  runtime::EventLoop& loop;
  Rng& rng;
  Redirected on_redirection;
  Lane* lane = nullptr;
  std::uint64_t hook = 0;        // at the lane
  std::uint64_t lane_epoch = 0;  // the lane's that is `epoch` here; 0: none since the last move
  std::uint64_t epoch = 0;
  bool wanted = false;  // somebody wants a connection
  bool closed = false;
  std::string why;
  runtime::Event open;  // commands may be handed to the lane
  ServerClock clock;    // of nobody: what there is while it leads nowhere
  std::map<std::uint64_t, OnEpoch> callbacks;
  std::uint64_t last_callback = 0;
};

void MovingRoute::State::forget_lane() noexcept {
  if (lane == nullptr) return;
  lane->remove_on_epoch(hook);
  lane = nullptr;
  lane_epoch = 0;
}

void MovingRoute::State::move_to(Lane* next, std::string reason) {
  why = std::move(reason);
  if (closed || next == lane) return;
  Lane* const left = lane;
  forget_lane();
  open.reset();
  lane = next;
  // What waits there for a connection would wait for nothing.
  if (left != nullptr) left->give_back("what it is for has moved: " + why);
  if (next == nullptr) return;
  hook = next->on_epoch([weak = weak_from_this()](std::uint64_t fresh) {
    if (const auto self = weak.lock()) self->arrived(fresh);
  });
  if (wanted) next->connect();
  if (!next->ready()) {
    open.set();
    return;
  }
  // Whoever has something to put in order goes first.
  loop.defer([weak = weak_from_this(), next] {
    const auto self = weak.lock();
    if (self == nullptr || self->lane != next) return;
    if (next->ready()) self->arrived(next->epoch());
    self->loop.defer([weak, next] {
      const auto state = weak.lock();
      if (state != nullptr && state->lane == next) state->open.set();
    });
  });
}

void MovingRoute::State::arrived(std::uint64_t fresh) {
  if (fresh == lane_epoch) return;
  lane_epoch = fresh;
  const std::uint64_t told = ++epoch;
  // A callback may add and remove callbacks, and move the route.
  std::vector<std::uint64_t> ids;
  for (const auto& [id, callback] : callbacks) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    const auto found = callbacks.find(id);
    if (found == callbacks.end()) continue;
    const OnEpoch callback = found->second;
    try {
      callback(told);
    } catch (...) {
      loop.report(std::current_exception());
    }
  }
}

Task<Bearings::Here> MovingRoute::State::find(TimePoint deadline, std::uint64_t only_epoch) {
  const std::shared_ptr<State> self = shared_from_this();
  wanted = true;
  // One that is bound to what is over need not wait; what is to come is bound to nothing yet.
  while (!open.is_set() && only_epoch == 0 && !closed) {
    const bool came = co_await open.wait_until(deadline);
    if (!came) throw TimeoutError("not sent, as nobody knows where to: " + why);
  }
  if (closed) throw ShutdownError("the connections to Redis are closed");
  Here here;
  if (only_epoch != 0) {
    if (only_epoch != epoch || !ready()) throw ConnectionError(std::string(bound_and_over));
    here.only_epoch = lane_epoch;
  }
  here.connection = lane->connection();
  co_return here;
}

MovingRoute::MovingRoute(runtime::EventLoop& loop, Rng& rng, Redirected redirected)
    : state_(std::make_shared<State>(loop, rng, std::move(redirected))) {}

MovingRoute::~MovingRoute() { close(); }

void MovingRoute::move_to(Lane* lane, std::string why) { state_->move_to(lane, std::move(why)); }
Lane* MovingRoute::lane() const noexcept { return state_->lane; }

void MovingRoute::close() {
  state_->closed = true;
  state_->on_redirection = nullptr;
  state_->forget_lane();
  state_->callbacks.clear();
  state_->open.set();
}

Task<Reply> MovingRoute::send(Command command, TimePoint deadline, std::uint64_t only_epoch) {
  return send_over(state_, std::move(command), deadline, only_epoch);
}

// Behind ASKING, in one write.
Task<Reply> MovingRoute::send_asking(std::shared_ptr<Connection> connection, Command command,
                                     TimePoint deadline) {
  Connection::Answer asked(connection->group().loop);
  Connection::Answer answer(connection->group().loop);
  Command asking = Command::of("ASKING");
  connection->submit(asked, std::move(asking), deadline, 0);
  connection->submit(answer, std::move(command), deadline, 0);
  try {
    co_await asked.wait();
  } catch (const Error&) {
    // The command itself, sent on the same connection, tells what to do.
  }
  Reply reply = co_await answer.wait();
  co_return reply;
}

Task<Reply> MovingRoute::send_over(std::shared_ptr<State> state, Command command,
                                   TimePoint deadline, std::uint64_t only_epoch) {
  int hops = 0;
  std::shared_ptr<Connection> ask;
  for (;;) {
    if (ask != nullptr) {
      Reply reply = co_await send_asking(std::exchange(ask, nullptr), command, deadline);
      if (!reply.is_error()) co_return reply;
    }
    Bearings::Here here = co_await state->find(deadline, only_epoch);
    CallEnd end;
    Reply reply;
    try {
      reply = co_await send_on(here.connection, command, deadline, here.only_epoch);
    } catch (...) {
      end = CallEnd::caught();
    }
    if (end.answered()) {
      if (!reply.is_error() || ++hops > most_redirections) co_return reply;
      Bearings::Turn turn = state->redirected(*here.connection, reply.error_text());
      if (!turn.known) co_return reply;
      ask = std::move(turn.ask);
      continue;
    }
    const bool moved = state->lane == nullptr || state->lane->connection() != here.connection;
    if (end.kind() != CallEnd::Kind::not_sent || !moved || only_epoch != 0) end.rethrow();
  }
}

Task<Reply> MovingRoute::eval(const lua::Script& script, Command evalsha, TimePoint deadline,
                              std::uint64_t only_epoch) {
  return eval_by(state_, &script, std::move(evalsha), deadline, only_epoch);
}

Task<Reply> MovingRoute::eval_with(const lua::Script& script, Command evalsha,
                                   std::vector<Command> behind, Reply* last, TimePoint deadline) {
  return eval_by(state_, &script, std::move(evalsha), deadline, 0, {std::move(behind), last});
}

void MovingRoute::connect() {
  state_->wanted = true;
  if (state_->lane != nullptr) state_->lane->connect();
}

void MovingRoute::reconnect(std::uint64_t epoch, std::string why) {
  if (epoch != state_->epoch || state_->lane_epoch == 0) return;
  state_->lane->reconnect(state_->lane_epoch, std::move(why));
}

std::uint64_t MovingRoute::epoch() const noexcept { return state_->epoch; }
bool MovingRoute::ready() const noexcept { return state_->ready(); }

std::string MovingRoute::last_error() const {
  std::string text;
  if (state_->lane != nullptr) text = state_->lane->last_error();
  return text.empty() ? state_->why : text;
}

std::uint64_t MovingRoute::on_epoch(OnEpoch callback) {
  state_->callbacks.emplace(++state_->last_callback, std::move(callback));
  return state_->last_callback;
}

void MovingRoute::remove_on_epoch(std::uint64_t id) noexcept { state_->callbacks.erase(id); }

ServerClock& MovingRoute::clock() const noexcept {
  return state_->lane != nullptr ? state_->lane->clock() : state_->clock;
}

ChannelKind MovingRoute::channels() const noexcept {
  if (state_->lane != nullptr) return state_->lane->channels();
  return state_->on_redirection ? ChannelKind::sharded : ChannelKind::plain;  // of a Cluster
}
runtime::EventLoop& MovingRoute::loop() const noexcept { return state_->loop; }
Rng& MovingRoute::rng() const noexcept { return state_->rng; }

}  // namespace mx_rmq::redis
