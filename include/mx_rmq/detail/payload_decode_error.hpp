#pragma once

#include <stdexcept>

namespace mx_rmq::detail {

/// A payload that cannot be read: not JSON, or not a T. Thrown before the handler runs; the worker
/// makes such a message a dead letter with the reason "decode".
class PayloadDecodeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace mx_rmq::detail
