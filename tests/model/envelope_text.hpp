// The envelope, written again from its description, so that the tests do not trust the library's
// codec or the scripts'.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace mx_rmq::test {

struct EnvelopeText {
  char priority = 'n';  // h, n, l
  std::int64_t attempts = 0;
  std::int64_t recoveries = 0;
  std::int64_t limit = 3;  // most recoveries
  std::int64_t created = 0;
  std::int64_t ttl = 0;
  std::int64_t expire = 0;
  std::int64_t until = 0;  // 0: generated id
  std::string id;
  std::string rare;  // one line: headers, a tab, history
  std::string payload;

  std::string head() const;  // all before the payload
  std::string text() const { return head() + payload; }
  // The list that what begins like an envelope waits in: h, n, l or s; n for anything else.
  static char home_of(const std::string& text);

  // Nothing if `text` is no envelope.
  static std::optional<EnvelopeText> parse(const std::string& text);
};

}  // namespace mx_rmq::test
