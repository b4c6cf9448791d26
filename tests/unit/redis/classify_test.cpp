#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {
namespace {

struct Row {
  std::string text;
  Executed executed;
  Remedy remedy;
  std::string code;
};

const std::string mark7 = " script: 0123456789abcdef0123456789abcdef01234567, on @user_script:12.";
const std::string mark6 =
    "ERR Error running script (call to f_0123456789abcdef0123456789abcdef01234567): "
    "@user_script:12: ";

std::vector<Row> table() {
  using enum Remedy;
  const Executed no = Executed::no;
  const Executed half = Executed::maybe_half;
  return {
      // NOSCRIPT
      {"NOSCRIPT No matching script. Please use EVAL.", no, load_script, "NOSCRIPT"},
      // MOVED, ASK
      {"MOVED 3999 127.0.0.1:6381", no, follow, "MOVED"},
      {"ASK 3999 127.0.0.1:6381", no, follow, "ASK"},
      // UNBLOCKED
      {"UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
       "replica?)",
       no, reconnect, "UNBLOCKED"},
      // what passes by itself
      {"TRYAGAIN Multiple keys request during rehashing of slot", no, wait, "TRYAGAIN"},
      {"CLUSTERDOWN The cluster is down", no, wait, "CLUSTERDOWN"},
      {"LOADING Redis is loading the dataset in memory", no, wait, "LOADING"},
      {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", no, wait,
       "MASTERDOWN"},
      {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", no,
       wait, "BUSY"},
      {"NOREPLICAS Not enough good replicas to write.", no, wait, "NOREPLICAS"},
      {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
       "disk.",
       no, wait, "MISCONF"},
      {"ERR max number of clients reached", no, wait, "ERR"},
      {"ERR max number of clients + cluster connections reached", no, wait, "ERR"},
      // READONLY
      {"READONLY You can't write against a read only replica.", no, reconnect, "READONLY"},
      // OOM
      {"OOM command not allowed when used memory > 'maxmemory'.", no, refuse, "OOM"},
      // credentials and rights
      {"NOAUTH Authentication required.", no, fatal, "NOAUTH"},
      {"WRONGPASS invalid username-password pair or user is disabled.", no, fatal, "WRONGPASS"},
      {"NOPERM this user has no permissions to run the 'evalsha' command", no, fatal, "NOPERM"},
      {"ERR invalid password", no, fatal, "ERR"},
      {"DENIED Redis is running in protected mode", no, fatal, "DENIED"},
      // mistakes
      {"CROSSSLOT Keys in request don't hash to the same slot", no, fatal, "CROSSSLOT"},
      {"ERR unknown command `EVALSHA`, with args beginning with: ", no, fatal, "ERR"},
      {"ERR unknown command 'EVALSHA', with args beginning with: ", no, fatal, "ERR"},
      {"ERR wrong number of arguments for 'evalsha' command", no, fatal, "ERR"},
      {"WRONGTYPE Operation against a key holding the wrong kind of value", no, fatal, "WRONGTYPE"},
      {"ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'",
       no, fatal, "ERR"},
      // raised inside a script, Redis 7 and Valkey
      {"WRONGTYPE Operation against a key holding the wrong kind of value" + mark7, half, reconcile,
       "WRONGTYPE"},
      {"ERR user_script:3: attempt to index a nil value" + mark7, half, reconcile, "ERR"},
      {"NOPERM this user has no permissions to run the 'hset' command" + mark7, half, reconcile,
       "NOPERM"},
      {"ERR Script killed by user with SCRIPT KILL." + mark7, half, reconcile, "ERR"},
      {"ERR Script attempted to access a non local key in a cluster node" + mark7, half, reconcile,
       "ERR"},
      {"ERR Unknown Redis command called from script" + mark7, half, reconcile, "ERR"},
      // ... whose first write was refused: nothing was done
      {"OOM command not allowed when used memory > 'maxmemory'." + mark7, no, refuse, "OOM"},
      {"READONLY You can't write against a read only replica." + mark7, no, reconnect, "READONLY"},
      {"MISCONF Redis is configured to save RDB snapshots, but ..." + mark7, no, wait, "MISCONF"},
      {"NOREPLICAS Not enough good replicas to write." + mark7, no, wait, "NOREPLICAS"},
      // raised inside a script, Redis 5 and 6
      {mark6 + "WRONGTYPE Operation against a key holding the wrong kind of value", half, reconcile,
       "ERR"},
      {mark6 + "@user_script: 12: Wrong number of args calling Redis command From Lua script", half,
       reconcile, "ERR"},
      {mark6 + "user_script:3: attempt to index a nil value", half, reconcile, "ERR"},
      {mark6 + "@user_script: 12: -OOM command not allowed when used memory > 'maxmemory'.", no,
       refuse, "OOM"},
      {mark6 + "-OOM command not allowed when used memory > 'maxmemory'.", no, refuse, "OOM"},
      {mark6 + "@user_script: 12: -READONLY You can't write against a read only replica.", no,
       reconnect, "READONLY"},
      {mark6 + "@user_script: 12: -MISCONF Redis is configured to save RDB snapshots, but", no,
       wait, "MISCONF"},
      {mark6 + "@user_script: 12: -NOREPLICAS Not enough slaves.", no, wait, "NOREPLICAS"},
      {mark6 + "NOPERM this user has no permissions", half, reconcile, "ERR"},
      // such a word elsewhere says nothing
      {mark6 + "bad argument 'OOM command'", half, reconcile, "ERR"},
      {mark6 + "something about OOM and READONLY ", half, reconcile, "ERR"},
      // what we do not know
      {"ERR something new", no, refuse, "ERR"},
      {"NEWCODE something new", no, refuse, "NEWCODE"},
      {"LOST", no, refuse, "LOST"},
      {"", no, refuse, ""},
  };
}

TEST(Classify, HasARowForEveryReplyThatIsKnown) {
  for (const Row& row : table()) {
    SCOPED_TRACE(row.text);
    const ErrorMeaning meaning = classify(row.text);
    EXPECT_EQ(meaning.executed, row.executed);
    EXPECT_EQ(meaning.remedy, row.remedy);
    EXPECT_EQ(meaning.code, row.code);
  }
}

TEST(Classify, TheCodePointsIntoTheText) {
  for (const Row& row : table()) {
    SCOPED_TRACE(row.text);
    const ErrorMeaning meaning = classify(row.text);
    EXPECT_GE(meaning.code.data(), row.text.data());
    EXPECT_LE(meaning.code.data() + meaning.code.size(), row.text.data() + row.text.size());
  }
}

// Whatever is cut off or put in, a mark of a script never comes out as "not done" by accident.
TEST(Classify, AScriptsMarkIsNeverOverlooked) {
  for (const std::string code :
       {"ERR", "WRONGTYPE", "NOPERM", "NOSCRIPT", "LOADING", "BUSY", "X"}) {
    EXPECT_EQ(classify(code + " text" + mark7).executed, Executed::maybe_half) << code;
    EXPECT_EQ(classify(mark6 + code + " text").executed, Executed::maybe_half) << code;
  }
}

}  // namespace
}  // namespace mx_rmq::redis
