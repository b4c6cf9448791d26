#include "plain_consumer.hpp"

#include <hiredis/hiredis.h>

#include <stdexcept>

namespace bench {

PlainConsumer::PlainConsumer(const std::string& url, const std::string& topic)
    : redis_(url),
      limit_(redis_, {topic}, 2, {1, 1}),
      wake_(mx_rmq::broker::TopicKeys("", topic).wake) {}

void PlainConsumer::next() {
  const Reply marker = redis_.command({"BZPOPMIN", wake_, "30"});
  if (marker->type != REDIS_REPLY_ARRAY) throw std::runtime_error("no marker came");
  limit_.claim(1);
}

void PlainConsumer::settle() { limit_.ack(1); }

}  // namespace bench
