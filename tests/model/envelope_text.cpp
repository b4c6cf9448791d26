#include "envelope_text.hpp"

#include <array>
#include <charconv>

namespace mx_rmq::test {
namespace {

// Reads digits up to `end`; false if there are none, more than `most`, or another byte follows
// them.
bool number(const std::string& text, std::size_t& at, char end, std::size_t most,
            std::int64_t& out) {
  const std::size_t from = at;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  if (at == from || at - from > most || at >= text.size() || text[at] != end) return false;
  std::from_chars(text.data() + from, text.data() + at, out);
  ++at;
  return true;
}

}  // namespace

std::string EnvelopeText::head() const {
  std::string out = "mx1 ";
  out += priority;
  for (const std::int64_t each : {attempts, recoveries, limit, created, ttl, expire, until,
                                  static_cast<std::int64_t>(id.size())}) {
    out += ' ' + std::to_string(each);
  }
  return out + '\n' + id + '\n' + rare + '\n';
}

std::optional<EnvelopeText> EnvelopeText::parse(const std::string& text) {
  if (text.size() < 6 || text.compare(0, 4, "mx1 ") != 0 || text[5] != ' ') return {};
  EnvelopeText out;
  out.priority = text[4];
  if (out.priority != 'h' && out.priority != 'n' && out.priority != 'l') return {};
  std::size_t at = 6;
  std::int64_t length = 0;
  struct Field {
    std::int64_t* value;
    std::size_t digits;
    char end;
  };
  const std::array<Field, 8> fields{{{&out.attempts, 9, ' '},
                                     {&out.recoveries, 9, ' '},
                                     {&out.limit, 9, ' '},
                                     {&out.created, 15, ' '},
                                     {&out.ttl, 15, ' '},
                                     {&out.expire, 15, ' '},
                                     {&out.until, 15, ' '},
                                     {&length, 4, '\n'}}};
  for (const Field& each : fields) {
    if (!number(text, at, each.end, each.digits, *each.value)) return {};
  }
  const std::size_t stop = at + static_cast<std::size_t>(length);
  if (stop >= text.size() || text[stop] != '\n') return {};
  out.id = text.substr(at, static_cast<std::size_t>(length));
  const std::size_t rare = text.find('\n', stop + 1);
  if (rare == std::string::npos) return {};
  out.rare = text.substr(stop + 1, rare - stop - 1);
  out.payload = text.substr(rare + 1);
  return out;
}

char EnvelopeText::home_of(const std::string& text) {
  if (text.size() < 6 || text.compare(0, 4, "mx1 ") != 0 || text[5] != ' ') return 'n';
  const char priority = text[4];
  if (priority != 'h' && priority != 'n' && priority != 'l') return 'n';
  std::size_t at = 6;
  std::int64_t attempts = 0;
  std::int64_t recoveries = 0;
  if (!number(text, at, ' ', 18, attempts) || !number(text, at, ' ', 18, recoveries)) return 'n';
  return recoveries >= 2 ? 's' : priority;
}

}  // namespace mx_rmq::test
