// One measured pass of either side. Each begins with connections that are up and ends when the last
// message is acknowledged.
#pragma once

#include "library.hpp"
#include "scenario.hpp"
#include "throughput.hpp"

namespace bench {

// Produced, claimed and acknowledged, all batches of one before those of the next.
Round limit_cycle(Plain& redis, Limit& limit, long messages);
// The same with a Limit made for it, fit for the payload.
Round limit_cycle(Bench& bench, const LibraryShape& shape, long messages);
Round limit_produce(Bench& bench, const LibraryShape& shape, LimitShape limit_shape, long messages);
// What it consumes it has produced before, unmeasured.
Round limit_consume(Bench& bench, const LibraryShape& shape, long messages);

// How the library's messages are produced.
struct Callers {
  int count = 1'000;
  int batch = 0;  // a produce_batch call of so many; 0: single messages
};
Round library_cycle(Bench& bench, const LibraryShape& shape, Callers callers, long messages);
Round library_produce(Bench& bench, const LibraryShape& shape, Callers callers, long messages);
// From a topic that was filled by the limit, unmeasured; from the start of consuming.
Round library_consume(Bench& bench, const LibraryShape& shape, long messages);

// Waits until as many were acknowledged since the counters were `before`: a counter in Redis.
// Topics, or the hash tags of partitions.
long completed(Plain& redis, const std::vector<std::string>& topics);
void wait_completed(Plain& redis, const std::vector<std::string>& topics, long messages);

// Waits until no commands come any more: a consumer looks into each of its topics when it starts,
// which is no cost of a message.
void wait_rested(Plain& redis);

}  // namespace bench
