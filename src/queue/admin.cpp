#include "mx_rmq/admin.hpp"

#include <utility>

#include "queue/core.hpp"

namespace mx_rmq {
namespace {

Task<std::vector<std::string>> list_topics(std::shared_ptr<detail::QueueCore> core) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
  co_return co_await core->access().topic_set().list(deadline);
}

}  // namespace

Admin::Admin(std::shared_ptr<detail::QueueCore> core) noexcept : core_(std::move(core)) {}

Task<std::vector<std::string>> Admin::topics() { return list_topics(core_); }

}  // namespace mx_rmq
