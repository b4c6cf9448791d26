#pragma once

#include "mx_rmq/errors.hpp"

namespace mx_rmq::redis {

/// An error raised inside a script, in Redis's words: it may have done half. Unlike after a lost
/// reply, another copy of the call is no way out: it could do that half again.
class ScriptError : public OutcomeUnknown {
 public:
  using OutcomeUnknown::OutcomeUnknown;
};

}  // namespace mx_rmq::redis
