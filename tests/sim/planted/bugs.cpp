#include "bugs.hpp"

namespace mx_rmq::planted {

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> table{
      // --- claims ---
      {"resends_claims", "a claim without a reply is sent again"},
      {"uses_a_claim_number_again",
       "the number of a claim without a reply is used for the next one"},

      // --- leases ---
      {"does_not_look_at_the_lease",
       "a prefetched message is started whatever became of the lease"},
      {"reckons_the_lease_by_the_wall_clock",
       "whether the lease lasts is reckoned by the client's wall clock"},
      {"reckons_the_lease_from_the_reply",
       "the lease is reckoned from when its renewal was answered, not from when it was sent"},
      {"does_not_tend", "no heartbeat while a handler runs"},
      {"tends_only_what_runs", "the heartbeat does not name what waits in the local queue"},

      // --- handlers and settlements ---
      {"acknowledges_before_handling", "the message is removed before its handler has run"},
      {"acknowledges_failures", "a handler that throws is taken for one that ended well"},
      {"acknowledges_once", "a settlement without a reply is not sent again"},
      {"starts_twice", "a message stays in the local queue while it runs"},
      {"starts_what_has_expired",
       "nobody looks whether a message has expired before it is started"},
      {"expires_by_the_wall_clock",
       "whether a message has expired is asked of the client's wall clock"},
      {"forgets_the_attempts", "a retry does not count the attempt that failed"},
      {"counts_interruptions_as_attempts",
       "a run that a stop cut short counts as an attempt that failed"},

      // --- producing ---
      {"uses_a_batch_number_again",
       "after a batch that was given up its number is used for the next one"},
      {"numbers_each_copy_of_a_batch",
       "a batch without a reply is sent again under another number"},
      {"takes_no_reply_for_not_sent", "a batch without a reply is told to its callers as not sent"},

      // --- partitions ---
      {"stays_on_its_stale_count",
       "keys and ids are routed for ever by the number of partitions that was known first"},
      {"takes_a_version_without_its_settings",
       "a batch names the version that an answer told, and is routed by the settings before it"},
      {"keeps_older_settings", "settings that were read once are not replaced by newer ones"},
      {"notes_no_time_for_keys", "nobody notes until when keys may be in work in a partition"},
      {"routes_again_what_is_in_doubt",
       "a batch without a reply is given up, and its messages are routed again"},
      {"does_not_claim_from_new_partitions",
       "a consumer has no sources for partitions that come while it runs"},
      {"moves_ids_before_all_partitions_agree",
       "keys and ids go by more partitions while some may be in work by the number before"},
      {"tends_the_first_partition_only", "no heartbeat of the sources of other partitions"},

      // --- connections ---
      {"replays_after_reconnecting",
       "what was written to a connection that ended is written to the next one, too"},
      {"gives_a_late_reply_to_the_next_waiter",
       "a command that timed out is forgotten, and its late reply goes to the command after it"},
      {"does_not_load_scripts", "NOSCRIPT is taken for a failure instead of loading the script"},

      // --- wake-ups ---
      {"is_listed_without_room", "a wake-up for which there is no room is not passed on"},
      {"swallows_wake_ups",
       "a wake-up that comes while a claim is under way is taken for an old one"},
      {"leaves_under_another_name", "who has left is listed as idle for ever"},
      {"forgets_the_alarm_when_stopping",
       "a stopping consumer does not hand on the alarm of delayed messages that it keeps"},
      {"sets_no_alarm", "nobody looks when a delayed message falls due"},
      {"keeps_what_it_prefetched_when_stopping",
       "a stopping consumer does not give back what has not started"},

      // --- pauses ---
      {"keeps_what_it_prefetched_when_paused",
       "what has not started of a paused topic does not go back"},
      {"says_it_is_paused_before_it_knows",
       "a consumer says that it begins nothing of a paused topic, and has not read so yet"},
  };
  return table;
}

}  // namespace mx_rmq::planted
