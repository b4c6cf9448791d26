#include "broker/data/envelope.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <system_error>

namespace mx_rmq::broker {

namespace {

constexpr std::string_view magic = "mx1 ";
constexpr std::string_view priority_letters = "lnh";  // by MessagePriority
constexpr std::size_t count_digits = 9;
constexpr std::size_t time_digits = 15;
constexpr std::size_t size_digits = 4;

// Reads the head line field by field; any failure is sticky.
class HeadLine {
 public:
  explicit HeadLine(std::string_view bytes) noexcept : rest_(bytes) {}

  bool literal(std::string_view text) noexcept {
    if (!ok_ || rest_.substr(0, text.size()) != text) return ok_ = false;
    rest_.remove_prefix(text.size());
    return true;
  }
  char letter() noexcept {
    if (!ok_ || rest_.empty()) {
      ok_ = false;
      return '\0';
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  template <class T>
  void number(T& out, std::size_t max_digits, char end) noexcept {
    std::size_t digits = 0;
    while (digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9') ++digits;
    if (!ok_ || digits == 0 || digits > max_digits || digits == rest_.size() ||
        rest_[digits] != end) {
      ok_ = false;
      return;
    }
    std::from_chars(rest_.data(), rest_.data() + digits, out);  // fits: max_digits sees to it
    rest_.remove_prefix(digits + 1);
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

template <class T>
char* put_number(char* at, char* end, T value, T most, char after) noexcept {
  at = std::to_chars(at, end, std::clamp<T>(value, 0, most)).ptr;
  *at++ = after;
  return at;
}

bool breaks_line(std::string_view text, bool tab_too) noexcept {
  return text.find('\n') != std::string_view::npos ||
         (tab_too && text.find('\t') != std::string_view::npos);
}

}  // namespace

std::optional<EnvelopeView> parse_envelope(std::string_view bytes) noexcept {
  HeadLine line(bytes);
  if (!line.literal(magic)) return std::nullopt;
  const std::size_t priority = priority_letters.find(line.letter());
  if (priority == std::string_view::npos) return std::nullopt;
  EnvelopeView view;
  view.priority = static_cast<MessagePriority>(priority);
  std::size_t id_size = 0;
  line.literal(" ");
  line.number(view.attempts, count_digits, ' ');
  line.number(view.recoveries, count_digits, ' ');
  line.number(view.max_recoveries, count_digits, ' ');
  line.number(view.created_at, time_digits, ' ');
  line.number(view.ttl, time_digits, ' ');
  line.number(view.expire_at, time_digits, ' ');
  line.number(view.id_until, time_digits, ' ');
  line.number(id_size, size_digits, '\n');
  if (!line.ok()) return std::nullopt;

  std::string_view rest = line.rest();
  if (rest.size() <= id_size || rest[id_size] != '\n') return std::nullopt;
  view.id = rest.substr(0, id_size);
  rest.remove_prefix(id_size + 1);
  const std::size_t rare_size = rest.find('\n');
  if (rare_size == std::string_view::npos) return std::nullopt;
  const std::string_view rare = rest.substr(0, rare_size);
  const std::size_t tab = rare.find('\t');
  view.headers = rare.substr(0, tab);
  if (tab != std::string_view::npos) view.history = rare.substr(tab + 1);
  view.payload = rest.substr(rare_size + 1);
  view.head_size = bytes.size() - view.payload.size();
  return view;
}

void append_head(std::string& out, const EnvelopeView& view) {
  if (view.id.size() > max_id_size) throw std::invalid_argument("envelope: id is too long");
  if (breaks_line(view.headers, true)) {
    throw std::invalid_argument("envelope: headers hold a raw tab or newline");
  }
  if (breaks_line(view.history, false)) {
    throw std::invalid_argument("envelope: history holds a raw newline");
  }
  std::array<char, 160> buffer;
  char* const end = buffer.data() + buffer.size();
  char* at = std::copy(magic.begin(), magic.end(), buffer.data());
  *at++ = priority_letters.at(static_cast<std::size_t>(view.priority));
  *at++ = ' ';
  at = put_number(at, end, view.attempts, max_envelope_count, ' ');
  at = put_number(at, end, view.recoveries, max_envelope_count, ' ');
  at = put_number(at, end, view.max_recoveries, max_envelope_count, ' ');
  at = put_number(at, end, view.created_at, max_envelope_time, ' ');
  at = put_number(at, end, view.ttl, max_envelope_time, ' ');
  at = put_number(at, end, view.expire_at, max_envelope_time, ' ');
  at = put_number(at, end, view.id_until, max_envelope_time, ' ');
  at = put_number(at, end, view.id.size(), max_id_size, '\n');
  out.append(buffer.data(), at);
  out.append(view.id).append(1, '\n').append(view.headers);
  if (!view.history.empty()) out.append(1, '\t').append(view.history);
  out.append(1, '\n');
}

void append_envelope(std::string& out, const EnvelopeView& view) {
  append_head(out, view);
  out.append(view.payload);
}

std::string encode_head(const EnvelopeView& view) {
  std::string out;
  out.reserve(128 + view.id.size() + view.headers.size() + view.history.size());
  append_head(out, view);
  return out;
}

std::string encode_envelope(const EnvelopeView& view) {
  std::string out;
  out.reserve(128 + view.id.size() + view.headers.size() + view.history.size() +
              view.payload.size());
  append_envelope(out, view);
  return out;
}

}  // namespace mx_rmq::broker
