#pragma once

/// Everything: each part also has its own header.

#include "mx_rmq/config.hpp"
#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/log.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/metrics.hpp"
#include "mx_rmq/queue.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "mx_rmq/task.hpp"
