// The text of the scripts as the tests run it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/redis_client.hpp"

namespace mx_rmq::test {

// A bug planted into a script's text: the first occurrence of `find` is replaced.
struct Mutation {
  std::string name;    // what the bug is
  std::string script;  // in which script; empty: in every one that holds `find`
  std::string find;
  std::string replace;
};

// The scripts by name, as embedded in the library.
const std::map<std::string, std::string>& script_sources();

// The file lua/<name>.lua as it lies in the source tree, comments and all.
std::string script_file(const std::string& name);

// The comment lines a script's file begins with, without `-- @include` lines.
std::string script_header(const std::string& name);

// The script behind a prefix that takes two more arguments off the end of ARGV: the time in us that
// TIME answers, and k > 0 to make the k-th other call inside the script fail (one by pcall gets an
// error as its answer). Its own text is untouched and runs against the real server.
std::string instrumented(const std::string& source);

// The scripts loaded on a server.
class LoadedScripts {
 public:
  enum class Kind { as_embedded, instrumented };
  // Throws std::runtime_error if a script does not compile, or a mutation finds nothing to change.
  LoadedScripts(RedisClient& client, Kind kind, const std::optional<Mutation>& mutation = {});
  const std::string& sha(const std::string& script) const { return shas_.at(script); }

 private:
  std::map<std::string, std::string> shas_;
};

}  // namespace mx_rmq::test
