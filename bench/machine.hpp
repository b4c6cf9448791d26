// What a figure was measured on.
#pragma once

#include <nlohmann/json.hpp>

#include "plain.hpp"

namespace bench {

nlohmann::ordered_json machine_facts(Plain& redis, bool own_redis);

}  // namespace bench
