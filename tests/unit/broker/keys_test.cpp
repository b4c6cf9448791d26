#include "broker/data/keys.hpp"

#include <gtest/gtest.h>

#include <set>

#include "broker/data/tag.hpp"

namespace mx_rmq::broker {
namespace {

TEST(TopicKeys, AllNamesOfATopicShareItsHashTag) {
  const TopicKeys keys("app", "mail.out:eu-1");
  std::set<std::string> names;
  for (const List list : all_lists) names.insert(keys.ready(list));
  names.insert({keys.delayed, keys.delayed_data, keys.consumers, keys.dlq, keys.dlq_data, keys.ids,
                keys.idle, keys.stats, keys.processing("c1"), keys.producer("p1"),
                keys.channel("c1"), keys.settings});
  EXPECT_EQ(names.size(), 16U);
  for (const std::string& name : names) {
    EXPECT_EQ(name.rfind("app:{mail.out:eu-1}:", 0), 0U) << name;
  }
}

TEST(TopicKeys, NamesAreThoseOfTheProtocol) {
  const TopicKeys keys("", "t");
  EXPECT_EQ(keys.topic(), "t");
  EXPECT_EQ(keys.ready(List::high), "mx:{t}:ready:high");
  EXPECT_EQ(keys.ready(List::normal), "mx:{t}:ready:normal");
  EXPECT_EQ(keys.ready(List::low), "mx:{t}:ready:low");
  EXPECT_EQ(keys.ready(List::suspect), "mx:{t}:ready:suspect");
  EXPECT_EQ(keys.delayed, "mx:{t}:delayed");
  EXPECT_EQ(keys.delayed_data, "mx:{t}:delayed:data");
  EXPECT_EQ(keys.processing("a.1"), "mx:{t}:processing:a.1");
  EXPECT_EQ(keys.consumers, "mx:{t}:consumers");
  EXPECT_EQ(keys.dlq, "mx:{t}:dlq");
  EXPECT_EQ(keys.dlq_data, "mx:{t}:dlq:data");
  EXPECT_EQ(keys.ids, "mx:{t}:ids");
  EXPECT_EQ(keys.producer("x"), "mx:{t}:producer:x");
  EXPECT_EQ(keys.idle, "mx:{t}:idle");
  EXPECT_EQ(keys.channel("c"), "mx:{t}:to:c");
  EXPECT_EQ(keys.stats, "mx:{t}:stats");
  EXPECT_EQ(keys.settings, "mx:{t}:settings");
  EXPECT_EQ(topics_key(""), "mx:topics");
  EXPECT_EQ(topics_key("app"), "app:topics");
}

TEST(Tag, TextAndParseAreInverse) {
  for (const Tag tag : {Tag{1, 1}, Tag{0, 0}, Tag{42, 1'000}, Tag{UINT64_MAX, UINT32_MAX}}) {
    EXPECT_EQ(Tag::parse(tag.text()), tag) << tag.text();
  }
  EXPECT_EQ((Tag{7, 12}.text()), "7.12");
}

TEST(Tag, ParseRefusesWhatTextNeverGives) {
  for (const char* text : {"", ".", "1", "1.", ".1", "01.1", "1.01", "+1.1", "-1.1", " 1.1", "1.1 ",
                           "1.1.1", "1.4294967296", "18446744073709551616.1", "a.b"}) {
    EXPECT_FALSE(Tag::parse(text)) << text;
  }
}

}  // namespace
}  // namespace mx_rmq::broker
