#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/connection_fsm.hpp"
#include "redis/connection/connection_group.hpp"
#include "redis/connection/push_listener.hpp"
#include "redis/connection/transport.hpp"
#include "redis/wire/reply_reader.hpp"
#include "runtime/one_shot.hpp"

namespace mx_rmq::redis {

/// Carries out what a ConnectionFsm decides: transport, parser, timer, log, and the coroutines that
/// wait. Loop thread only. Coroutines hold it by shared_ptr, so that it outlives its lane.
class Connection final : public std::enable_shared_from_this<Connection>, private TransportEvents {
 public:
  using Answer = runtime::OneShot<Reply>;
  using OnReady = std::function<void(std::uint64_t epoch)>;

  explicit Connection(std::shared_ptr<ConnectionGroup> group);
  /// One in subscribe mode, which carries subscribe() and unsubscribe() only. `listener` must live
  /// until deafen().
  Connection(std::shared_ptr<ConnectionGroup> group, PushListener& listener);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Queues a command. `answer` is completed or failed exactly once, perhaps before this returns,
  /// and must live until then. Returns a number that grows with each call.
  std::uint64_t submit(Answer& answer, Command command, TimePoint deadline,
                       std::uint64_t only_epoch, bool only_fit = false);

  void start();
  /// In subscribe mode: `command` is a SUBSCRIBE, or SSUBSCRIBE, of one channel. The listener gets
  /// the answer, unless the connection of that epoch ends first.
  void subscribe(Command command, std::uint64_t epoch);
  /// The same for an UNSUBSCRIBE, and for a PING. Nobody is told the answer; a connection on which
  /// none comes ends.
  void unsubscribe(Command command, std::uint64_t epoch);
  /// No listener any more.
  void deafen() noexcept { listener_ = nullptr; }
  void recycle(std::uint64_t epoch, std::string_view why);
  void drop(std::uint64_t epoch, std::string_view why);
  /// The server may be no master any more: see ConnectionFsm::renew. A wait under way is ended.
  void renew(std::string_view why);
  void try_now();
  /// See ConnectionFsm::relocate; nothing if it leads to `where` already.
  void relocate(const Address& where, std::string_view why);
  /// Asks what the server is by now, behind what is under way.
  void look();
  void explain_silence(std::string why);
  /// This connection was told that its server is no master.
  void demoted(std::string_view why);
  /// See ConnectionFsm::give_back and ConnectionFsm::abandon.
  void give_back(std::string_view why);
  void abandon(std::string_view why);
  void drain(TimePoint deadline);
  void abort() noexcept;
  /// Writes what is queued; called by the group's flush.
  void flush();

  std::uint64_t on_ready(OnReady callback);
  void remove_on_ready(std::uint64_t id) noexcept;

  /// Whether SCRIPT LOAD of `script` was queued on this connection after submission `number`.
  [[nodiscard]] bool load_queued_after(const lua::Script& script,
                                       std::uint64_t number) const noexcept;
  void note_load(const lua::Script& script, std::uint64_t number);

  [[nodiscard]] const ConnectionFsm& fsm() const noexcept { return fsm_; }
  [[nodiscard]] bool listens() const noexcept { return listens_; }
  [[nodiscard]] ConnectionGroup& group() const noexcept { return *group_; }
  /// Where the present connection leads, or the last one.
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  /// The server's id of the present connection; 0 = unknown.
  [[nodiscard]] std::int64_t client_id() const noexcept { return client_id_; }

 private:
  Connection(std::shared_ptr<ConnectionGroup> group, PushListener* listener);
  struct Load {
    std::uint64_t epoch;
    std::uint64_t number;
  };

  void on_securing() noexcept override;
  void on_connected() noexcept override;
  void on_bytes(std::string_view bytes) noexcept override;
  void on_writable() noexcept override;
  void on_lost(std::string_view why) noexcept override;
  void on_untrusted(std::string_view why) noexcept override;

  void perform();
  void perform_one(Action& action);
  void note_error(const std::string& text);
  void looked(const Action& action);
  [[nodiscard]] std::string where() const;
  void log_change(const Action& action);
  void log_search(const Action& action);
  void fail(const Action& action);
  void submit_for_listener(WaiterToken waiter, Command command, std::uint64_t epoch);
  bool take_for_itself(Action& action);
  void connect(Address address);
  void resolve(std::int64_t attempt);
  void became_ready(std::uint64_t epoch);
  void tell_ready(std::uint64_t epoch);
  void close_transport();
  void want_flush();
  void arm_timer();
  void on_timer();

  const std::shared_ptr<ConnectionGroup> group_;
  const bool listens_;
  PushListener* listener_;
  ConnectionFsm fsm_;
  Actions actions_;
  std::unique_ptr<Transport> transport_;
  Address address_;
  std::shared_ptr<ReplyReader> reader_;
  std::uint64_t transports_ = 0;  // made so far
  std::vector<SharedBytes> buffers_;
  bool dirty_ = false;
  bool blocked_ = false;        // the transport will say when it takes more
  bool holding_ = false;        // on_ready callbacks go first
  std::uint64_t renewals_ = 0;  // RoleWatch's, when this one became usable
  std::string demoted_;         // what the server said about it; told when the actions are done
  bool looking_ = false;
  bool unanswered_ = false;  // by the deadline of a command of its own
  runtime::TimerId timer_;
  TimePoint armed_for_ = TimePoint::max();
  TimePoint setup_sent_{};
  std::int64_t client_id_ = 0;
  std::uint64_t submissions_ = 0;
  std::map<const lua::Script*, Load> loads_;
  std::map<std::uint64_t, OnReady> ready_callbacks_;
  std::uint64_t last_callback_ = 0;
};

/// Route::send, for whoever has a connection.
Task<Reply> send_on(std::shared_ptr<Connection> connection, Command command, TimePoint deadline,
                    std::uint64_t only_epoch);

}  // namespace mx_rmq::redis
