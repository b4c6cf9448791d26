#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "api/config_fields.hpp"
#include "api/tls_built_in.hpp"
#include "mx_rmq/config.hpp"
#include "unit/api/config_testing.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using api::Field;
using test::changed;
using test::env_refusal;
using test::refusal;

TEST(ConfigValidate, EveryFieldIsHeldToItsRange) {
  struct Edge {
    const Field& field;
    MQConfig config;
    /// Sets the least value minus one and so on; true if there is such a value in the type.
    bool below(const api::IntField& f) {
      config.*f.member = f.or_automatic ? MQConfig::automatic - 1 : static_cast<int>(f.least - 1);
      return true;
    }
    bool above(const api::IntField& f) {
      config.*f.member = static_cast<int>(f.most + 1);
      return true;
    }
    bool below(const api::CountField& f) {
      config.*f.member = f.least - 1;
      return true;
    }
    bool above(const api::CountField& f) {
      config.*f.member = f.most + 1;
      return true;
    }
    bool below(const api::BytesField& f) {
      config.*f.member = static_cast<std::size_t>(f.least - 1);
      return true;
    }
    bool above(const api::BytesField& f) {
      config.*f.member = SIZE_MAX;
      (void)f;
      return true;
    }
    bool below(const api::BoolField&) { return false; }
    bool above(const api::BoolField&) { return false; }
    bool below(const api::DurationField& f) {
      config.*f.member = f.least - 1ms;
      return true;
    }
    bool above(const api::DurationField& f) {
      config.*f.member = f.most + 1ms;
      return true;
    }
    bool below(const api::DurationsField& f) {
      (config.*f.member)[1] = -1ms;
      return true;
    }
    bool above(const api::DurationsField& f) {
      (config.*f.member).assign(1001, 1s);
      return true;
    }
    bool below(const api::RetryField& f) {
      config.*f.member = RetryPolicy::fixed(-1ms);
      return true;
    }
    bool above(const api::RetryField& f) {
      config.*f.member = RetryPolicy::linear(366 * 24h);
      return true;
    }
    bool below(const api::TextField& f) {
      config.*f.member = field.name == "client_name" ? "" : std::string(65537, 'x');
      return true;
    }
    bool above(const api::TextField& f) {
      config.*f.member = std::string(65537, 'x');
      return true;
    }
  };
  for (const Field& field : api::config_fields()) {
    for (const bool above : {false, true}) {
      Edge edge{field, MQConfig()};
      const bool exists =
          std::visit([&](const auto& kind) { return above ? edge.above(kind) : edge.below(kind); },
                     field.kind);
      if (!exists) continue;
      const std::string error = refusal([&] { edge.config.validate(); });
      EXPECT_TRUE(error.starts_with(std::string(field.name) + ": ")) << error;
      // The errors of a URL and of a policy name the part that is wrong.
      const char* const says = field.name == "redis_url"      ? "; allowed are "
                               : field.name == "retry_policy" ? "is not allowed; 0s to 365d are"
                                                              : "is not allowed; allowed is ";
      EXPECT_NE(error.find(says), std::string::npos) << error;
    }
  }
  EXPECT_EQ(changed([](MQConfig& c) { c.max_workers = 0; }),
            "max_workers: \"0\" is not allowed; allowed is 1 to 100000");
  EXPECT_EQ(changed([](MQConfig& c) { c.message_ttl = 0ms; }),
            "message_ttl: \"0s\" is not allowed; allowed is 1ms to 3650d");
}

TEST(ConfigValidate, SmallValuesForTestsAreAllowed) {
  EXPECT_EQ(changed([](MQConfig& c) {
              c.processing_timeout = 500ms;
              c.message_ttl = 50ms;
              c.monitor_interval = c.expired_check_interval = c.processing_monitor_interval = 100ms;
              c.lease = 200ms;
              c.retry_delays = {0ms};
              c.shutdown_timeout = 0ms;
            }),
            "accepted");
}

TEST(ConfigValidate, FieldsThatContradictEachOther) {
  EXPECT_EQ(changed([](MQConfig& c) { c.reconnect_backoff_min = 6s; }),
            "reconnect_backoff_min: 6s is more than reconnect_backoff_max, which is 5s");
  EXPECT_EQ(
      changed([](MQConfig& c) { c.retry_delays.clear(); }),
      "retry_delays: it is empty though max_retries is 3; allowed is at least one duration, or "
      "max_retries = 0");
  EXPECT_EQ(changed([](MQConfig& c) {
              c.retry_delays.clear();
              c.max_retries = 0;
            }),
            "accepted");
  EXPECT_EQ(changed([](MQConfig& c) {
              c.retry_delays.clear();
              c.retry_policy = RetryPolicy::fixed(1s);
            }),
            "accepted");
}

