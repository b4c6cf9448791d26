#include "redis/connection/connection.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/role.hpp"
#include "redis/wire/classify.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::redis {

namespace log = runtime::log;

namespace {

constexpr std::size_t feed_size = std::size_t{16} << 10;
constexpr std::size_t write_at_once = std::size_t{32} << 10;
// At most so much in one write.
constexpr std::size_t write_buffers = 256;
constexpr std::size_t write_bytes = std::size_t{1} << 20;
constexpr std::chrono::seconds look_within{5};
constexpr std::chrono::seconds subscribed_within{5};

std::optional<Address> local_address(const Endpoint& endpoint) {
  if (endpoint.unix_path.empty()) return std::nullopt;
  return Address{true, endpoint.unix_path, 0};
}

}  // namespace

Connection::Connection(std::shared_ptr<ConnectionGroup> group)
    : Connection(std::move(group), nullptr) {}

Connection::Connection(std::shared_ptr<ConnectionGroup> group, PushListener& listener)
    : Connection(std::move(group), &listener) {
  fsm_.listen();
}

Connection::Connection(std::shared_ptr<ConnectionGroup> group, PushListener* listener)
    : group_(std::move(group)),
      listens_(listener != nullptr),
      listener_(listener),
      fsm_(group_->options.connection, local_address(group_->options.endpoint),
           listener != nullptr ? group_->listening_plan : group_->plan, *group_->seams.rng) {
  group_->add(*this);
}

Connection::~Connection() {
  abort();
  group_->loop.cancel(timer_);
  group_->remove(*this);
}

std::uint64_t Connection::submit(Answer& answer, Command command, TimePoint deadline,
                                 std::uint64_t only_epoch, bool only_fit) {
  const std::uint64_t number = ++submissions_;
  log::trace("to Redis", "command", command.name(), "bytes", command.size(), "number", number);
  fsm_.submit(group_->loop.now(), reinterpret_cast<WaiterToken>(&answer), std::move(command),
              deadline, only_epoch, actions_, only_fit);
  perform();
  // So much is worth a write of its own: Redis has it while this thread goes on.
  if (fsm_.queued_bytes() >= write_at_once) flush();
  return number;
}

void Connection::start() {
  fsm_.start(group_->loop.now(), actions_);
  perform();
}

void Connection::subscribe(Command command, std::uint64_t epoch) {
  submit_for_listener(subscribe_token, std::move(command), epoch);
}

void Connection::unsubscribe(Command command, std::uint64_t epoch) {
  submit_for_listener(unsubscribe_token, std::move(command), epoch);
}

void Connection::submit_for_listener(WaiterToken waiter, Command command, std::uint64_t epoch) {
  const TimePoint now = group_->loop.now();
  fsm_.submit(now, waiter, std::move(command), now + subscribed_within, epoch, actions_);
  perform();
}

void Connection::recycle(std::uint64_t epoch, std::string_view why) {
  fsm_.recycle(group_->loop.now(), epoch, why, actions_);
  perform();
}

void Connection::drop(std::uint64_t epoch, std::string_view why) {
  fsm_.drop(group_->loop.now(), epoch, why, actions_);
  perform();
}

void Connection::renew(std::string_view why) {
  // Whoever waits at a server for what comes to another one would wait long.
  const bool at_once = listens();
  fsm_.renew(group_->loop.now(), why, at_once, actions_);
  perform();
}

void Connection::try_now() {
  fsm_.try_now(group_->loop.now());
  arm_timer();
}

void Connection::relocate(const Address& where, std::string_view why) {
  const bool leads = fsm_.state() != LaneState::backing_off && fsm_.state() != LaneState::refused;
  if (leads && address_.name == where.name && address_.port == where.port) return;
  fsm_.relocate(group_->loop.now(), why, actions_);
  perform();
}

void Connection::look() {
  if (looking_ || !fsm_.ready() || fsm_.role_refusals() > 1) return;
  // One that waits at its server is told by it.
  if (listens()) return;
  looking_ = true;
  const TimePoint now = group_->loop.now();
  Command command =
      fsm_.role_refusals() == 0 ? Command::of("ROLE") : Command::of("INFO", "replication");
  fsm_.submit(now, look_token, std::move(command), now + look_within, fsm_.epoch(), actions_);
  perform();
}

void Connection::looked(const Action& action) {
  looking_ = false;
  if (action.kind != Action::Kind::reply) return;  // it ended, or will by its silence
  const Reply& reply = action.reply;
  std::string unfit =
      unfit_text(reply.is_array() ? read_role(reply) : read_replication_info(reply));
  if (!unfit.empty()) demoted_ = std::move(unfit);
}

