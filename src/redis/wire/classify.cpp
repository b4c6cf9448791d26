#include "redis/wire/classify.hpp"

#include <array>

namespace mx_rmq::redis {

namespace {

struct Row {
  std::string_view code;
  Remedy remedy;
};

// Replies to a command that was not executed, by their first word.
constexpr std::array<Row, 20> by_code{{
    {"NOSCRIPT", Remedy::load_script}, {"MOVED", Remedy::follow},
    {"ASK", Remedy::follow},           {"UNBLOCKED", Remedy::reconnect},
    {"READONLY", Remedy::reconnect},   {"TRYAGAIN", Remedy::wait},
    {"CLUSTERDOWN", Remedy::wait},     {"LOADING", Remedy::wait},
    {"MASTERDOWN", Remedy::wait},      {"BUSY", Remedy::wait},
    {"NOREPLICAS", Remedy::wait},      {"MISCONF", Remedy::wait},
    {"OOM", Remedy::refuse},           {"NOAUTH", Remedy::fatal},
    {"WRONGPASS", Remedy::fatal},      {"NOPERM", Remedy::fatal},
    {"DENIED", Remedy::fatal},         {"CROSSSLOT", Remedy::fatal},
    {"WRONGTYPE", Remedy::fatal},      {"NOPROTO", Remedy::fatal},
}};

// What Redis raises at a script's first write only, so that nothing has been done.
constexpr std::array<std::string_view, 4> at_first_write{"OOM", "READONLY", "MISCONF",
                                                         "NOREPLICAS"};

// Sentences behind the plain code ERR.
struct Sentence {
  std::string_view begins;
  Remedy remedy;
};
constexpr std::array<Sentence, 10> by_sentence{{
    {"max number of clients", Remedy::wait},
    {"unknown command", Remedy::fatal},
    {"unknown subcommand", Remedy::fatal},
    {"Unknown subcommand", Remedy::fatal},
    {"wrong number of arguments", Remedy::fatal},
    {"Error compiling script", Remedy::fatal},
    {"invalid password", Remedy::fatal},
    {"invalid DB index", Remedy::fatal},
    {"DB index is out of range", Remedy::fatal},
    {"Protocol error", Remedy::fatal},
}};

bool contains(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

Remedy remedy_of(std::string_view code) noexcept {
  for (const Row& row : by_code) {
    if (row.code == code) return row.remedy;
  }
  return Remedy::refuse;
}

// The code of an error that came from a redis.call inside a script. Redis 7: it begins the text. 5
// and 6: behind the place in the script, "@user_script: 12: -OOM ...".
std::string_view inner_code(std::string_view text, std::string_view first) noexcept {
  for (const std::string_view code : at_first_write) {
    if (first == code) return first;
  }
  if (first != "ERR") return first;
  for (const std::string_view code : at_first_write) {
    for (std::size_t at = text.find(code); at != std::string_view::npos;
         at = text.find(code, at + 1)) {
      const std::size_t end = at + code.size();
      const bool alone = end < text.size() && text[end] == ' ';
      // Right behind the place: "<digit>: -OOM ", or without the '-'.
      std::string_view before = text.substr(0, at);
      if (before.ends_with('-')) before.remove_suffix(1);
      const bool placed = before.size() > 2 && before.ends_with(": ") &&
                          before[before.size() - 3] >= '0' && before[before.size() - 3] <= '9';
      if (alone && placed && contains(before, "user_script")) {
        return text.substr(at, code.size());
      }
    }
  }
  return first;
}

}  // namespace

ErrorMeaning classify(std::string_view text) noexcept {
  const std::string_view first = text.substr(0, text.find(' '));
  const std::string_view rest =
      text.substr(first.size() < text.size() ? first.size() + 1 : text.size());
  // Says where in a script it is about, though nothing ran.
  const bool compiling = first == "ERR" && rest.starts_with("Error compiling script");
  if (!compiling && (contains(text, "script:") || contains(text, "user_script") ||
                     contains(text, "call to f_"))) {
    const std::string_view code = inner_code(text, first);
    for (const std::string_view refused : at_first_write) {
      if (code == refused) return {Executed::no, remedy_of(code), code};
    }
    return {Executed::maybe_half, Remedy::reconcile, code};
  }
  if (first == "ERR") {
    for (const Sentence& sentence : by_sentence) {
      if (rest.starts_with(sentence.begins)) return {Executed::no, sentence.remedy, first};
    }
    return {Executed::no, Remedy::refuse, first};
  }
  return {Executed::no, remedy_of(first), first};
}

}  // namespace mx_rmq::redis
