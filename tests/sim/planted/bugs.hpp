// Bugs of clients, to be planted into a copy of the library's sources: each has to be found by the
// simulation.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace mx_rmq::planted {

// What `find` matches in the file, white space aside, becomes `replace`.
struct Edit {
  std::string file;
  std::string find;
  std::string replace;
};

struct Bug {
  std::string name;
  std::string what;
  std::vector<Edit> edits;
};

const std::vector<Bug>& bugs();

// Where `find` is in `text`, white space aside: its begin and end; npos, npos if it is not there
// exactly once.
std::pair<std::size_t, std::size_t> place_of(const std::string& text, const std::string& find);

}  // namespace mx_rmq::planted
