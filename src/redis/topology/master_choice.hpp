#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "api/host_port.hpp"

namespace mx_rmq::redis {

/// What one Sentinel says of the master.
struct SentinelWord {
  api::HostPort master;
  std::optional<std::uint64_t> config_epoch;  ///< none: it may not tell
};

/// Which of what several Sentinels say counts. The highest config-epoch does; if none tells one,
/// what most of them say. They disagree for seconds around a failover.
class MasterChoice {
 public:
  /// An answer of config-epoch `known` or more needs no second opinion, unless it names `avoid`,
  /// which was found to be no master: that one is taken only if nobody names another.
  MasterChoice(std::uint64_t known, std::optional<api::HostPort> avoid)
      : known_(known), avoid_(std::move(avoid)) {}

  /// False: others have to be asked too, if there are any.
  bool add(const SentinelWord& word);
  /// The index, in the order of add(), of the answer that counts; nothing if there is none.
  [[nodiscard]] std::optional<std::size_t> best() const;
  [[nodiscard]] const SentinelWord& word(std::size_t index) const { return words_.at(index); }

 private:
  [[nodiscard]] std::size_t votes(const api::HostPort& master) const;
  [[nodiscard]] bool better(const SentinelWord& one, const SentinelWord& other) const;

  const std::uint64_t known_;
  const std::optional<api::HostPort> avoid_;
  std::vector<SentinelWord> words_;
};

}  // namespace mx_rmq::redis
