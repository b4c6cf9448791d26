#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mxrmq::web {

class EventSource;

/// What a browser, or another program, asks for.
struct Request {
  std::string method;  ///< as it came: "GET", ...
  std::string path;    ///< as it came, without the query: still with %2F and the like
  std::map<std::string, std::string> headers;  ///< names in lower case; the first of each
  std::map<std::string, std::string> query;    ///< as it came; the last of each name
  std::string body;
  bool body_too_large = false;  ///< more than most_body; `body` is then cut off
};

/// No body that is meant for us is longer.
inline constexpr std::size_t most_body = 64 * 1024;

/// What is answered.
struct Response {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers{};
  /// If there is one: instead of the body, what this tells from now on (Server-Sent Events).
  std::shared_ptr<EventSource> events{};
};

}  // namespace mxrmq::web
