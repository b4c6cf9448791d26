#include "queue/message_search.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mx_rmq/runtime.hpp"
#include "queue/stored_messages.hpp"

namespace mx_rmq::queue {

namespace {

using broker::List;
using broker::LookBounds;
using broker::Looked;
using broker::Sighting;
using broker::Wanted;
using nlohmann::json;

constexpr runtime::Duration shortest_pause = std::chrono::milliseconds(1);

// How JSON writes a text: as this library does, and with nothing but ASCII.
std::vector<std::string> spellings(const std::string& text) {
  constexpr auto replace = json::error_handler_t::replace;
  const json value(text);
  std::vector<std::string> out{value.dump(-1, ' ', false, replace)};
  std::string ascii = value.dump(-1, ' ', true, replace);
  if (ascii != out[0]) out.push_back(std::move(ascii));
  return out;
}

// Also as it is, so that a piece of JSON is found.
std::vector<std::string> within_strings(const std::string& text) {
  std::vector<std::string> out{text};
  for (const std::string& each : spellings(text)) {
    std::string bare = each.substr(1, each.size() - 2);
    if (std::ranges::find(out, bare) == out.end()) out.push_back(std::move(bare));
  }
  return out;
}

Wanted wanted_of(const SearchRequest& request) {
  Wanted wanted;
  wanted.payload_bytes = request.payload_bytes;
  if (!request.text.empty()) {
    wanted.what = Wanted::What::payload;
    wanted.texts = within_strings(request.text);
  } else if (!request.error.empty()) {
    wanted.what = Wanted::What::error;
    wanted.texts = within_strings(request.error);
  } else {
    wanted.what = Wanted::What::headers;
    const auto names = spellings(request.header_name);
    const auto values = spellings(request.header_value);
    for (const char* colon : {":", ": "}) {
      for (const std::string& value : values) wanted.texts.push_back(names[0] + colon + value);
    }
  }
  return wanted;
}

/// A search that is under way.
class Search {
 public:
  Search(Whole whole, SearchRequest request, OnSearchProgress progress)
      : whole_(std::move(whole)),
        request_(std::move(request)),
        on_progress_(std::move(progress)),
        wanted_(wanted_of(request_)) {}

  Task<SearchResult> run() {
    std::vector<MessageState> states = request_.states;
    if (states.empty())
      states = {MessageState::waiting, MessageState::suspect, MessageState::delayed,
                MessageState::held, MessageState::dead};
    for (const MessageState state : states) {
      progress_.state = state;
      for (std::size_t i = 0; i < whole_->size() && !ended_; ++i) co_await in_part(state, i);
    }
    result_.everywhere = !ended_;
    co_return std::move(result_);
  }

 private:
  Task<> in_part(MessageState state, std::size_t partition) {
    switch (state) {
      case MessageState::waiting:
        for (const List list : {List::high, List::normal, List::low})
          co_await in_list(list, partition);
        break;
      case MessageState::suspect:
        co_await in_list(List::suspect, partition);
        break;
      case MessageState::held:
        co_await in_held(partition);
        break;
      default:
        co_await in_index(state == MessageState::dead, partition);
    }
  }

  Task<> in_list(List list, std::size_t partition) {
    LookBounds bounds = begin();
    while (may_go_on(bounds)) {
      auto looked = co_await whole_->part(partition).looker.list(list, true, bounds, &wanted_);
      for (Looked& each : looked.found) {
        Sighting sighting;
        sighting.state = progress_.state;
        sighting.list = list;
        sighting.looked = std::move(each);
        take(partition, std::move(sighting));
      }
      bounds.skip += looked.seen;
      if (bounds.skip >= looked.length) ended_here(looked.seen);
      if (bounds.skip >= looked.length || looked.seen == 0) co_return;
      co_await step(looked.seen);
    }
  }

