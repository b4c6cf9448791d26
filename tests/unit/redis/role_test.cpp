// What a server says it is, and what users are told about it.
#include "redis/connection/role.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/tls_built_in.hpp"

namespace mx_rmq::redis {
namespace {

using Kind = ServerRole::Kind;

Reply words(std::vector<std::string> texts) {
  std::vector<Reply> items;
  for (std::string& each : texts) items.push_back(Reply::string(std::move(each)));
  return Reply::array(std::move(items));
}

Reply role_of_a_replica(std::string host, std::int64_t port) {
  Reply reply = words({"slave", std::move(host)});
  reply.as_array().push_back(Reply::integer(port));
  reply.as_array().push_back(Reply::string("connect"));
  reply.as_array().push_back(Reply::integer(-1));
  return reply;
}

TEST(ServerRole, IsReadFromRole) {
  EXPECT_EQ(read_role(words({"master", "0"})).kind, Kind::master);
  const ServerRole replica = read_role(role_of_a_replica("10.0.0.5", 6379));
  EXPECT_EQ(replica.kind, Kind::replica);
  EXPECT_EQ(replica.of, "10.0.0.5:6379");
  EXPECT_EQ(read_role(role_of_a_replica("::1", 6379)).of, "[::1]:6379");
  Reply sentinel = words({"sentinel"});
  sentinel.as_array().push_back(words({"mymaster", "other"}));
  EXPECT_EQ(read_role(sentinel).kind, Kind::sentinel);
  EXPECT_EQ(read_role(sentinel).of, "mymaster, other");
}

TEST(ServerRole, IsReadFromInfo) {
  EXPECT_EQ(
      read_replication_info(Reply::string("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"))
          .kind,
      Kind::master);
  const ServerRole replica = read_replication_info(Reply::string(
      "# Replication\r\nrole:slave\r\nmaster_host:redis-0\r\nmaster_port:6379\r\nmaster_link:up"));
  EXPECT_EQ(replica.kind, Kind::replica);
  EXPECT_EQ(replica.of, "redis-0:6379");
}

TEST(ServerRole, OfAnythingElseIsUnknownAndFit) {
  std::vector<Reply> others;
  others.push_back(Reply::error("NOPERM no"));
  others.push_back(Reply::nil());
  others.push_back(Reply::array());
  others.push_back(Reply::integer(1));
  others.push_back(words({"active-replica"}));
  others.push_back(Reply::string("no lines of INFO"));
  others.push_back(Reply::string("role:"));
  for (const Reply& each : others) {
    SCOPED_TRACE(each.describe());
    EXPECT_EQ(read_role(each).kind, Kind::unknown);
    EXPECT_EQ(read_replication_info(each).kind, Kind::unknown);
    EXPECT_TRUE(read_role(each).fit());
    EXPECT_EQ(unfit_text(read_role(each)), "");
  }
  EXPECT_EQ(unfit_text({Kind::master, {}}), "");
  // Cut short.
  EXPECT_EQ(read_role(words({"slave"})).kind, Kind::replica);
  EXPECT_EQ(read_role(words({"sentinel"})).kind, Kind::sentinel);
}

TEST(ServerRole, TheTextNamesWhatIsThereAndWhatToWriteInstead) {
  EXPECT_EQ(
      unfit_text({Kind::replica, "10.0.0.5:6379"}),
      "this is a replica of 10.0.0.5:6379, not a master: redis_url must name the master, a name "
      "that follows it, or the Sentinels that know it");
  const std::string sentinel = unfit_text({Kind::sentinel, "mymaster"});
  EXPECT_EQ(sentinel,
            "this is a Redis Sentinel, not a Redis server: write "
            "redis+sentinel://HOST:PORT/mymaster");
  EXPECT_TRUE(unfit_text({Kind::sentinel, "a, b"})
                  .ends_with("NAME is one of the masters that it "
                             "watches: a, b"));
  EXPECT_TRUE(unfit_text({Kind::sentinel, ""})
                  .ends_with("/NAME, with the name of the master that "
                             "it watches"));
  for (const std::string bytes : {"\x15\x03\x01", "\x16\x03\x03"}) {
    const std::string tls = unfit_bytes_text("h:6380", bytes);
    EXPECT_NE(tls.find("h:6380 speaks TLS"), std::string::npos) << tls;
    const bool built_in = api::tls_built_in();
    EXPECT_NE(tls.find(built_in ? "write rediss://" : "plain port"), std::string::npos) << tls;
  }
  const std::string web = unfit_bytes_text("h:80", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n");
  EXPECT_NE(web.find("no Redis server at h:80: it answered \"HTTP/1.1 400"), std::string::npos)
      << web;
  EXPECT_EQ(web.find('\n'), std::string::npos);
}

TEST(ServerRole, ErrorRepliesThatTellWhereTheyComeFromAreExplained) {
  for (const char* text :
       {"MOVED 5798 127.0.0.1:7001", "ASK 1 :7001", "CROSSSLOT Keys in request"}) {
    EXPECT_NE(explained(text).find("node of a Redis Cluster"), std::string::npos) << text;
  }
  for (const char* text : {"READONLY You can't write against a read only replica.",
                           "UNBLOCKED force unblock from blocking operation"}) {
    EXPECT_NE(explained(text).find("a replica"), std::string::npos) << text;
  }
  for (const char* text :
       {"OOM command not allowed", "NOPERM no", "ERR what", "", "CLUSTERDOWN Hash slot not served",
        "TRYAGAIN Multiple keys request during rehashing"}) {
    EXPECT_EQ(explained(text), "") << text;
  }
}

}  // namespace
}  // namespace mx_rmq::redis
