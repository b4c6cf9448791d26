#pragma once

#include <cstdint>
#include <string>

namespace mx_rmq {

/// One thing that Admin::diagnose() has looked at.
struct Finding {
  /// How bad it is.
  enum class Level : std::uint8_t {
    good,     ///< as it should be
    note,     ///< worth knowing; a matter of choice
    warning,  ///< will make trouble sooner or later
    critical  ///< makes trouble now, or loses messages when it comes to the worst
  };

  /// Good, about nothing.
  Finding();

  Level level = Level::good;  ///< how bad it is
  std::string server;         ///< of a Cluster: the master that it is about, HOST:PORT; else empty
  std::string subject;        ///< one word: "eviction", "memory", "persistence", ...
  std::string seen;           ///< what was found
  std::string remedy;         ///< what to do; empty where there is nothing to be done
};

}  // namespace mx_rmq
