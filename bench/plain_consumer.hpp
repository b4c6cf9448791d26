// A consumer by plain hiredis that is woken over its channel: what waking costs without the
// library.
#pragma once

#include <string>

#include "limit.hpp"
#include "plain.hpp"

namespace bench {

class PlainConsumer {
 public:
  PlainConsumer(const std::string& url, const std::string& topic);

  // Waits until it is woken and claims one message.
  void next();
  // Acknowledges it.
  void settle();

 private:
  Plain redis_;
  Limit limit_;
  Plain channel_;
};

}  // namespace bench
