#include "mx_rmq/history.hpp"

namespace mx_rmq {

HistoryPoint::HistoryPoint() = default;
TopicHistory::TopicHistory() = default;

}  // namespace mx_rmq
