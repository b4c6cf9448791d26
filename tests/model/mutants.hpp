// Bugs that are planted into the scripts to see that the tests find them.
#pragma once

#include <vector>

#include "script_text.hpp"

namespace mx_rmq::test {

// Wrong replies or states: found by comparing with the model.
const std::vector<Mutation>& state_mutants();
// Wrong order of writes: found only when a call inside the script fails.
const std::vector<Mutation>& order_mutants();

}  // namespace mx_rmq::test