void Connection::explain_silence(std::string why) {
  fsm_.explain_silence(std::move(why), actions_);
  perform();
}

void Connection::demoted(std::string_view why) { group_->watch->demoted(renewals_, why); }

void Connection::give_back(std::string_view why) {
  fsm_.give_back(why, actions_);
  perform();
}

void Connection::abandon(std::string_view why) {
  fsm_.abandon(group_->loop.now(), why, actions_);
  perform();
}

void Connection::drain(TimePoint deadline) {
  fsm_.drain(group_->loop.now(), deadline, actions_);
  perform();
}

void Connection::abort() noexcept {
  fsm_.abort(group_->loop.now(), actions_);
  perform();
}

std::uint64_t Connection::on_ready(OnReady callback) {
  ready_callbacks_.emplace(++last_callback_, std::move(callback));
  return last_callback_;
}

void Connection::remove_on_ready(std::uint64_t id) noexcept { ready_callbacks_.erase(id); }

bool Connection::load_queued_after(const lua::Script& script, std::uint64_t number) const noexcept {
  const auto found = loads_.find(&script);
  return found != loads_.end() && found->second.epoch == fsm_.epoch() &&
         found->second.number > number;
}

void Connection::note_load(const lua::Script& script, std::uint64_t number) {
  loads_[&script] = {fsm_.epoch(), number};
}

// --- what the machine is told ---

void Connection::on_securing() noexcept {
  if (!group_->silence().empty()) fsm_.presume_silence(group_->silence());
  fsm_.on_securing(group_->loop.now());
  perform();
}

void Connection::on_connected() noexcept {
  if (!group_->silence().empty()) fsm_.presume_silence(group_->silence());
  fsm_.on_connected(group_->loop.now(), actions_);
  setup_sent_ = group_->loop.now();
  perform();
}

void Connection::on_bytes(std::string_view bytes) noexcept {
  const std::uint64_t transport = transports_;
  const std::shared_ptr<ReplyReader> reader = reader_;
  const TimePoint now = group_->loop.now();
  const bool first = fsm_.setup_unanswered();
  const std::string_view all = bytes;
  fsm_.on_heard(now);
  while (!bytes.empty() && transport == transports_ && transport_ != nullptr) {
    reader->feed(bytes.substr(0, feed_size));
    bytes.remove_prefix(std::min(bytes.size(), feed_size));
    Reply reply;
    ReplyReader::Status status;
    while ((status = reader->next(reply)) == ReplyReader::Status::reply) {
      fsm_.on_reply(now, std::move(reply), actions_);
    }
    if (status == ReplyReader::Status::error && first && fsm_.setup_unanswered()) {
      const std::string address = where();
      fsm_.on_no_redis(now, unfit_bytes_text(address, all), actions_);
    } else if (status == ReplyReader::Status::error) {
      fsm_.on_protocol_error(now, reader->error(), actions_);
    }
    perform();
  }
}

void Connection::on_writable() noexcept {
  blocked_ = false;
  want_flush();
}

void Connection::on_lost(std::string_view why) noexcept {
  fsm_.on_lost(group_->loop.now(), why, actions_);
  perform();
}

void Connection::on_untrusted(std::string_view why) noexcept {
  fsm_.on_untrusted(group_->loop.now(), why, actions_);
  perform();
}

void Connection::on_timer() {
  timer_ = {};
  armed_for_ = TimePoint::max();
  fsm_.on_timer(group_->loop.now(), actions_);
  perform();
}

// --- what it wants done ---

void Connection::perform() {
  [[maybe_unused]] const std::size_t count = actions_.size();
  for (Action& action : actions_) perform_one(action);
  assert(actions_.size() == count && "no action calls back into the machine");
  actions_.clear();
  want_flush();
  arm_timer();
  if (!demoted_.empty()) demoted(std::exchange(demoted_, {}));
  if (std::exchange(unanswered_, false)) {
    drop(fsm_.epoch(), "the server did not answer a subscription");
  }
}

// What an error reply says about the server, whoever gets it.
void Connection::note_error(const std::string& text) {
  const ErrorMeaning meaning = classify(text);
  if (meaning.remedy == Remedy::reconnect) {
    demoted_ = text;
  } else if (group_->options.on_trouble) {
    if (meaning.code == "CLUSTERDOWN") group_->options.on_trouble();
  } else if (meaning.remedy == Remedy::follow || meaning.code == "CROSSSLOT") {
    group_->note_cluster(text);
  }
}

