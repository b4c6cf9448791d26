#pragma once

#include "mx_rmq/errors.hpp"

namespace mx_rmq::redis {

/// What came back is not what was asked for: bytes that are no RESP2, a reply over a cap, or a
/// reply of another shape than the command's. Whether the command was executed is not known from
/// this.
class ProtocolError : public Error {
 public:
  using Error::Error;
};

}  // namespace mx_rmq::redis
