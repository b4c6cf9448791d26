// A consumer by plain hiredis that waits for the marker: what waking costs without the library.
#pragma once

#include <string>

#include "limit.hpp"
#include "plain.hpp"

namespace bench {

class PlainConsumer {
 public:
  PlainConsumer(const std::string& url, const std::string& topic);

  // Waits for the marker and claims one message; throws if none comes within 30 s.
  void next();
  // Acknowledges it.
  void settle();

 private:
  Plain redis_;
  Limit limit_;
  std::string wake_;
};

}  // namespace bench
