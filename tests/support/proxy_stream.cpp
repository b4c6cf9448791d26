#include "support/proxy_stream.hpp"

#include <algorithm>
#include <charconv>

namespace mx_rmq::test {
namespace {

constexpr std::size_t not_yet = 0;

// Size of one RESP value at `at`; not_yet if it is not whole.
std::size_t value_at(std::string_view bytes, std::size_t at, int depth) {
  if (at >= bytes.size()) return not_yet;
  const std::size_t end = bytes.find("\r\n", at);
  if (end == std::string_view::npos) return not_yet;
  const std::size_t line = end + 2 - at;
  const char mark = bytes[at];
  if (mark != '$' && mark != '*') return line;
  long long count = 0;
  const auto [last, error] = std::from_chars(bytes.data() + at + 1, bytes.data() + end, count);
  if (error != std::errc() || last != bytes.data() + end || count < 0) return line;
  if (mark == '$') {
    const std::size_t size = line + static_cast<std::size_t>(count) + 2;
    return at + size <= bytes.size() ? size : not_yet;
  }
  std::size_t size = line;
  for (; count > 0 && depth < 8; --count) {
    const std::size_t element = value_at(bytes, at + size, depth + 1);
    if (element == not_yet) return not_yet;
    size += element;
  }
  return size;
}

}  // namespace

std::size_t first_frame(std::string_view bytes) { return value_at(bytes, 0, 0); }

std::size_t first_record(std::string_view bytes) {
  constexpr std::size_t head = 5;  // type, version, size
  if (bytes.size() < head) return 0;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (at(0) < 0x14 || at(0) > 0x18 || at(1) != 3) return bytes.size();  // carried as it is
  const std::size_t size = head + (std::size_t{at(3)} << 8) + at(4);
  return bytes.size() < size ? 0 : size;
}

std::vector<std::string> command_of(std::string_view frame) {
  std::vector<std::string> arguments;
  std::size_t at = frame.find("\r\n");
  if (!frame.starts_with('*') || at == std::string_view::npos) return arguments;
  at += 2;
  while (at < frame.size()) {
    const std::size_t size = value_at(frame, at, 1);
    const std::size_t line = frame.find("\r\n", at);
    if (size == not_yet || line + 2 - at + 2 > size) break;
    arguments.emplace_back(frame.substr(line + 2, size - (line + 2 - at) - 2));
    at += size;
  }
  return arguments;
}

void ProxyStream::put(std::string_view bytes, ProxyClock::time_point due) {
  if (bytes.empty()) return;
  if (!pieces_.empty()) due = std::max(due, pieces_.back().due);  // never out of order
  pieces_.push_back({std::string(bytes), due});
  waiting_ += bytes.size();
}

ProxyStream::Result ProxyStream::pass(std::string_view bytes, std::uint64_t frames,
                                      ProxyClock::time_point due) {
  Result result;
  if (silent_) return result;
  const bool by_frames = fault_ && fault_->frames;
  const std::uint64_t first = by_frames ? frames_ : bytes_;
  const std::uint64_t count = by_frames ? frames : bytes.size();
  bytes_ += bytes.size();
  frames_ += frames;
  if (!fault_ || fault_->at >= first + count) {
    put(bytes, due);
    return result;
  }
  return spoil(bytes, first, count, due);
}

// The fault begins within these bytes, or did before.
ProxyStream::Result ProxyStream::spoil(std::string_view bytes, std::uint64_t first,
                                       std::uint64_t count, ProxyClock::time_point due) {
  using What = ByteFault::What;
  Result result;
  ByteFault& fault = *fault_;
  // Where it begins and ends in `bytes`.
  const std::uint64_t skip = fault.at > first ? fault.at - first : 0;
  std::size_t from = 0;
  std::size_t upto = 0;
  const std::uint64_t here = std::min(fault.length, count - skip);
  if (fault.frames) {
    for (std::uint64_t i = 0; i < skip; ++i) from += first_frame(bytes.substr(from));
    upto = from;
    for (std::uint64_t i = 0; i < here; ++i) upto += first_frame(bytes.substr(upto));
  } else {
    from = static_cast<std::size_t>(skip);
    upto = from + static_cast<std::size_t>(here);
  }
  result.spoiled = true;
  put(bytes.substr(0, from), due);
  std::string touched(bytes.substr(from, upto - from));
  switch (fault.what) {
    case What::end:
      result.end = true;
      result.how = fault.how;
      silent_ = true;
      return result;
    case What::stall:
      silent_ = true;
      return result;
    case What::flip:
      if (!touched.empty()) touched[0] = static_cast<char>(touched[0] ^ (1 << fault.bit));
      put(touched, due);
      break;
    case What::drop:
      break;
    case What::duplicate:
      put(touched, due);
      put(touched, due);
      break;
  }
  put(bytes.substr(upto), due);
  fault.length -= here;
  fault.at = first + count;
  if (fault.length == 0 || fault.what == What::flip) fault_.reset();
  return result;
}

std::string_view ProxyStream::ready(ProxyClock::time_point now, std::size_t most) const {
  if (pieces_.empty() || pieces_.front().due > now) return {};
  return std::string_view(pieces_.front().bytes).substr(offset_, most);
}

void ProxyStream::sent(std::size_t bytes) {
  offset_ += bytes;
  waiting_ -= bytes;
  if (offset_ < pieces_.front().bytes.size()) return;
  pieces_.pop_front();
  offset_ = 0;
}

std::optional<ProxyClock::time_point> ProxyStream::next_due() const {
  if (pieces_.empty()) return std::nullopt;
  return pieces_.front().due;
}

}  // namespace mx_rmq::test