TEST(ConfigValidate, QueuePrefix) {
  for (const char* good : {"", "prod", "a:b", "eu-1_x.y/z", "!\"#$%&'()+,;<=>@^`|~"})
    EXPECT_EQ(changed([&](MQConfig& c) { c.queue_prefix = good; }), "accepted") << good;
  for (const char* bad : {"{", "}", "a b", "*", "?", "[", "]", "\\", "a\n", "\x7f", "\xd0\xb6"})
    EXPECT_TRUE(changed([&](MQConfig& c) { c.queue_prefix = bad; }).starts_with("queue_prefix: "))
        << bad;
  EXPECT_EQ(changed([](MQConfig& c) { c.queue_prefix = std::string(64, 'p'); }), "accepted");
  EXPECT_TRUE(changed([](MQConfig& c) {
                c.queue_prefix = std::string(65, 'p');
              }).starts_with("queue_prefix: "));
  EXPECT_TRUE(changed([](MQConfig& c) {
                c.queue_prefix = std::string("a\0", 2);
              }).starts_with("queue_prefix: "));
}

TEST(ConfigValidate, RedisUrl) {
  const auto url = [](const char* text) {
    return changed([&](MQConfig& c) { c.redis_url = text; });
  };
  for (const char* good :
       {"redis://h", "redis://h:1", "redis://h:65535/0", "redis://u:p@h", "redis://:p@h:6379/15",
        "redis://[::1]:6379", "redis://[fe80::1%25eth0]", "unix:///run/redis.sock",
        "unix://u:p@/run/r.sock?db=3", "redis://:p@ss:w%2frd@h", "REDIS://h", "redis://",
        "redis:///2", "redis://:6379", "redis+sentinel://u:p@s1,s2:1/mymaster/3",
        "redis://127.0.0.1:6379/"})
    EXPECT_EQ(url(good), "accepted") << good;
  for (const char* bad : {"",
                          "localhost",
                          "localhost:6379",
                          "http://h",
                          "redis://:p/w@h",
                          "redis://h#f",
                          "redis://[h]",
                          "unix://",
                          "unix://relative",
                          "redis://h:0",
                          "redis://h:65536",
                          "redis://h:x",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h/65536",
                          "redis://[::1",
                          "redis://h\n",
                          "redis://a b",
                          "redis+sentinel://h",
                          "redis+sentinel://h/",
                          "redis://h%zz",
                          "redis://h?foo=1",
                          "unix:///a/"})
    EXPECT_TRUE(url(bad).starts_with("redis_url: ")) << bad << ": " << url(bad);
  EXPECT_EQ(url("redis://localhost:99999"),
            "redis_url: the port 99999 is not allowed; allowed is 1 to 65535");
  EXPECT_EQ(env_refusal({{"REDIS_URL", "redis://u:secret@h:99999"}}),
            "REDIS_URL: the port 99999 is not allowed; allowed is 1 to 65535");
}

TEST(ConfigValidate, EncryptedUrlsAreRefusedWhereTheyCannotBeServedAndNeverDowngraded) {
  const std::string said =
      changed([](MQConfig& c) { c.redis_url = "rediss://user:secret@h:6380"; });
  if (api::tls_built_in()) {
    EXPECT_EQ(said, "accepted");
    return;
  }
  EXPECT_TRUE(
      said.starts_with("redis_url: rediss:// (TLS) is not built in, and it is never replaced by an "
                       "unencrypted connection"))
      << said;
  EXPECT_TRUE(env_refusal({{"REDIS_URL", "rediss://:secret@h"}})
                  .starts_with("REDIS_URL: rediss:// (TLS) is not built in"));
}

TEST(ConfigValidate, WhatIsSaidAboutTlsNeedsTls) {
  using Change = void (*)(MQConfig&);
  const std::pair<const char*, Change> fields[] = {
      {"tls_ca_file", [](MQConfig& c) { c.tls_ca_file = "/ca.pem"; }},
      {"tls_ca_dir", [](MQConfig& c) { c.tls_ca_dir = "/ca"; }},
      {"tls_cert_file", [](MQConfig& c) { c.tls_cert_file = "/c.pem"; }},
      {"tls_server_name", [](MQConfig& c) { c.tls_server_name = "h"; }},
      {"tls_verify", [](MQConfig& c) { c.tls_verify = false; }},
  };
  for (const auto& [field, change] : fields) {
    const auto set = change;
    const auto with = [set](const char* url) {
      return changed([&](MQConfig& c) {
        c.redis_url = url;
        set(c);
      });
    };
    for (const char* const url : {"redis://h", "unix:///s"}) {
      EXPECT_EQ(with(url), std::string(field) +
                               ": it is set, but redis_url does not ask for TLS; write rediss:// "
                               "there");
    }
    if (api::tls_built_in()) {
      EXPECT_EQ(with("rediss://h"), "accepted") << field;
    }
  }
}

