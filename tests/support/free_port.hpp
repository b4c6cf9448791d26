// A port for a server of a test's own.
#pragma once

namespace mx_rmq::test {

// A port of 127.0.0.1 that nobody has now. Somebody may have it the next moment: the caller tries
// again. Throws std::runtime_error if there is none.
int free_port();

}  // namespace mx_rmq::test
