#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "mx_rmq/task.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

class Connection;
using runtime::TimePoint;

/// Where a route that moves leads to, for who sends again: it is asked before each try. Loop thread
/// only.
class Bearings {
 public:
  struct Here {
    std::shared_ptr<Connection> connection;
    std::uint64_t only_epoch = 0;  ///< of the connection; 0: any
  };

  /// What is to be done about a MOVED or an ASK.
  struct Turn {
    bool known = false;                 ///< send it again at once: over what `find` says now ...
    std::shared_ptr<Connection> ask{};  ///< ... or, this once, over this one, behind ASKING
  };

  virtual ~Bearings() = default;
  /// The connection to send over now; waits for one up to `deadline`. With `only_epoch`, an epoch
  /// of the route, ConnectionError unless that is the present one. Also throws TimeoutError (it
  /// leads nowhere that is known) and ShutdownError.
  virtual Task<Here> find(TimePoint deadline, std::uint64_t only_epoch) = 0;
  /// A command that was sent over `by` was answered so.
  virtual Turn redirected(const Connection& by, std::string_view error_text) = 0;
};

}  // namespace mx_rmq::redis
