// The scripts' reading of envelopes and the library's are one.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "broker/data/envelope.hpp"
#include "support/paths.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {
namespace {

using broker::EnvelopeView;

std::string file(const std::string& name) {
  std::ifstream in(test::source_path("lua/include/" + name));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// For each envelope: its fields as one array of texts, or an empty one.
const char* const reader = R"lua(
local out = {}
for i = 1, #ARGV do
  local h = head(ARGV[i])
  if h then
    out[i] = {h.priority, h.attempts, text(h.recoveries), text(h.limit), h.created, text(h.ttl), text(h.expire),
              h.id_until, h.id, h.rare, string.sub(ARGV[i], h.body)}
  else
    out[i] = {}
  end
end
return out
)lua";

std::string number(std::string_view digits) {
  const std::size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? "0" : std::string(digits.substr(first));
}

std::vector<std::string> fields(const EnvelopeView& view) {
  const std::string rare = view.history.data() == nullptr
                               ? std::string(view.headers)
                               : std::string(view.headers) + "\t" + std::string(view.history);
  return {std::string(1, "lnh"[static_cast<std::size_t>(view.priority)]),
          std::to_string(view.attempts),
          std::to_string(view.recoveries),
          std::to_string(view.max_recoveries),
          std::to_string(view.created_at),
          std::to_string(view.ttl),
          std::to_string(view.expire_at),
          std::to_string(view.id_until),
          std::string(view.id),
          rare,
          std::string(view.payload)};
}

TEST(BrokerEnvelope, ScriptsAndLibraryReadTheSame) {
  RedisServer server;
  const std::string script = file("text.lua") + file("envelope.lua") + reader;
  std::mt19937_64 rng(11);
  std::size_t readable = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> command{"EVAL", script, "0"};
    for (int i = 0; i < 300; ++i) {
      const std::string id(rng() % 12, static_cast<char>(rng()));
      EnvelopeView view;
      view.priority = rng() % 2 == 0 ? MessagePriority::high : MessagePriority::low;
      view.attempts = static_cast<std::int32_t>(rng() % 1'000'000'000);
      view.recoveries = static_cast<std::int32_t>(rng() % 1'000'000'000);
      view.created_at = static_cast<std::int64_t>(rng() % 1'000'000'000'000'000);
      view.expire_at = static_cast<std::int64_t>(rng() % 1'000'000'000'000'000);
      view.id_until = static_cast<std::int64_t>(rng() % 1'000'000'000'000'000);
      view.id = id;
      view.headers = rng() % 2 == 0 ? "" : "{\"k\":1}";
      view.history = rng() % 2 == 0 ? "" : "[\"e\",[1]]";
      view.payload = "{\"p\":[1,2]}\n\n";
      std::string bytes = broker::encode_envelope(view);
      for (std::size_t n = rng() % 3; n > 0 && !bytes.empty(); --n) {  // damage
        const std::size_t at = rng() % std::min<std::size_t>(bytes.size(), 60);
        switch (rng() % 4) {
          case 0:
            bytes[at] = static_cast<char>(rng());
            break;
          case 1:
            bytes.erase(at, 1 + rng() % 3);
            break;
          case 2:
            bytes.insert(at, 1, "0123456789 \n\thnl"[rng() % 16]);
            break;
          default:
            if (rng() % 8 == 0) bytes.resize(at);
            break;
        }
      }
      command.push_back(std::move(bytes));
    }
    const auto replies = server.command(command);
    ASSERT_EQ(replies.list().size(), 300U);
    for (std::size_t i = 0; i < 300; ++i) {
      const std::string& bytes = command[3 + i];
      std::vector<std::string> by_script = replies[i].strings();
      const auto view = broker::parse_envelope(bytes);
      ASSERT_EQ(view.has_value(), !by_script.empty()) << testing::PrintToString(bytes);
      if (!view) {
        ++refused;
        continue;
      }
      ++readable;
      for (const std::size_t each : {1U, 4U, 7U}) by_script[each] = number(by_script[each]);
      ASSERT_EQ(fields(*view), by_script) << testing::PrintToString(bytes);
    }
  }
  EXPECT_GT(readable, 5'000U);
  EXPECT_GT(refused, 2'000U);
}

}  // namespace
}  // namespace mx_rmq::test
