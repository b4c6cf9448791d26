#include "broker/produce/produce_batch.hpp"

#include <algorithm>

#include "broker/data/envelope.hpp"

namespace mx_rmq::broker {

namespace {

// The sum of two times, neither of them negative, as an envelope can hold it.
std::int64_t later(std::int64_t time, std::int64_t by) {
  return by > max_envelope_time - time ? max_envelope_time : time + by;
}

std::int64_t in_range(std::int64_t time) {
  return std::clamp<std::int64_t>(time, 0, max_envelope_time);
}

// More than any head without its id and rare line.
constexpr std::size_t head_room = 128;

}  // namespace

bool ProduceBatch::add(const OutgoingEnvelope& message) {
  const std::size_t most =
      head_room + message.id.size() + message.headers.size() + message.payload.size();
  if (!rows_.empty() &&
      (rows_.size() >= limits_.max_messages || buffer_.size() + most > limits_.max_bytes)) {
    return false;
  }
  if (!rows_.empty() && must_ != message.must) return false;
  const std::int64_t now = in_range(limits_.now);
  const std::int64_t delay = in_range(message.delay.count());
  const std::int64_t delayed_from = std::max(now, in_range(limits_.latest));
  std::int64_t due = message.at  ? in_range(*message.at)
                     : delay > 0 ? later(delayed_from, delay)
                                 : 0;
  if (due <= now) due = 0;

  EnvelopeView view;
  view.priority = message.priority;
  view.max_recoveries = limits_.max_recoveries;
  view.created_at = !message.at && due != 0 ? delayed_from : now;
  view.ttl = in_range(message.ttl.count());
  view.expire_at = later(due == 0 ? now : due, view.ttl);
  const std::int64_t until =
      std::max<std::int64_t>(1, later(view.expire_at, in_range(limits_.grace.count())));
  if (message.chosen) view.id_until = until;
  view.id = message.id;
  view.headers = message.headers;
  view.payload = message.payload;

  const std::size_t begin = buffer_.size();
  append_envelope(buffer_, view);  // checks before it appends
  rows_.push_back(Row{message.priority, due, view.id_until, message.id, begin});
  must_ = message.must;
  if (message.keyed || message.chosen) until_ = std::max(until_, until);
  keyed_ = keyed_ || message.keyed;
  return true;
}

// Chosen ids of a topic for which nothing is set are found where they are kept. In whole steps, so
// that few batches have a later one to note.
std::int64_t ProduceBatch::ids_until() const noexcept {
  constexpr std::int64_t step = 10'000;
  if (!must_ || until_ == 0 || (*must_ == 0 && !keyed_)) return 0;
  return std::min(max_envelope_time, (until_ + step - 1) / step * step);
}

Produce::Encoded ProduceBatch::build(const TopicKeys& keys, std::string_view producer_key,
                                     std::uint64_t number, std::chrono::milliseconds kept,
                                     redis::ChannelKind channels,
                                     const Produce::SettingsLook& settings) const {
  const std::string_view all = buffer_;
  std::vector<Produce::Item> items;
  items.reserve(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    const std::size_t end = i + 1 < rows_.size() ? rows_[i + 1].begin : all.size();
    items.push_back(Produce::Item{row.priority, row.due, row.id_until, row.id,
                                  all.substr(row.begin, end - row.begin)});
  }
  Produce::Args args;
  args.producer_key = producer_key;
  args.number = number;
  args.kept = kept;
  args.items = items;
  args.settings = settings;
  return Produce::encode(keys, args, channels);
}

}  // namespace mx_rmq::broker
