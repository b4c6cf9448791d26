#include "support/record.hpp"

#include <array>
#include <stdexcept>
#include <string>

namespace mx_rmq::test {
namespace {

constexpr std::array names{
    FaultKind{Fault::kill_worker, "kill worker", true, false},
    FaultKind{Fault::pause_worker, "pause worker", true, false},
    FaultKind{Fault::block_loop, "block loop", true, false},
    FaultKind{Fault::kill_producer, "kill producer", false, false},
    FaultKind{Fault::stop_worker, "stop worker", false, false},
    FaultKind{Fault::cut, "cut", false, false},
    FaultKind{Fault::stall, "stall", true, false},
    FaultKind{Fault::lose_reply, "lose reply", false, false},
    FaultKind{Fault::lose_command, "lose command", false, false},
    FaultKind{Fault::delay, "delay", true, false},
    FaultKind{Fault::slice, "slice", false, false},
    FaultKind{Fault::kill_server, "kill server", true, false},
    FaultKind{Fault::kill_everysec, "kill server everysec", true, true},
    FaultKind{Fault::power_cut, "power cut", true, true},
    FaultKind{Fault::restart_server, "restart server", true, false},
    FaultKind{Fault::reload, "reload", true, false},
    FaultKind{Fault::rewrite, "rewrite", false, false},
    FaultKind{Fault::flush_scripts, "flush scripts", false, false},
    FaultKind{Fault::kill_clients, "kill clients", false, false},
    FaultKind{Fault::busy, "busy", true, false},
    FaultKind{Fault::sleep, "sleep", true, false},
    FaultKind{Fault::full_memory, "full memory", false, false},
    FaultKind{Fault::rotate_password, "rotate password", true, false},
    FaultKind{Fault::clock_jump, "clock jump", false, false},
    FaultKind{Fault::poison, "poison", true, false},
    FaultKind{Fault::lose_data, "lose data", true, true},
    FaultKind{Fault::damage_file, "damage file", true, true},
    FaultKind{Fault::pause_server, "pause server", true, false},
    FaultKind{Fault::server_clock, "server clock", true, false},
    FaultKind{Fault::full_disk, "full disk", true, false},
    FaultKind{Fault::no_clients, "no clients", true, false},
    FaultKind{Fault::failover, "failover", true, true},
    FaultKind{Fault::switchover, "switchover", true, false},
    FaultKind{Fault::move_slot, "move slot", true, false},
};
static_assert(names.size() == static_cast<std::size_t>(Fault::last));

}  // namespace

const FaultKind& kind_of(Fault fault) {
  const auto place = static_cast<std::size_t>(fault) - 1;
  if (place >= names.size() || names[place].fault != fault)
    throw std::logic_error("no such fault: " + std::to_string(place + 1));
  return names[place];
}

}  // namespace mx_rmq::test
