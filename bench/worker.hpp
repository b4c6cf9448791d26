// One of several worker processes.
#pragma once

#include "options.hpp"
#include "scenario.hpp"

namespace bench {

// Body of a worker process: says that it is there, consumes when told, reports when told to stop.
// They are told by lists in the Redis that is measured. Gives the exit code.
int work(const WorkerOptions& options);

// Messages consumed by `count` such processes, from a topic that the limit has filled. The client's
// figures are sums over the processes, but peak_rss, which is the largest one's.
Round consume_by_processes(Bench& bench, int count, long messages);

}  // namespace bench
