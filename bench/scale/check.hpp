// The scale model beside a run that is measured: the library on a Redis Cluster of three nodes, and
// on one, all on the cores of this machine.
#pragma once

#include "scale/costs.hpp"

namespace bench::scale {

// Prints both. `quick`: small sizes.
void check(const Costs& costs, bool quick, int rounds);

}  // namespace bench::scale
