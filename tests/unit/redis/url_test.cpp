#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/connection/options.hpp"

namespace mx_rmq::redis {
namespace {

struct Good {
  std::string url;
  std::string host;
  int port;
  std::string path;
  std::string user;
  std::string password;
  int db;
  std::string name;
};

// What MQConfig::validate() says of a URL, or nothing.
std::string refused_by_validate(const std::string& url) {
  MQConfig config;
  config.redis_url = url;
  try {
    config.validate();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

// What a connection would say.
std::string refused_by_parser(const std::string& url) {
  try {
    static_cast<void>(parse_url(url));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST(Url, ReadsEveryFormThatIsPromised) {
  const std::string local = "localhost";
  const std::vector<Good> table{
      {"redis://", local, 6379, "", "", "", 0, ""},
      {"redis://example.org", "example.org", 6379, "", "", "", 0, ""},
      {"REDIS://example.org", "example.org", 6379, "", "", "", 0, ""},
      {"redis://example.org:6380", "example.org", 6380, "", "", "", 0, ""},
      {"redis://example.org:6380/", "example.org", 6380, "", "", "", 0, ""},
      {"redis://example.org/7", "example.org", 6379, "", "", "", 7, ""},
      {"redis://:6380", local, 6380, "", "", "", 0, ""},
      {"redis:///3", local, 6379, "", "", "", 3, ""},
      {"redis://bob:secret@h", "h", 6379, "", "bob", "secret", 0, ""},
      {"redis://:secret@h", "h", 6379, "", "", "secret", 0, ""},
      {"redis://bob@h", "h", 6379, "", "bob", "", 0, ""},
      {"redis://bob:@h", "h", 6379, "", "bob", "", 0, ""},
      {"redis://:@h", "h", 6379, "", "", "", 0, ""},
      {"redis://b%40b:p%3A%2F%40%23%3f%25@h:1/2", "h", 1, "", "b@b", "p:/@#?%", 2, ""},
      {"redis://u:a:b@h", "h", 6379, "", "u", "a:b", 0, ""},
      {"redis://u:a@b@h", "h", 6379, "", "u", "a@b", 0, ""},
      {"redis://[::1]", "::1", 6379, "", "", "", 0, ""},
      {"redis://[::1]:6380/1", "::1", 6380, "", "", "", 1, ""},
      {"redis://u:p@[fe80::1%25eth0]:7", "fe80::1%eth0", 7, "", "u", "p", 0, ""},
      {"redis://h?db=4", "h", 6379, "", "", "", 4, ""},
      {"redis://h/4?db=4&client_name=w%21rk", "h", 6379, "", "", "", 4, "w!rk"},
      {"valkey://h:65535", "h", 65535, "", "", "", 0, ""},
      {"redis://h:65535", "h", 65535, "", "", "", 0, ""},
      {"unix:///run/redis.sock", local, 6379, "/run/redis.sock", "", "", 0, ""},
      {"unix:///run/a%20b.sock?db=5", local, 6379, "/run/a b.sock", "", "", 5, ""},
      {"unix://bob:secret@/r.sock?client_name=x", local, 6379, "/r.sock", "bob", "secret", 0, "x"},
      {"unix://:secret@/r.sock", local, 6379, "/r.sock", "", "secret", 0, ""},
  };
  for (const Good& row : table) {
    SCOPED_TRACE(row.url);
    EXPECT_EQ(refused_by_validate(row.url), "");
    const Endpoint options = parse_url(row.url);
    EXPECT_EQ(options.host, row.host);
    EXPECT_EQ(options.port, row.port);
    EXPECT_EQ(options.unix_path, row.path);
    EXPECT_EQ(options.user, row.user);
    EXPECT_EQ(options.password.reveal(), row.password);
    EXPECT_EQ(options.db, row.db);
    EXPECT_EQ(options.client_name, row.name);
  }
}

TEST(Url, ReadsSentinels) {
  const Endpoint one = parse_url("redis+sentinel://bob:secret@s1/mymaster");
  EXPECT_EQ(one.kind, api::RedisKind::sentinel);
  EXPECT_FALSE(one.tls);
  EXPECT_EQ(one.hosts, (std::vector<api::HostPort>{{"s1", 26379}}));
  EXPECT_EQ(one.master, "mymaster");
  EXPECT_EQ(one.user, "bob");
  EXPECT_EQ(one.password.reveal(), "secret");
  EXPECT_EQ(one.db, 0);
  EXPECT_EQ(one.address(), "master mymaster");
  const Endpoint three =
      parse_url("Redis+Sentinel://s1:1,[::1]:2,s%33/my-master.1_x/7?client_name=w");
  EXPECT_EQ(three.hosts, (std::vector<api::HostPort>{{"s1", 1}, {"::1", 2}, {"s3", 26379}}));
  EXPECT_EQ(three.host, "s1");
  EXPECT_EQ(three.port, 1);
  EXPECT_EQ(three.master, "my-master.1_x");
  EXPECT_EQ(three.db, 7);
  EXPECT_EQ(three.client_name, "w");
  EXPECT_EQ(parse_url("redis+sentinel:///m").hosts,
            (std::vector<api::HostPort>{{"localhost", 26379}}));
  EXPECT_EQ(parse_url("redis+sentinel://s/m?db=4").db, 4);
  EXPECT_EQ(parse_url("redis://h:1").hosts, (std::vector<api::HostPort>{{"h", 1}}));
  EXPECT_TRUE(parse_url("unix:///s").hosts.empty());
  for (const char* const bad :
       {"redis+sentinel://s", "redis+sentinel://s/", "redis+sentinel://s//1",
        "redis+sentinel://s,/m", "redis+sentinel://,s/m", "redis+sentinel://s1,,s2/m",
        "redis+sentinel://s/m/x", "redis+sentinel://s/m/1/2", "redis+sentinel://s/a%20b",
        "redis+sentinel://s/a%2Fb", "redis+sentinel://s:0/m", "redis+sentinel://s1,s2:x/m",
        "redis+sentinel://s/m/1?db=2", "sentinel://s/m", "redis-sentinel://s/m"}) {
    SCOPED_TRACE(bad);
    EXPECT_TRUE(refused_by_parser(bad).starts_with("redis_url: "));
    EXPECT_EQ(refused_by_validate(bad), refused_by_parser(bad)) << "one truth";
  }
  std::string many = "redis+sentinel://s";
  for (int i = 0; i < 64; ++i) many += ",s" + std::to_string(i);
  EXPECT_NE(refused_by_parser(many + "/m"), "");
  EXPECT_NE(refused_by_parser("redis+sentinel://s/" + std::string(129, 'm')), "");
}

TEST(Url, RefusesEverythingElse) {
  const std::vector<std::string> table{
      "",
      "redis",
      "localhost:6379",
      "://h",
      "redis:/h",
      "http://h",
      "redis://h:0",
      "redis://h:65536",
      "redis://h:-1",
      "redis://h:",
      "redis://h:80x",
      "redis://h: 80",
      "redis://::1",
      "redis://[::1",
      "redis://[::1]6379",
      "redis://[host]",
      "redis://[::zz]",
      "redis://[]",
      "redis://h\n",
      "redis://h/" + std::string(4096, '0'),
      "redis://h/x",
      "redis://h/-1",
      "redis://h/1/2",
      "redis://h/99999999999",
      "redis://h/65536",
      "redis://h?db=65536",
      "redis://h?db=",
      "redis://h?db=x",
      "redis://h/1?db=2",
      "redis://h?timeout=5",
      "redis://h?ssl=true",
      "redis://h#x",
      "redis://h%zz",
      "redis://h%0",
      "redis://a b",
      "redis://a,b",
      "redis://a:1,b:2",
      "redis+tcp://a",
      "amqp+sentinel://a/m",
      "redis://a%00b",
      "redis://h?client_name=a%20b",
      "redis://h?client_name=" + std::string(65, 'n'),
      "unix://",
      "unix:///",
      "unix://host/path",
      "unix:///path/",
      "unix:///" + std::string(107, 'x'),
      "unix:///a%0Ab",
  };
  for (const std::string& url : table) {
    SCOPED_TRACE(url);
    EXPECT_THROW(static_cast<void>(parse_url(url)), ConfigError);
    EXPECT_EQ(refused_by_validate(url), refused_by_parser(url)) << "one truth";
  }
  EXPECT_NO_THROW(static_cast<void>(parse_url("unix:///" + std::string(106, 'x'))));
}

TEST(Url, AnErrorNamesThePartThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"redis://localhost:99999", "the port 99999 is not allowed; allowed is 1 to 65535"},
      {"redis://u:p@h:0", "the port 0 is not allowed; allowed is 1 to 65535"},
      {"redis://h:", "the port is missing; allowed is 1 to 65535"},
      {"redis://h:80x", "the port is not a number from 1 to 65535"},
      {"redis://[::1]:65536", "the port 65536 is not allowed; allowed is 1 to 65535"},
      {"redis://h/70000", "the database 70000 is not allowed; allowed is 0 to 65535"},
      {"redis://h?db=70000", "the database 70000 is not allowed; allowed is 0 to 65535"},
      {"redis://h/x", "the database is not a number from 0 to 65535"},
      {"redis://h%zz", "a '%' in the host is not followed by two hex digits"},
      {"redis://u%1:p@h", "a '%' in the user is not followed by two hex digits"},
      {"redis://u:p%@h", "a '%' in the password is not followed by two hex digits"},
      {"redis://h?foo=1", "there is an unknown argument behind its '?'; allowed are db and"},
      {"redis://[nobody]", "what is in brackets is no IPv6 address"},
      {"redis://a b", "there are spaces or control characters in the host"},
      {"redis://h\n", "there are control characters in it (a line end?)"},
      {"unix:///a/", "the path of a socket is missing; allowed is unix:///path"},
      {"unix://h/a", "a socket's URL has no host"},
      {"localhost:6379", "it has no scheme; allowed are redis://"},
      {"redis://a:1,b:2", "it names several hosts; that is redis+sentinel://"},
      {"redis://a,b", "it names several hosts; that is redis+sentinel://"},
      {"redis+sentinel://h", "the name of the master is missing; allowed is redis+sentinel://host"},
      {"redis+sentinel://h/a%20b", "the name of the master is not allowed"},
      {"redis+sentinel://a,,b/m", "there is nothing before or behind a ','"},
      // A password without its host looks like a port.
      {"redis://:99999", "the port is not a number from 1 to 65535"},
  };
  for (const auto& [url, text] : table) {
    const std::string said = refused_by_validate(url);
    EXPECT_TRUE(said.starts_with("redis_url: " + text)) << url << ": " << said;
  }
}

TEST(Url, SchemesThatAreNotBuiltInSaySoAndWhatIs) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"sentinel://h", "for Sentinel write redis+sentinel://"},
      {"cluster://h", "Cluster"},
      {"amqp://h", "not supported"},
  };
  for (const auto& [url, word] : table) {
    SCOPED_TRACE(url);
    try {
      static_cast<void>(parse_url(url));
      FAIL() << "accepted";
    } catch (const ConfigError& error) {
      const std::string what = error.what();
      EXPECT_NE(what.find(word), std::string::npos) << what;
      EXPECT_NE(what.find("allowed are redis://"), std::string::npos) << what;
      EXPECT_NE(what.find("and unix://"), std::string::npos) << what;
    }
  }
}

// Wherever an unencoded character puts a piece of the password, no error shows it.
TEST(Url, NoErrorShowsAPieceOfThePassword) {
  for (const std::string secret :
       {"s3cr3t", "s3cr3t/s3cr3t", "s3cr3t?s3cr3t", "s3cr3t#s3cr3t", "s3cr3t@s3cr3t",
        "s3cr3t:s3cr3t", "s3cr3t%s3cr3t", "s3cr3t[s3cr3t", "s3cr3t]s3cr3t", "s3cr3t?db=s3cr3t",
        "s3cr3t?client_name=s3cr3t%", "/s3cr3t", "1/s3cr3t"}) {
    for (const std::string& url :
         {"redis://:" + secret + "@h:x", "redis://u:" + secret + "@h:x", "redis://" + secret,
          "redis://u:" + secret, "redis://u:" + secret + "@h?x", "redis://u:" + secret + "@h/z",
          "rediss://u:" + secret + "@h", "redis+sentinel://u:" + secret + "@h/m/x",
          "redis+sentinel://" + secret + "/m?x", "redis+sentinel://h/" + secret + "/%",
          "unix://u:" + secret + "@", "unix://" + secret, "redis://u:" + secret + "@[::1",
          "u:" + secret + "@h"}) {
      SCOPED_TRACE(url);
      EXPECT_EQ(refused_by_parser(url).find("s3cr3t"), std::string::npos);
      EXPECT_EQ(refused_by_validate(url).find("s3cr3t"), std::string::npos);
    }
  }
}

TEST(Url, AnAddressIsShownWithoutCredentials) {
  EXPECT_EQ(parse_url("redis://u:p@h:1/2").address(), "h:1");
  EXPECT_EQ(parse_url("redis://u:p@[::1]:1").address(), "[::1]:1");
  EXPECT_EQ(parse_url("unix://u:p@/s").address(), "unix:/s");
}

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secret, CannotBePrintedOrConverted) {
  static_assert(!Printable<Secret>);
  static_assert(!std::is_convertible_v<Secret, std::string>);
  static_assert(!std::is_convertible_v<Secret, std::string_view>);
  static_assert(!std::is_convertible_v<std::string, Secret>);
  Secret secret("x");
  const Secret copy = secret;
  secret = Secret("other");
  EXPECT_EQ(copy.reveal(), "x");
  EXPECT_EQ(secret.reveal(), "other");
}

}  // namespace
}  // namespace mx_rmq::redis
