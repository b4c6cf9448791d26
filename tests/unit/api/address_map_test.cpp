#include "api/address_map.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/errors.hpp"

namespace mx_rmq::api {
namespace {

TEST(HostPort, ReadsHostsAndPorts) {
  EXPECT_EQ(read_host_port("h"), (HostPort{"h", 0}));
  EXPECT_EQ(read_host_port("h.example.org:1"), (HostPort{"h.example.org", 1}));
  EXPECT_EQ(read_host_port("[::1]:65535"), (HostPort{"::1", 65535}));
  EXPECT_EQ(read_host_port("[fe80::1%eth0]"), (HostPort{"fe80::1%eth0", 0}));
  for (const char* const bad : {"", ":1", "h:", "h:0", "h:65536", "h:1x", "::1", "[::1", "[h]:1",
                                "[::1]1", "a b", "a,b", "a=b", "a/b", "u@h", "h:+1", "h\n"}) {
    EXPECT_FALSE(read_host_port(bad)) << bad;
  }
  EXPECT_EQ((HostPort{"::1", 7}).text(), "[::1]:7");
  EXPECT_EQ((HostPort{"h", 7}).text(), "h:7");
}

TEST(AddressMap, ReplacesWhatItNamesAndKeepsTheRest) {
  const AddressMap map =
      AddressMap::parse("10.0.0.1:6379=out.example.org:7001, 10.0.0.1=[::2] ,10.0.0.2=b:9");
  EXPECT_EQ(map({"10.0.0.1", 6379}), (HostPort{"out.example.org", 7001}));
  EXPECT_EQ(map({"10.0.0.1", 6380}), (HostPort{"::2", 6380})) << "any other port, and it is kept";
  EXPECT_EQ(map({"10.0.0.2", 1}), (HostPort{"b", 9}));
  EXPECT_EQ(map({"10.0.0.3", 6379}), (HostPort{"10.0.0.3", 6379}));
  EXPECT_EQ(AddressMap::parse("")({"h", 1}), (HostPort{"h", 1}));
  const AddressMap later = AddressMap::parse("h=any,h:1=one");
  EXPECT_EQ(later({"h", 1}), (HostPort{"one", 1})) << "the more particular one counts";
}

TEST(AddressMap, IsAFieldThatSaysWhatIsWrongWithIt) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"a",
       "\"a\" is not allowed; allowed is host[:port]=host[:port], several separated by commas "
       "(it has no '=')"},
      {"a=b,", ""},
      {"a=b,,c=d", "it has no '='"},
      {"a=b c", "belongs on both sides"},
      {"a:0=b", "belongs on both sides"},
      {"=b", "belongs on both sides"},
      {"a=b,a=c", "its left side is there twice"},
  };
  for (const auto& [text, why] : table) {
    MQConfig config;
    config.redis_address_map = text;
    std::string said;
    try {
      config.validate();
    } catch (const ConfigError& error) {
      said = error.what();
    }
    if (why.empty()) {
      EXPECT_EQ(said, "") << text;
    } else {
      EXPECT_TRUE(said.starts_with("redis_address_map: ")) << said;
      EXPECT_NE(said.find(why), std::string::npos) << said;
    }
  }
}

}  // namespace
}  // namespace mx_rmq::api
