#include "plain_consumer.hpp"

namespace bench {

PlainConsumer::PlainConsumer(const std::string& url, const std::string& topic)
    : redis_(url), limit_(redis_, {topic}, 2, {1, 1}), channel_(url) {
  const std::string channel = mx_rmq::broker::TopicKeys("", topic).channel(limit_.consumer_alias());
  channel_.command({"SUBSCRIBE", channel});
  limit_.become_idle();
}

void PlainConsumer::next() {
  if (limit_.listed()) channel_.receive();
  limit_.claim(1);
}

void PlainConsumer::settle() { limit_.ack(1); }

}  // namespace bench