TEST(ConfigValidate, WhatIsSaidAboutTlsMustFitTogether) {
  if (!api::tls_built_in()) GTEST_SKIP() << "there is no TLS";
  const auto with = [](auto set) {
    return changed([&](MQConfig& c) {
      c.redis_url = "rediss://h";
      set(c);
    });
  };
  EXPECT_TRUE(with([](MQConfig& c) {
                c.tls_key_file = "/k";
              }).starts_with("tls_key_file: it is set without tls_cert_file"));
  EXPECT_EQ(with([](MQConfig& c) {
              c.tls_key_file = "/k";
              c.tls_cert_file = "/c";
            }),
            "accepted");
  EXPECT_TRUE(with([](MQConfig& c) {
                c.tls_verify = false;
                c.tls_ca_file = "/ca";
              }).starts_with("tls_verify: it is false, so that anybody is trusted"));
  EXPECT_TRUE(with([](MQConfig& c) {
                c.tls_server_name = "a b";
              }).starts_with("tls_server_name: \"a b\" is not allowed"));
  EXPECT_TRUE(with([](MQConfig& c) {
                c.tls_ca_file = std::string("a\0b", 3);
              }).starts_with("tls_ca_file: "));
}

TEST(ConfigValidate, FieldsBesideTheUrlMayRepeatItButNotContradictIt) {
  const auto both = [](const char* url, auto change) {
    return changed([&](MQConfig& c) {
      c.redis_url = url;
      change(c);
    });
  };
  const auto db = [](int n) { return [n](MQConfig& c) { c.redis_db = n; }; };
  EXPECT_EQ(both("redis://h/2", db(0)), "accepted");
  EXPECT_EQ(both("redis://h/2", db(2)), "accepted");
  EXPECT_EQ(both("redis://h", db(2)), "accepted");
  EXPECT_EQ(
      both("redis://h/2", db(3)),
      "redis_db: 3 contradicts redis_url, which says 2; give one of them, or the same in both");
  EXPECT_TRUE(both("unix:///s?db=2", db(3)).starts_with("redis_db: 3 contradicts"));
  const auto login = [](const char* user, const char* password) {
    return [=](MQConfig& c) {
      c.redis_username = user;
      c.redis_password = password;
    };
  };
  EXPECT_EQ(both("redis://u:p%40ss@h", login("u", "p@ss")), "accepted");
  EXPECT_EQ(both("redis://h", login("u", "p")), "accepted");
  EXPECT_TRUE(both("redis://u:p@h", login("v", "")).starts_with("redis_username: it contradicts"));
  EXPECT_TRUE(both("redis://:p@h", login("", "q")).starts_with("redis_password: it contradicts"));
  EXPECT_EQ(both("redis://u:@h", login("", "q")), "accepted") << "no password in the URL";
  const auto name = [](const char* text) { return [text](MQConfig& c) { c.client_name = text; }; };
  EXPECT_EQ(both("redis://h?client_name=a", name("a")), "accepted");
  EXPECT_EQ(both("redis://h?client_name=a", name("mx-rmq")), "accepted") << "the default";
  EXPECT_TRUE(
      both("redis://h?client_name=a", name("b")).starts_with("client_name: it contradicts"));
}

TEST(ConfigSecrets, NoPasswordIsEverShown) {
  const std::string secret = "hunter2";
  std::vector<std::string> shown;
  MQConfig config;
  config.redis_url = "redis://user:" + secret + "@h:6379/1";
  config.redis_password = secret;
  shown.push_back(config.describe());
  for (const std::string& url :
       {"redis://u:" + secret + "@h:x", "redis://:" + secret, secret, "http://u:" + secret + "@h",
        "rediss://u:" + secret + "@h", "redis://u:a@" + secret + "@h:x", secret + "@h",
        "unix://u:" + secret + "@/run/x?db=99999999", "redis://h?password=" + secret,
        "redis://u:" + secret + "@h/99999999", "redis://u:" + secret + "@h\n"}) {
    shown.push_back(changed([&](MQConfig& c) { c.redis_url = url; }));
    shown.push_back(env_refusal({{"REDIS_URL", url}}));
    shown.push_back(env_refusal({{"MQ_REDIS_URL", url}}));
    MQConfig described;
    described.redis_url = url;
    shown.push_back(described.describe());
  }
  shown.push_back(
      changed([&](MQConfig& c) { c.redis_password = secret + std::string(65536, 'x'); }));
  shown.push_back(env_refusal({{"REDIS_PASSWORD", secret + std::string(65536, 'x')}}));
  shown.push_back(env_refusal({{"REDIS_URL", "redis://:other@h"}, {"REDIS_PASSWORD", secret}}));
  for (const std::string& text : shown) EXPECT_EQ(text.find(secret), std::string::npos) << text;
}

}  // namespace
}  // namespace mx_rmq
