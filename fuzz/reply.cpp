// What comes from a server, in whatever pieces: RESP, and then each script's reply and each error.
//
// Input: which reader reads the replies, how the bytes are cut, the bytes.
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "broker/data/envelope.hpp"
#include "broker/dead_letter_store.hpp"
#include "broker/scripts/calls_cancel.hpp"
#include "broker/scripts/calls_claim.hpp"
#include "broker/scripts/calls_dead_letters.hpp"
#include "broker/scripts/calls_forget.hpp"
#include "broker/scripts/calls_produce.hpp"
#include "broker/scripts/calls_raise_ids.hpp"
#include "broker/scripts/calls_reap.hpp"
#include "broker/scripts/calls_settings.hpp"
#include "broker/scripts/calls_settle.hpp"
#include "broker/scripts/calls_snapshot.hpp"
#include "broker/scripts/calls_stats.hpp"
#include "broker/scripts/calls_tend.hpp"
#include "fuzz.hpp"
#include "redis/wire/classify.hpp"
#include "redis/wire/protocol_error.hpp"
#include "redis/wire/reply_reader.hpp"

using namespace mx_rmq;
using fuzz::require;
using redis::Reply;
using redis::ReplyReader;

namespace {

redis::ReplyLimits limits() {
  redis::ReplyLimits out;
  out.max_bulk = 1000;
  out.max_bytes = 2000;
  out.max_elements = 100;
  return out;
}

struct Read {
  std::vector<Reply> replies;
  bool failed = false;
};

Read read_all(std::string_view bytes, const std::function<std::size_t()>& piece) {
  Read out;
  ReplyReader reader(limits());
  while (!bytes.empty() && !out.failed) {
    const std::size_t size = std::min(bytes.size(), piece());
    reader.feed(bytes.substr(0, size));
    bytes.remove_prefix(size);
    for (;;) {
      Reply reply;
      const ReplyReader::Status status = reader.next(reply);
      if (status == ReplyReader::Status::error) {
        require(!reader.error().empty(), "a refusal says why");
        out.failed = true;
      }
      if (status != ReplyReader::Status::reply) break;
      out.replies.push_back(std::move(reply));
    }
  }
  return out;
}

void check_limits(const Reply& reply) {
  if (reply.is_array()) {
    require(reply.size() <= limits().max_elements, "no array has more elements than allowed");
    for (const Reply& each : reply.as_array()) check_limits(each);
  } else if (reply.kind() == Reply::Kind::string) {
    require(reply.as_string().size() <= limits().max_bulk, "no string is longer than allowed");
  }
}

using Reader = void (*)(Reply&&);
constexpr auto readers = std::to_array<Reader>({
    [](Reply&& r) {
      for (const std::string& each : broker::Claim::decode(std::move(r)).envelopes) {
        (void)broker::parse_envelope(each);
      }
    },
    [](Reply&& r) { (void)broker::Suspect::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Produce::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Ack::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Retry::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Dead::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Release::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Tend::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Leave::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Pass::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Unlist::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Reap::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Sweep::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Cancel::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::CancelPage::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Stats::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Snapshot::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::RequeueAll::decode(std::move(r)); },
    [](Reply&& r) {
      for (auto& each : broker::DlqList::decode(std::move(r)).letters) {
        (void)broker::read_dead_letter(std::move(each));
      }
    },
    [](Reply&& r) {
      if (auto stored = broker::DlqGet::decode(std::move(r))) {
        (void)broker::read_dead_letter(std::move(*stored));
      }
    },
    [](Reply&& r) { (void)broker::DlqPurge::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Requeue::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Forget::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Settings::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::Configure::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::CopySettings::decode(std::move(r)); },
    [](Reply&& r) { (void)broker::RaiseIds::decode(std::move(r)); },
});

void read_as(Reader reader, Reply reply) {
  try {
    reader(std::move(reply));
  } catch (const redis::ProtocolError& error) {
    require(std::string_view(error.what()).size() > 0, "a refusal says why");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const Reader reader = readers[input.byte() % readers.size()];
  std::uint32_t cuts = input.byte();
  Read whole = read_all(input.rest(), [size] { return size; });
  const Read pieces = read_all(input.rest(), [&cuts] {
    cuts = cuts * 1'103'515'245U + 12'345U;
    return std::size_t{1} + (cuts >> 16) % 7;
  });
  require(whole.replies == pieces.replies, "replies are the same however they are cut");
  require(whole.failed == pieces.failed, "what is refused is so however it is cut");
  for (Reply& reply : whole.replies) {
    check_limits(reply);
    require(!reply.describe().empty(), "a reply can be shown");
    if (reply.is_error()) (void)redis::classify(reply.error_text());
    read_as(reader, std::move(reply));
  }
  return 0;
}
