// The hook points that are compiled into this program.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace mx_rmq::planted {

// By name: whether the bug is awake there.
const std::map<std::string, std::reference_wrapper<bool>, std::less<>>& points();

// That bug is awake from now on, in this process. Throws if it has no hook point.
void awaken(const std::string& name);

}  // namespace mx_rmq::planted