void Connection::perform_one(Action& action) {
  switch (action.kind) {
    case Action::Kind::resolve:
      resolve(action.number);
      break;
    case Action::Kind::connect:
      connect(std::move(action.address));
      break;
    case Action::Kind::close:
      close_transport();
      break;
    case Action::Kind::reply:
      log::trace("from Redis", "reply", Reply::name(action.reply.kind()));
      if (action.reply.is_error()) note_error(action.reply.error_text());
      if (take_for_itself(action)) break;
      reinterpret_cast<Answer*>(action.waiter)->complete(std::move(action.reply));
      break;
    case Action::Kind::fail:
      if (!take_for_itself(action)) fail(action);
      break;
    case Action::Kind::push:
      if (listener_ != nullptr) listener_->on_push(std::move(action.reply));
      break;
    case Action::Kind::server_time:
      group_->note_time(address_, action.number, setup_sent_);
      break;
    case Action::Kind::client_id:
      client_id_ = action.number;
      break;
    case Action::Kind::ready:
      log_change(action);
      group_->answered();
      renewals_ = group_->watch->renewals();
      group_->watch->found(*this);
      if (listener_ != nullptr) listener_->on_usable(static_cast<std::uint64_t>(action.number));
      became_ready(static_cast<std::uint64_t>(action.number));
      break;
    case Action::Kind::attempt_failed:
      log_change(action);
      if (!action.master.empty()) group_->watch->found_replica(address_, action.master);
      if (action.silent && !action.address.local) group_->probe(action.address);
      if (group_->options.on_trouble) group_->options.on_trouble();
      break;
    case Action::Kind::ask:
      group_->probe(action.address);
      break;
    case Action::Kind::silent:
      if (group_->options.on_trouble) group_->options.on_trouble();
      break;
    case Action::Kind::lost:
      log_change(action);
      if (group_->options.on_trouble) group_->options.on_trouble();
      if (listener_ != nullptr) listener_->on_ended();
      break;
    case Action::Kind::refused:
      log_change(action);
      break;
    case Action::Kind::closed:
      if (listener_ != nullptr) listener_->on_ended();
      group_->closed.set();
      break;
  }
}

// The end of a command that nobody but the connection sent.
bool Connection::take_for_itself(Action& action) {
  switch (action.waiter) {
    case look_token:
      looked(action);
      return true;
    case subscribe_token:
    case unsubscribe_token:
      break;
    default:
      return false;
  }
  if (action.kind == Action::Kind::fail) {
    // Where the connection ended, it is not ready any more.
    unanswered_ = unanswered_ || fsm_.ready();
  } else if (action.waiter == subscribe_token && listener_ != nullptr) {
    listener_->on_answer(std::move(action.reply));
  }
  return true;
}

std::string Connection::where() const {
  const Endpoint& endpoint = group_->options.endpoint;
  if (endpoint.kind != api::RedisKind::sentinel || address_.name.empty()) return endpoint.address();
  return endpoint.address() + " at " + api::HostPort{address_.name, address_.port}.text();
}

// Who looks for the master says what matters of that.
void Connection::log_search(const Action& action) {
  const std::string address = group_->options.endpoint.address();
  const bool sentinel = group_->options.peer == Peer::sentinel;
  log::debug(sentinel ? "connection to a Sentinel" : "a look at a server", "address", address,
             "connected", action.kind == Action::Kind::ready, "why", action.text);
}

void Connection::log_change(const Action& action) {
  ConnectionGroup& group = *group_;
  if (group.options.peer != Peer::master) return log_search(action);
  const std::string address = where();
  if (action.kind == Action::Kind::ready) {
    log::info(group.log_ready, "connected to Redis", "address", address, "epoch", action.number);
  } else if (action.kind == Action::Kind::attempt_failed && action.unfit) {
    log::error(group.log_unfit, "cannot work with what is there, trying again", "address", address,
               "why", action.text);
  } else if (action.kind == Action::Kind::attempt_failed) {
    log::warn(group.log_failed, "no connection to Redis, trying again", "address", address, "why",
              action.text);
  } else if (action.kind == Action::Kind::refused) {
    log::error(group.log_refused,
               action.unfit ? "cannot work with what is there, trying again later"
                            : "Redis refuses us, trying again later",
               "address", address, "why", action.text, "pause",
               group.options.connection.refused_retry);
  } else if (action.number != 0) {
    log::info(group.log_lost, "connecting to Redis anew", "address", address, "why", action.text);
  } else if (action.idle) {
    // The server's `timeout`, a middlebox: nothing was under way, and a new one is made. If that
    // fails, that is told.
    log::info(group.log_idle, "an idle connection to Redis ended, connecting anew", "address",
              address, "why", action.text);
  } else {
    log::warn(group.log_lost, "connection to Redis lost, connecting anew", "address", address,
              "why", action.text);
  }
}

