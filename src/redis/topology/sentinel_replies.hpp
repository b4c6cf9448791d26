#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "api/host_port.hpp"
#include "redis/wire/reply.hpp"

/// What Sentinels answer and publish. None of these throws: what has another shape tells nothing.
namespace mx_rmq::redis {

/// SENTINEL GET-MASTER-ADDR-BY-NAME. Nothing if the master is not known there.
[[nodiscard]] std::optional<api::HostPort> read_master_address(const Reply& reply);
/// SENTINEL MASTER: its config-epoch. Nothing where that command is refused.
[[nodiscard]] std::optional<std::uint64_t> read_config_epoch(const Reply& reply);
/// SENTINEL SENTINELS: the other Sentinels, as far as they have an address.
[[nodiscard]] std::vector<api::HostPort> read_sentinels(const Reply& reply);
/// Whether a message on +switch-master ("<name> <old host> <old port> <host> <port>") is about the
/// master of that name.
[[nodiscard]] bool tells_switch(std::string_view message, std::string_view name);
/// The same of +promoted-slave ("slave <name of it> <host> <port> @ <name> <host> <port>"), which
/// the Sentinel that leads a failover publishes first.
[[nodiscard]] bool tells_promotion(std::string_view message, std::string_view name);

}  // namespace mx_rmq::redis
