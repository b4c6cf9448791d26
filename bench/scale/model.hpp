// Many processes at many nodes, on virtual time: what the protocol does, as far as it takes time.
// Each node and each process is one thread of work; what its work takes is measured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <queue>
#include <vector>

#include "scale/costs.hpp"

namespace bench::scale {

struct System {
  int nodes = 1;
  int processes = 10;       // each produces and consumes
  int partitions = 1;       // in turn on the nodes
  int cores = 0;            // that all of them share; 0: each has one of its own
  double round_trip = 100;  // us
  int workers = 5;          // of each process
  int queue_size = 8;
  int batch = 500;     // most messages of a claim
  double handler = 0;  // us that a message takes in its handler, which takes no CPU
  // Messages that each process has in the system: one that has been handled makes place for a new
  // one. Or, with `job` messages in all: its callers, each of which produces one after the other.
  int window = 100;
  long job = 0;
  bool sticky = true;  // a batch stays with its partition; else messages go to them in turn
};

struct Outcome {
  double rate = 0;       // messages/s that were acknowledged
  double node_busy = 0;  // of its time, on average
  double busiest_node = 0;
  double process_busy = 0;
  double node_us = 0;  // CPU time of the nodes, and of the processes, a message
  double process_us = 0;
  double calls = 0;          // a message
  double claimed = 0;        // messages a claim that found some
  double woken = 0;          // wake-ups a message
  double passed = 0;         // of those, passed on
  double wait_ms = 0;        // of a message in its list, on average
  double registering_s = 0;  // until all have been listed as idle, if all begin at once
  double connections = 0;    // of all processes
  double connections_a_node = 0;
};

// Runs it until it has settled, and then for so many us of virtual time; or up to the end of the
// job.
Outcome run(const System& system, const Costs& costs, double duration);

// What a process opens to each node (docs/topology.md), with the default pool.
double connections_a_process_and_node(const System& system);

}  // namespace bench::scale
