#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "redis/connection/transport.hpp"
#include "redis/wire/reply.hpp"

namespace mx_rmq::redis {

/// Who awaits a reply; the state machine only hands it back. 0 is nobody.
using WaiterToken = std::uintptr_t;
/// The connection itself, which looks what its server is by now.
inline constexpr WaiterToken look_token = 1;
/// The connection itself, for a SUBSCRIBE of one channel and for an UNSUBSCRIBE of one.
inline constexpr WaiterToken subscribe_token = 2;
inline constexpr WaiterToken unsubscribe_token = 3;

/// How a command ended that got no reply.
enum class Failure : std::uint8_t {
  not_written,      ///< ConnectionError
  timed_out,        ///< TimeoutError: not written by its deadline
  outcome_unknown,  ///< OutcomeUnknown
  untrusted,        ///< TlsError: not written, as there is no TLS connection that may be used
  refused,          ///< ServerError: set-up is refused
  shut_down         ///< ShutdownError
};

/// What a ConnectionFsm wants done.
struct Action {
  enum class Kind : std::uint8_t {
    resolve,         ///< look up the host; answer with on_resolved(number, ...)
    connect,         ///< make a transport and connect it to `address`
    close,           ///< drop the transport
    reply,           ///< `waiter` gets `reply`
    push,            ///< the server sent `reply` unasked
    fail,            ///< `waiter` gets `failure` with `code` and `text`
    server_time,     ///< `number`: unix ms the server told during set-up
    client_id,       ///< `number`: this connection's id at the server; 0 = unknown
    ready,           ///< usable: epoch `number` begins
    lost,            ///< `text`: a usable connection ended (to be logged)
    attempt_failed,  ///< `text`: could not connect (to be logged)
    ask,             ///< nothing comes in a TLS handshake with `address`: find out what is there
    silent,          ///< nothing comes, though something should
    refused,         ///< `text`: credentials, rights, or no server for us (to be logged)
    closed           ///< for good
  };

  Kind kind;
  WaiterToken waiter = 0;
  Failure failure = Failure::not_written;
  std::int64_t number = 0;
  Reply reply{};
  std::string text{};
  std::string code{};
  Address address{};     ///< connect, ask; attempt_failed in the set-up: where
  std::string master{};  ///< attempt_failed at a replica: who it says its master is
  bool unfit = false;    ///< attempt_failed, refused: what is there is no master
  bool silent = false;   ///< attempt_failed: connected, and not a byte came
  bool idle = false;     ///< lost: the other end closed it while nothing was under way
};
using Actions = std::vector<Action>;

/// Adds that `waiter`, if it is somebody, is told how its command failed.
inline void add_failure(Actions& out, WaiterToken waiter, Failure failure, std::string text,
                        std::string code = {}) {
  if (waiter == 0) return;
  out.push_back({.kind = Action::Kind::fail,
                 .waiter = waiter,
                 .failure = failure,
                 .text = std::move(text),
                 .code = std::move(code)});
}

}  // namespace mx_rmq::redis
