#include "redis/topology/blocking_lane.hpp"

#include <cassert>
#include <exception>
#include <stdexcept>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/connection.hpp"
#include "redis/topology/node.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

BlockingLane::BlockingLane(std::shared_ptr<Connection> connection, Node& node)
    : connection_(std::move(connection)), node_(node) {}

BlockingLane::~BlockingLane() {
  assert(!waiting_ && "a wait under way uses its lane to its end");
  connection_->abort();
}

Task<Reply> BlockingLane::wait(Command command, TimePoint deadline) {
  if (waiting_) throw std::logic_error("mx_rmq: a second wait on a blocking connection");
  waiting_ = true;
  const std::shared_ptr<Connection> connection = connection_;
  Reply reply;
  std::exception_ptr error;
  try {
    reply = co_await send_on(connection, std::move(command), deadline, 0);
  } catch (...) {
    error = std::current_exception();
  }
  waiting_ = false;
  if (error != nullptr) {
    // A command left behind would keep the next one waiting.
    if (connection->fsm().in_flight() > 0) {
      connection->drop(connection->fsm().epoch(), "a blocking command went unanswered");
    }
    std::rethrow_exception(error);
  }
  co_return reply;
}

Task<bool> BlockingLane::interrupt(TimePoint deadline) {
  const std::shared_ptr<Connection> connection = connection_;
  if (!waiting_ || connection->fsm().in_flight() == 0) co_return false;
  const std::uint64_t epoch = connection->fsm().epoch();
  const std::int64_t id = connection->client_id();
  if (id != 0) {
    Command command = Command::of("CLIENT", "UNBLOCK", id);
    const Reply reply = co_await node_.lane(0).send(std::move(command), deadline);
    if (!reply.is_error()) co_return reply.as_integer() == 1;
    if (classify(reply.error_text()).remedy != Remedy::fatal) co_return false;
  }
  connection->drop(epoch, "a blocking command had to be ended");
  co_return true;
}

std::uint64_t BlockingLane::epoch() const noexcept { return connection_->fsm().epoch(); }
std::string BlockingLane::last_error() const { return connection_->fsm().last_error(); }
void BlockingLane::on_ready(OnReady callback) { connection_->on_ready(std::move(callback)); }

}  // namespace mx_rmq::redis
