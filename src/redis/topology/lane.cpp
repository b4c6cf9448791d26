#include "redis/topology/lane.hpp"

#include <utility>

#include "redis/connection/connection.hpp"
#include "redis/connection/eval.hpp"

namespace mx_rmq::redis {

Lane::Lane(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
Lane::~Lane() { connection_->abort(); }

Task<Reply> Lane::send(Command command, TimePoint deadline, std::uint64_t only_epoch) {
  return send_on(connection_, std::move(command), deadline, only_epoch);
}

Task<Reply> Lane::eval(const lua::Script& script, Command evalsha, TimePoint deadline,
                       std::uint64_t only_epoch) {
  return eval_on(connection_, &script, std::move(evalsha), deadline, only_epoch);
}

Task<Reply> Lane::eval_with(const lua::Script& script, Command evalsha, std::vector<Command> behind,
                            Reply* last, TimePoint deadline) {
  return eval_on(connection_, &script, std::move(evalsha), deadline, 0, {std::move(behind), last});
}

void Lane::connect() { connection_->start(); }
void Lane::reconnect(std::uint64_t epoch, std::string why) { connection_->recycle(epoch, why); }

void Lane::give_back(std::string why) { connection_->give_back(why); }

std::uint64_t Lane::epoch() const noexcept { return connection_->fsm().epoch(); }
bool Lane::ready() const noexcept { return connection_->fsm().ready(); }
LaneState Lane::state() const noexcept { return connection_->fsm().state(); }
std::string Lane::last_error() const { return connection_->fsm().last_error(); }

std::uint64_t Lane::on_epoch(OnEpoch callback) {
  return connection_->on_ready(std::move(callback));
}
void Lane::remove_on_epoch(std::uint64_t id) noexcept { connection_->remove_on_ready(id); }

ServerClock& Lane::clock() const noexcept { return connection_->group().clock; }
ChannelKind Lane::channels() const noexcept { return connection_->group().channels; }
runtime::EventLoop& Lane::loop() const noexcept { return connection_->group().loop; }
Rng& Lane::rng() const noexcept { return *connection_->group().seams.rng; }

}  // namespace mx_rmq::redis
