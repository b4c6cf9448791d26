// What processes of a fault test write down: one record of a fixed size for each thing that
// happened.
#pragma once

#include <cstdint>
#include <string_view>

namespace mx_rmq::test {

enum class Op : std::uint8_t {
  // A producer.
  produce_begins = 1,  // P_INV; crc is of the payload that is sent
  produced,            // P_OK; id is the message's
  refused,             // P_REJ: surely nothing was enqueued
  unknown,             // P_UNK: the call ended in OutcomeUnknown
  // A worker.
  run_begins,   // H_START; crc is of the payload that came
  run_ends,     // H_END; with its outcome
  told_lost,    // A_LOST: the worker was told that the message is somebody else's
  late,         // a settlement that was refused
  stood_still,  // the process (id), or all (id 0), did not get to run for `value` ns up to here
  started,      // a process began its work; value = open file descriptors
  ended,        // it ended as it should; value = open file descriptors
  // The server's own history (its append-only file), in its order.
  granted,    // C_OK: a consumer holds the message; value = number of the grant
  settled,    // A_OK: it was acknowledged; value = number of the grant that did it
  recovered,  // taken back from a consumer whose lease ran out
  // Whoever injects faults.
  fault_begins,  // key = the Fault; id = the process that it concerns, 0 for all
  fault_ends,
  healed,  // no more faults from here on
};

enum class Outcome : std::uint8_t { none, ok, thrown, cancelled };

// Kinds of injected faults; `names` in record.cpp has a row for each.
enum class Fault : std::uint8_t {
  kill_worker = 1,
  pause_worker,
  block_loop,
  kill_producer,
  stop_worker,  // gracefully, in the middle of work
  cut,          // connections closed
  stall,        // connections that carry nothing
  lose_reply,   // a command executed, its reply swallowed with the connection
  lose_command,
  delay,
  slice,
  kill_server,    // SIGKILL; what was written to a file survives
  kill_everysec,  // the same with appendfsync everysec: a write may have waited for a slow disk
  power_cut,      // SIGKILL; what was not synced is gone
  restart_server,
  reload,   // DEBUG RELOAD
  rewrite,  // BGREWRITEAOF
  flush_scripts,
  kill_clients,  // CLIENT KILL
  busy,          // a foreign script that takes long
  sleep,         // DEBUG SLEEP
  full_memory,
  rotate_password,
  clock_jump,    // a worker's wall clock is off
  poison,        // a message that kills its worker
  lose_data,     // the server is emptied, or comes back with less than it had
  damage_file,   // of a server that was killed: bits of its append-only file are wrong
  pause_server,  // SIGSTOP
  server_clock,  // the server's wall clock is set
  full_disk,     // no write to the append-only file succeeds
  no_clients,    // the server takes no more connections
  failover,      // another server becomes the master, with what it had been sent by then
  switchover,    // the same in good order: the old master stops, and sends everything first
  move_slot,     // a slot of a Cluster goes to another node
  last = move_slot
};

// What a fault may bring about, and so explain.
struct FaultKind {
  Fault fault;
  std::string_view name;
  bool costs_lease;  // a consumer may lose its lease
  bool rolls_back;   // the server may forget what it answered
};
const FaultKind& kind_of(Fault fault);

struct Record {
  std::uint64_t at = 0;     // ns of CLOCK_MONOTONIC, which all processes share
  std::uint64_t key = 0;    // which message; the producer's number, not the library's id
  std::uint64_t id = 0;     // hash of the library's id
  std::uint64_t value = 0;  // see Op
  std::uint32_t pid = 0;
  std::uint32_t crc = 0;
  Op op{};
  Outcome outcome{};
  std::uint16_t attempt = 0;
  std::uint16_t recoveries = 0;
  std::uint16_t check = 0;  // of all before it

  // Grows with each delivery of a message to a handler.
  [[nodiscard]] std::uint32_t fence() const noexcept { return std::uint32_t{attempt} + recoveries; }
};
static_assert(sizeof(Record) == 48);

}  // namespace mx_rmq::test
