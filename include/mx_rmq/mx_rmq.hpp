#pragma once

/// @file
/// Includes all public headers; each can also be included alone.

/// @mainpage A message queue on Redis. Begin with mx_rmq::RedisMessageQueue, which produces and
/// consumes messages; handler.hpp says what a handler may be and what becomes of its message,
/// errors.hpp what each error means, and mx_rmq::MQConfig what can be configured.

/// All public names of the library.
namespace mx_rmq {}

#include "mx_rmq/admin.hpp"
#include "mx_rmq/async.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/duration_histogram.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/log.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/message_change.hpp"
#include "mx_rmq/metrics.hpp"
#include "mx_rmq/metrics_server.hpp"
#include "mx_rmq/middleware.hpp"
#include "mx_rmq/pause.hpp"
#include "mx_rmq/queue.hpp"
#include "mx_rmq/retry_policy.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/stored_message.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "mx_rmq/task.hpp"
#include "mx_rmq/topic_settings.hpp"
#include "mx_rmq/tracing.hpp"
