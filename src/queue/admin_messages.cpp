// Admin: looking at messages.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "api/checks.hpp"
#include "mx_rmq/admin.hpp"
#include "queue/core.hpp"
#include "queue/message_search.hpp"
#include "queue/stored_messages.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq {
namespace {

using Core = std::shared_ptr<detail::QueueCore>;

constexpr int most_a_page = 1'000;
constexpr std::size_t most_payload = std::size_t{1} << 30;

void check_range(const char* argument, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw std::invalid_argument(std::string(argument) + ": " + std::to_string(value) +
                              " is not allowed; " + std::to_string(least) + " to " +
                              std::to_string(most) + " is");
}

void check_page(MessageState state, const PageRequest& request) {
  check_range("offset", request.offset, 0, INT64_MAX);
  check_range("limit", request.limit, 1, most_a_page);
  if (request.priority && state != MessageState::waiting)
    throw std::invalid_argument("priority: only messages that wait are listed by it, not " +
                                std::string(to_string(state)) + " ones");
}

void check_search(const SearchRequest& request) {
  const int what = (request.text.empty() ? 0 : 1) + (request.header_name.empty() ? 0 : 1) +
                   (request.error.empty() ? 0 : 1);
  if (what != 1)
    throw std::invalid_argument("search: say one of text, header_name and error to look for");
  check_range("most", request.most, 1, most_a_page);
  check_range("scan_limit", request.scan_limit, 1, INT64_MAX);
}

Task<MessagePage> list_page(Core core, std::string topic, MessageState state, PageRequest request) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  MessagePage page = co_await queue::list_messages(std::move(whole), state, std::move(request));
  co_return page;
}

Task<FoundMessage> find_one(Core core, std::string topic, std::string id, std::int64_t scan_limit) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  FoundMessage found = co_await queue::find_message(std::move(whole), std::move(id), scan_limit);
  co_return found;
}

Task<SearchResult> search_topic(Core core, std::string topic, SearchRequest request,
                                OnSearchProgress progress) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  SearchResult result =
      co_await queue::search_messages(std::move(whole), std::move(request), std::move(progress));
  co_return result;
}

}  // namespace

Task<MessagePage> Admin::list(std::string topic, MessageState state, PageRequest request) {
  api::validate_topic(topic);
  check_page(state, request);
  request.payload_bytes = std::min(request.payload_bytes, most_payload);
  return list_page(core_, std::move(topic), state, std::move(request));
}

Task<FoundMessage> Admin::find(std::string topic, std::string id, std::int64_t scan_limit) {
  api::validate_topic(topic);
  api::validate_dead_letter_id(id);
  check_range("scan_limit", scan_limit, 0, INT64_MAX);
  return find_one(core_, std::move(topic), std::move(id), scan_limit);
}

Task<SearchResult> Admin::search(std::string topic, SearchRequest request,
                                 OnSearchProgress progress) {
  api::validate_topic(topic);
  check_search(request);
  request.payload_bytes = std::min(request.payload_bytes, most_payload);
  return search_topic(core_, std::move(topic), std::move(request), std::move(progress));
}

}  // namespace mx_rmq
