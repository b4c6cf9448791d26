// Rounds of both sides as a row of a table.
#pragma once

#include <string>
#include <vector>

#include "measure.hpp"
#include "report.hpp"

namespace bench {

// The rounds of one side: median, least and most of each figure, a message where that makes sense.
nlohmann::ordered_json summary(const std::vector<Round>& rounds);
// A row of throughput: the library beside the limit. The ratio is the median of the rounds' ratios.
Row throughput(const std::string& variant, const std::vector<Round>& library,
               const std::vector<Round>& limit);

}  // namespace bench
