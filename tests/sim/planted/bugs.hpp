// Bugs of clients: each has to be found by the simulation.
#pragma once

#include <string>
#include <vector>

namespace mx_rmq::planted {

struct Bug {
  std::string name;  // of its hook points in src/: MX_RMQ_PLANTED(name)
  std::string what;
};

const std::vector<Bug>& bugs();

}  // namespace mx_rmq::planted
