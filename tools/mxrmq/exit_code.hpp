#pragma once

namespace mxrmq {

/// What the program tells scripts that call it; `mxrmq --help` lists them.
enum class ExitCode : int {
  ok = 0,
  not_found = 1,    ///< no such message, topic or dead letter
  usage = 2,        ///< an argument, a variable or the URL is wrong; nothing was sent
  unreachable = 3,  ///< Redis did not answer
  refused = 4,      ///< Redis, or whoever was asked to confirm, said no
  unknown = 5,      ///< it was sent, and no answer came: it may have happened
  partial = 6,      ///< some of it was done
};

}  // namespace mxrmq
