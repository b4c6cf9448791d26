#include "mx_rmq/handler.hpp"

#include <stdexcept>

#include "api/checks.hpp"

namespace mx_rmq {

using std::chrono::milliseconds;

Reject::Reject(std::string why) : why_(std::make_shared<const std::string>(std::move(why))) {}

const char* Reject::what() const noexcept { return why_->c_str(); }

RetryAfter::RetryAfter(milliseconds delay, std::string why)
    : delay_(delay), why_(std::make_shared<const std::string>(std::move(why))) {
  if (delay < milliseconds(0) || delay > api::max_delay)
    throw std::invalid_argument("delay: RetryAfter takes 0 to 100 years, not " +
                                std::to_string(delay.count()) + "ms");
}

const char* RetryAfter::what() const noexcept { return why_->c_str(); }

namespace detail {
ContextImpl::~ContextImpl() = default;
}  // namespace detail

Context::Context(std::unique_ptr<detail::ContextImpl> impl) : impl_(std::move(impl)) {
  if (!impl_) throw std::invalid_argument("impl: it is null");
}

Context::~Context() = default;

const Message& Context::message() const noexcept { return impl_->message(); }
const std::string& Context::id() const noexcept { return impl_->message().id; }
const std::string& Context::topic() const noexcept { return impl_->message().topic; }
const std::map<std::string, std::string>& Context::headers() const noexcept {
  return impl_->message().headers;
}
int Context::attempt() const noexcept { return impl_->attempt(); }
int Context::max_attempts() const noexcept { return impl_->max_attempts(); }

std::chrono::steady_clock::time_point Context::deadline() const noexcept {
  return impl_->deadline();
}

std::stop_token Context::stop_token() const noexcept { return impl_->stop_token(); }

Task<> Context::extend(milliseconds duration) {
  if (duration < milliseconds(1) || duration > api::max_run_time)
    throw std::invalid_argument("duration: extend takes 1 ms to 30 days, not " +
                                std::to_string(duration.count()) + "ms");
  return impl_->extend(duration);
}

HandlerOptions::HandlerOptions() = default;

HandlerOptions& HandlerOptions::timeout(milliseconds timeout) {
  timeout_ = timeout;
  return *this;
}

HandlerOptions& HandlerOptions::max_concurrency(int max_concurrency) {
  max_concurrency_ = max_concurrency;
  return *this;
}

HandlerOptions& HandlerOptions::max_retries(int max_retries) {
  max_retries_ = max_retries;
  return *this;
}

HandlerOptions& HandlerOptions::retry_delays(std::vector<milliseconds> delays) {
  retry_delays_ = std::move(delays);
  return *this;
}

HandlerOptions& HandlerOptions::retry_policy(RetryPolicy policy) {
  retry_policy_ = std::move(policy);
  return *this;
}

}  // namespace mx_rmq
