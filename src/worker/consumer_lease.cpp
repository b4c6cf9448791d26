#include <algorithm>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "worker/consumer.hpp"

// A consumer's lease: heartbeat, reconcile, loss.
namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;
namespace log = runtime::log;

namespace {

constexpr int kMostGivenBack = 1000;

}  // namespace

bool Consumer::lease_lasts(TimePoint now) const {
  return now + Duration(options_.lease) / 10 < lease_.until();
}

Task<bool> Consumer::confirm_lease(std::shared_ptr<Delivery> delivery) {
  while (delivery->state != Delivery::State::gone && !quiet_) {
    if (lease_lasts(loop_.now())) co_return true;
    renewed_.reset();
    co_await renewed_.wait();
  }
  co_return false;
}

void Consumer::lose(std::vector<Lease::Item> items) {
  if (items.empty()) return;
  leases_lost_ += items.size();
  log::warn("messages lost to another consumer: the lease ran out", "topic", topic_name_,
            "messages", items.size());
  for (auto& item : items) {
    item->state = Delivery::State::gone;
    log::debug("lease lost", "topic", topic_name_, "id",
               item->view ? item->view->id : std::string_view("?"));
    hooks_.lost(item);
  }
  hooks_.dropped(items.size());
  renewed_.set();
  hooks_.progress();
  // Last: the callbacks may resume handlers, which then end.
  for (const auto& item : items) item->stop.request_stop();
}

Task<> Consumer::tend_loop() {
  Duration pause = 10ms;
  while (!closed_) {
    kick_.reset();
    const TimePoint now = loop_.now();
    if (!lease_.needs_tend(now)) {
      co_await kick_.wait();
      continue;
    }
    if (!lane_.ready()) {
      // on_ready() kicks.
      co_await kick_.wait_until(now + 1s);
      continue;
    }
    const TimePoint due = tended_at_ + Duration(options_.lease) / 3;
    if (!lease_.owes_tend() && now < due) {
      co_await kick_.wait_until(due);
      continue;
    }
    const bool answered = co_await tend_once();
    if (answered) {
      pause = 10ms;
    } else if (!closed_) {
      co_await kick_.wait_until(loop_.now() + pause);
      pause = std::min<Duration>(2 * pause, Duration(options_.lease) / 10);
    }
  }
}

Task<bool> Consumer::tend_once() {
  const Lease::Tend tend = lease_.begin_tend();
  const std::string name = lease_.name();
  const TimePoint sent = loop_.now();
  const std::uint64_t epoch = lane_.epoch();
  broker::TendArgs args;
  args.consumer = name;
  args.lease = options_.lease;
  args.last_claim = tend.last_claim;
  args.most = kMostGivenBack;
  args.bytes = options_.claim_bytes;
  args.tags = tend.tags;
  broker::TendResult result;
  std::string error;
  try {
    result = co_await broker_.tend(args, command_deadline(), broker::Resend::never, epoch);
  } catch (const Error& e) {
    error = e.what();
  }
  if (!error.empty()) {
    failed("tend", error);
    co_return false;
  }
  last_answer_ = loop_.now();
  if (result.lost) {
    lose(lease_.lost(tend.incarnation));
  } else {
    lose(lease_.tend_answered(tend, result.missing, sent));
    tended_at_ = sent;
    if (result.more) tended_at_ = {};  // at once again
  }
  if (!lease_.owes_tend() && epoch == lane_.epoch()) open_.set();
  renewed_.set();
  hooks_.progress();
  co_return true;
}

}  // namespace mx_rmq::worker
