// Fault tests are made of what all tests share.
#pragma once

#include "support/ledger.hpp"
#include "support/record.hpp"

namespace mx_rmq::faults {

using namespace test;

}  // namespace mx_rmq::faults