void Connection::fail(const Action& action) {
  auto* const answer = reinterpret_cast<Answer*>(action.waiter);
  switch (action.failure) {
    case Failure::not_written:
      answer->fail(std::make_exception_ptr(ConnectionError(action.text)));
      break;
    case Failure::untrusted:
      answer->fail(std::make_exception_ptr(TlsError(action.text)));
      break;
    case Failure::timed_out:
      answer->fail(std::make_exception_ptr(TimeoutError(action.text)));
      break;
    case Failure::outcome_unknown:
      answer->fail(std::make_exception_ptr(OutcomeUnknown(action.text)));
      break;
    case Failure::refused:
      answer->fail(std::make_exception_ptr(ServerError(action.code, action.text)));
      break;
    case Failure::shut_down:
      answer->fail(std::make_exception_ptr(ShutdownError(action.text)));
      break;
  }
}

void Connection::resolve(std::int64_t attempt) {
  const Endpoint& endpoint = group_->options.endpoint;
  group_->seams.resolver->resolve(endpoint.host, endpoint.port,
                                  [weak = weak_from_this(), attempt](Resolver::Result result) {
                                    const std::shared_ptr<Connection> self = weak.lock();
                                    if (self == nullptr) return;
                                    self->fsm_.on_resolved(self->group_->loop.now(), attempt,
                                                           std::move(result), self->actions_);
                                    self->perform();
                                  });
}

void Connection::connect(Address address) {
  if (!address.local && address.name.empty()) address.name = group_->options.endpoint.host;
  address_ = address;
  group_->warn_of_plain_password(address);
  ++transports_;
  blocked_ = false;
  client_id_ = 0;
  reader_ = std::make_shared<ReplyReader>(group_->options.connection.limits);
  transport_ = group_->seams.transport(*this);
  transport_->connect(address);
}

void Connection::close_transport() {
  if (transport_ == nullptr) return;
  transport_->close();
  // This may be inside one of its own calls.
  const std::shared_ptr<Transport> ended = std::move(transport_);
  group_->loop.defer([ended] {});
}

void Connection::became_ready(std::uint64_t epoch) {
  holding_ = !ready_callbacks_.empty();
  if (!holding_) return;
  group_->loop.defer([self = shared_from_this(), epoch] { self->tell_ready(epoch); });
}

void Connection::tell_ready(std::uint64_t epoch) {
  if (epoch == fsm_.epoch()) {
    // A callback may add and remove callbacks.
    std::vector<std::uint64_t> ids;
    for (const auto& [id, callback] : ready_callbacks_) ids.push_back(id);
    for (const std::uint64_t id : ids) {
      const auto found = ready_callbacks_.find(id);
      if (found == ready_callbacks_.end()) continue;
      const OnReady callback = found->second;
      try {
        callback(epoch);
      } catch (...) {
        group_->loop.report(std::current_exception());
      }
    }
    holding_ = false;
  }
  want_flush();
}

// --- writing: what was queued in a loop turn leaves in its flush hook ---

void Connection::want_flush() {
  if (dirty_ || transport_ == nullptr || blocked_ || !fsm_.wants_write()) return;
  dirty_ = true;
  group_->mark_dirty(*this);
}

void Connection::flush() {
  dirty_ = false;
  if (const TimePoint now = group_->loop.now(); now >= fsm_.next_wake()) {
    fsm_.on_timer(now, actions_);
    perform();
  }
  const bool held = holding_ && fsm_.state() != LaneState::setting_up;
  while (transport_ != nullptr && !blocked_ && !held && fsm_.wants_write()) {
    buffers_.clear();
    const std::size_t skip = fsm_.gather(buffers_, write_buffers, write_bytes);
    std::size_t offered = 0;
    for (const SharedBytes& each : buffers_) offered += each.size;
    const std::size_t taken = transport_->write(buffers_, skip);
    fsm_.on_written(taken);
    blocked_ = taken < offered - skip;
  }
  buffers_.clear();
  arm_timer();
}

void Connection::arm_timer() {
  const TimePoint wake = fsm_.next_wake();
  if (wake >= armed_for_ || group_->loop.stopping()) return;
  if (timer_) group_->loop.cancel(timer_);
  armed_for_ = wake;
  timer_ = group_->loop.call_at(wake, [this] { on_timer(); });
}

Task<Reply> send_on(std::shared_ptr<Connection> connection, Command command, TimePoint deadline,
                    std::uint64_t only_epoch) {
  Connection::Answer answer(connection->group().loop);
  connection->submit(answer, std::move(command), deadline, only_epoch);
  co_return co_await answer.wait();
}

}  // namespace mx_rmq::redis
