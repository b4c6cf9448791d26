// What things cost: the measured times that the scale model reckons with.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace bench::scale {

// Of a call: so much whatever it carries, and so much for each message. CPU time in us.
struct CallCost {
  double fixed = 0;
  double each = 0;

  [[nodiscard]] double of(double messages) const { return fixed + each * messages; }
};

struct Costs {
  // At a server, all that it does for a call: reading, the script, answering.
  CallCost produce;
  CallCost claim;
  CallCost ack;
  double wake = 0;  // to tell one idle consumer
  // In a client process: what it takes to produce, and to claim, handle and acknowledge.
  CallCost producing;
  CallCost consuming;
};

// On a private server, which takes a few seconds. `quick`: it shows that it works, and no more.
Costs measure_costs(bool quick);
nlohmann::ordered_json to_json(const Costs& costs);
// Throws std::runtime_error if the file has not all of them.
Costs read_costs(const std::string& file);

}  // namespace bench::scale
