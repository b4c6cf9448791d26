#pragma once

// Hook points: places at which the simulation can make the client do something wrong, to see
// whether its rules notice. A source says at the place itself what would be wrong:
//
//   if (MX_RMQ_PLANTED("forgets_to_look")) return;
//
// In the library that is `if (false)`, and its text is in no object. Only the sources of
// test_sim_bugs are compiled with MX_RMQ_PLANTED_BUGS: there each name is a bug that can be awoken
// while the program runs. Its table of bugs is tests/sim/planted/bugs.cpp; both must have the same
// names. They stand in .cpp files only: in a header they would be two things in one program.

#ifndef MX_RMQ_PLANTED_BUGS

/// Whether the planted bug of that name is awake: never.
#define MX_RMQ_PLANTED(name) false
/// What a planted bug does, where it would not even compile without one: nothing.
#define MX_RMQ_PLANT(name, ...) static_cast<void>(0)

#else

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <unordered_map>

#define MX_RMQ_PLANTED(name) (::mx_rmq::planted::Point<name>::is_awake())
#define MX_RMQ_PLANT(name, ...) \
  do {                          \
    if (MX_RMQ_PLANTED(name)) { \
      __VA_ARGS__;              \
    }                           \
  } while (false)

namespace mx_rmq::planted {

/// Enters a name of hook points in the list of all; `awake`: what awakens its bug. The test's.
bool enter(std::string_view name, bool& awake);

/// A literal as a template argument.
template <std::size_t size>
struct Name {
  consteval Name(const char (&literal)[size]) { std::copy_n(literal, size, text); }
  char text[size] = {};
};

/// The hook points of one name. It is entered before main() begins if one of them is compiled in.
template <Name name>
class Point {
 public:
  static bool is_awake() noexcept { return entered_ && awake_; }

 private:
  static inline bool awake_ = false;
  static inline const bool entered_ =
      enter(std::string_view(name.text, sizeof name.text - 1), awake_);
};

/// What a bug has to remember for `owner`.
template <class T>
T& kept(const void* owner) {
  static std::unordered_map<const void*, T> all;
  return all[owner];
}

}  // namespace mx_rmq::planted

#endif
