#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace mx_rmq::redis {

/// How the connections of a client are.
struct ClientHealth {
  std::size_t lanes = 0;         ///< opened, listening ones included
  std::size_t ready = 0;         ///< of those, usable now
  std::size_t refused = 0;       ///< of those, refused for credentials or rights
  std::uint64_t reconnects = 0;  ///< connections made anew, of all that exist
  std::string last_error;        ///< of a lane that is not usable; else empty
  /// What is there instead of a master that serves us, and what to write instead of its address, as
  /// far as a connection found that out; else empty.
  std::string unfit;
  /// Why idle consumers cannot be told of work, so that they must ask for it (SUBSCRIBE or PUBLISH
  /// is refused); else empty.
  std::string mute;
  /// "ok", or what is wrong with those that tell where the servers are (Sentinels): what is
  /// connected goes on. Empty where nobody has to tell.
  std::string discovery{};
};

}  // namespace mx_rmq::redis