  Task<> in_index(bool dead, std::size_t partition) {
    LookBounds bounds = begin();
    while (may_go_on(bounds)) {
      auto looked = co_await whole_->part(partition).looker.index(dead, true, bounds, &wanted_);
      for (Looked& each : looked.found) {
        Sighting sighting;
        sighting.state = progress_.state;
        sighting.looked = std::move(each);
        take(partition, std::move(sighting));
      }
      bounds.skip += looked.seen;
      if (bounds.skip >= looked.count) ended_here(looked.seen);
      if (bounds.skip >= looked.count || looked.seen == 0) co_return;
      co_await step(looked.seen);
    }
  }

  Task<> in_held(std::size_t partition) {
    WholeTopic::Part& part = whole_->part(partition);
    const std::vector<std::string> consumers = co_await part.looker.consumers();
    for (const std::string& consumer : consumers) {
      const std::vector<std::string> tags = co_await part.looker.tags(consumer);
      std::span<const std::string> left(tags);
      LookBounds bounds = begin();
      while (!left.empty() && may_go_on(bounds)) {
        const auto some =
            left.first(std::min<std::size_t>(left.size(), static_cast<std::size_t>(bounds.most)));
        auto looked = co_await part.looker.held(consumer, some, bounds.room, &wanted_);
        for (Looked& each : looked.found) {
          Sighting sighting;
          sighting.state = MessageState::held;
          sighting.consumer = consumer;
          sighting.lease_until = looked.lease_until;
          sighting.looked = std::move(each);
          take(partition, std::move(sighting));
        }
        left = left.subspan(static_cast<std::size_t>(std::max<std::int64_t>(looked.seen, 1)));
        co_await step(looked.seen);
      }
    }
  }

  LookBounds begin() {
    began_ = whole_->part(0).broker.loop().now();
    LookBounds bounds;
    bounds.bytes = broker::look_bytes;
    return bounds;
  }
  // Says how much may be looked at next. False: nothing; the search has ended.
  bool may_go_on(LookBounds& bounds) {
    const std::int64_t left = request_.scan_limit - progress_.looked_at;
    bounds.most = static_cast<int>(std::min<std::int64_t>(left, broker::look_step));
    bounds.room = static_cast<int>(request_.most - progress_.found);
    if (bounds.most <= 0 || bounds.room <= 0) ended_ = true;
    return !ended_;
  }
  void take(std::size_t partition, Sighting sighting) {
    // Steps overlap where something was added meanwhile.
    StoredMessage message = stored_message(static_cast<int>(partition), std::move(sighting));
    if (!seen_.emplace(message.state, partition, message.id).second) return;
    result_.messages.push_back(std::move(message));
    ++progress_.found;
  }
  void ended_here(std::int64_t seen) {
    progress_.looked_at += seen;
    result_.looked_at = progress_.looked_at;
    if (seen > 0 && on_progress_ && !on_progress_(progress_)) ended_ = true;
  }
  // Redis, and those who wait for it, get as much time as the step has taken.
  Task<> step(std::int64_t seen) {
    ended_here(seen);
    runtime::EventLoop& loop = whole_->part(0).broker.loop();
    const runtime::Duration pause = std::max(shortest_pause, loop.now() - began_);
    if (!ended_) co_await sleep_for(pause);
    began_ = loop.now();
  }

  const Whole whole_;
  const SearchRequest request_;
  const OnSearchProgress on_progress_;
  const Wanted wanted_;
  SearchProgress progress_;
  SearchResult result_;
  std::set<std::tuple<MessageState, std::size_t, std::string>> seen_;
  runtime::TimePoint began_{};
  bool ended_ = false;
};

}  // namespace

Task<SearchResult> search_messages(Whole whole, SearchRequest request, OnSearchProgress progress) {
  Search search(std::move(whole), std::move(request), std::move(progress));
  SearchResult result = co_await search.run();
  co_return std::move(result);
}

}  // namespace mx_rmq::queue
