#pragma once

#include <functional>
#include <map>
#include <mx_rmq/mx_rmq.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "web/guard.hpp"
#include "web/http.hpp"

namespace mxrmq::web {

/// A number that a route takes in its query.
struct Parameter {
  const char* name;
  std::int64_t least, most, otherwise;
  const char* text;
};

/// What a route is called with: everything in it was checked.
struct Call {
  std::map<std::string, std::string> names;     ///< "topic", "id": what stood in their places
  std::map<std::string, std::int64_t> numbers;  ///< of each Parameter
  nlohmann::json body;
};

/// One way to ask for something. What answers, what checks it and what documents it are one.
struct Route {
  const char* path;  ///< "/api/v1/topics/{topic}"; names in braces are one part each
  Guard::Needs needs;
  const char* text;
  std::vector<Parameter> parameters;
  std::function<mx_rmq::Task<nlohmann::ordered_json>(mx_rmq::RedisMessageQueue*, Call)> answer;
};

/// All of them; alive as long as the program.
[[nodiscard]] std::span<const Route> routes();

/// The route for a path, with what stood in the places of its names; null if there is none.
[[nodiscard]] const Route* find_route(const std::string& path,
                                      std::map<std::string, std::string>* names);

/// Reads the query of a request: numbers within their bounds, and no parameter that the route does
/// not have. std::invalid_argument naming it.
[[nodiscard]] std::map<std::string, std::int64_t> read_numbers(
    const Route& route, const std::map<std::string, std::string>& query);

/// All topics in numbers, and what is wrong: what the overview shows.
[[nodiscard]] mx_rmq::Task<nlohmann::ordered_json> overview(mx_rmq::RedisMessageQueue* queue);

}  // namespace mxrmq::web
