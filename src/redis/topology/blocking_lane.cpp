#include "redis/topology/blocking_lane.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/connection.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

BlockingLane::BlockingLane(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)) {}

BlockingLane::~BlockingLane() { connection_->abort(); }

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

Task<bool> BlockingLane::interrupt(Lane& via, TimePoint deadline) {
  const std::shared_ptr<Connection> connection = connection_;
  if (!waiting_ || connection->fsm().in_flight() == 0) co_return false;
  const std::uint64_t epoch = connection->fsm().epoch();
  const std::int64_t id = connection->client_id();
  if (id != 0) {
    Command command = Command::of("CLIENT", "UNBLOCK", id);
    const Reply reply = co_await via.send(std::move(command), deadline);
    if (!reply.is_error()) co_return reply.as_integer() == 1;
    if (classify(reply.error_text()).remedy != Remedy::fatal) co_return false;
  }
  connection->drop(epoch, "a blocking command had to be ended");
  co_return true;
}

bool BlockingLane::waiting() const noexcept { return waiting_; }
std::uint64_t BlockingLane::epoch() const noexcept { return connection_->fsm().epoch(); }
bool BlockingLane::ready() const noexcept { return connection_->fsm().ready(); }
LaneState BlockingLane::state() const noexcept { return connection_->fsm().state(); }
std::string BlockingLane::last_error() const { return connection_->fsm().last_error(); }

std::uint64_t BlockingLane::on_ready(Lane::OnReady callback) {
  return connection_->on_ready(std::move(callback));
}
void BlockingLane::remove_on_ready(std::uint64_t id) noexcept { connection_->remove_on_ready(id); }

}  // namespace mx_rmq::redis
