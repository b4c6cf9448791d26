// The client's side of the delivery protocol on the real scripts, through a network that loses and
// delays and a server that may fall back to an older state.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fixtures.hpp"

namespace mx_rmq::test {

// Ways to get the protocol wrong.
enum class ClientBug { none, resend_claims, keep_name_after_lost };

struct DeliveryResult {
  std::set<std::string> lost;        // neither handled nor anywhere
  std::set<std::string> stranded;    // somewhere, but no consumer gets it
  std::vector<std::string> orphans;  // hashes of consumers that nobody owns
  int handled_twice_unexplained =
      0;  // without a rollback, a lapsed lease or an unanswered settle that explains it
  int given_away_while_held =
      0;  // a registered consumer's tag is gone though it runs it (no rollback)
  int lost_and_not_told =
      0;  // an acknowledgement found less than it named, and nothing explains it
  int rollbacks = 0;
  int lapses = 0;
  std::size_t handled = 0;
  std::string faults() const;  // empty if the protocol kept its promises
};

// One run: three clients, `steps` random steps, then the network heals.
DeliveryResult simulate_delivery(ScriptServer& server, std::uint64_t seed, int steps,
                                 ClientBug bug);

}  // namespace mx_rmq::test
