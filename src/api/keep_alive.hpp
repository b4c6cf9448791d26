#pragma once

#include <memory>
#include <utility>

#include "mx_rmq/task.hpp"

namespace mx_rmq::api {

/// The task, with `owner` kept alive until it has ended: a handle may be gone before what it
/// returned is awaited.
template <class T>
Task<T> keep_alive([[maybe_unused]] std::shared_ptr<void> owner, Task<T> task) {
  co_return co_await std::move(task);
}

}  // namespace mx_rmq::api
