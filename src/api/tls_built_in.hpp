#pragma once

namespace mx_rmq::api {

/// Whether this library was built with TLS, so that URLs that ask for it are taken.
[[nodiscard]] bool tls_built_in() noexcept;

}  // namespace mx_rmq::api
