#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#include "faults/stored.hpp"
#include "faults/support.hpp"

namespace mx_rmq::faults {
namespace {

using Arguments = std::vector<std::string_view>;

std::string whole_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The files that hold commands, in their order: of the multi-part form (Redis 7), else the one.
std::vector<std::filesystem::path> files_of(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<std::pair<int, fs::path>> parts;
  const fs::path many = fs::path(directory) / "appendonlydir";
  if (fs::exists(many)) {
    for (const auto& each : fs::directory_iterator(many)) {
      const std::string name = each.path().filename();
      const std::size_t at = name.find(".incr.aof");
      if (at == std::string::npos) continue;
      const std::size_t dot = name.rfind('.', at - 1);
      parts.emplace_back(std::stoi(name.substr(dot + 1, at - dot - 1)), each.path());
    }
  } else {
    parts.emplace_back(0, fs::path(directory) / "appendonly.aof");
  }
  std::ranges::sort(parts);
  std::vector<fs::path> files;
  for (auto& [number, path] : parts) files.push_back(std::move(path));
  return files;
}

bool take_number(std::string_view& text, char mark, std::size_t& number) {
  const std::size_t end = text.find("\r\n");
  if (text.empty() || text.front() != mark || end == std::string_view::npos) return false;
  number = std::stoul(std::string(text.substr(1, end - 1)));
  text.remove_prefix(end + 2);
  return true;
}

// The next command; false at the end, also at one that a crash cut short.
bool take_command(std::string_view& text, Arguments& arguments) {
  while (text.starts_with('#')) {  // a time stamp
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  if (text.starts_with("REDIS")) throw std::runtime_error("the append-only file was rewritten");
  std::size_t count = 0;
  if (!take_number(text, '*', count)) return false;
  arguments.clear();
  for (; count > 0; --count) {
    std::size_t size = 0;
    if (!take_number(text, '$', size) || text.size() < size + 2) return false;
    arguments.push_back(text.substr(0, size));
    text.remove_prefix(size + 2);
  }
  return true;
}

bool is(std::string_view a, std::string_view lower) {
  return std::ranges::equal(a, lower, {}, [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
}

struct Grant {
  Stored stored;
  std::uint64_t number = 0;
};

class Reader {
 public:
  void read(std::string_view text) {
    Arguments arguments;
    bool inside = false;
    std::vector<Arguments> transaction;
    while (take_command(text, arguments)) {
      if (is(arguments[0], "multi")) {
        inside = true;
      } else if (is(arguments[0], "exec")) {
        inside = false;
        apply(transaction);
        transaction.clear();
      } else {
        transaction.push_back(arguments);
        if (inside) continue;
        apply(transaction);
        transaction.clear();
      }
    }
  }
  std::vector<Record> take() { return std::move(records_); }

 private:
  // All that one script did.
  void apply(const std::vector<Arguments>& commands) {
    bool completed = false;
    bool recovered = false;
    for (const auto& each : commands) {
      if (each.size() < 4 || !is(each[0], "hincrby")) continue;
      completed |= each[2] == "completed";
      recovered |= each[2] == "recovered";
    }
    for (const auto& each : commands) {
      if (each.size() < 3 || each[1].find("}:processing:") == std::string_view::npos) continue;
      if (is(each[0], "hset") || is(each[0], "hmset")) {
        for (std::size_t i = 2; i + 1 < each.size(); i += 2) grant(each[1], each[i], each[i + 1]);
      } else if (is(each[0], "hdel")) {
        for (std::size_t i = 2; i < each.size(); ++i) leave(each[1], each[i], completed, recovered);
      }
    }
  }

  static std::string name(std::string_view consumer, std::string_view tag) {
    return std::string(consumer) + ' ' + std::string(tag);
  }

  void grant(std::string_view consumer, std::string_view tag, std::string_view envelope) {
    const auto stored = read_envelope(envelope);
    if (!stored) return;
    Grant made{*stored, ++number_};
    made.stored.payload = {};
    note(Op::granted, made);
    grants_[name(consumer, tag)] = made;
  }

  void leave(std::string_view consumer, std::string_view tag, bool completed, bool was_recovered) {
    const auto found = grants_.find(name(consumer, tag));
    if (found == grants_.end()) return;
    if (completed) note(Op::settled, found->second);
    if (was_recovered) note(Op::recovered, found->second);
    grants_.erase(found);
  }

  void note(Op op, const Grant& grant) {
    Record record;
    record.op = op;
    record.key = grant.stored.key;
    record.id = grant.stored.id;
    record.value = grant.number;
    record.attempt = grant.stored.attempt;
    record.recoveries = grant.stored.recoveries;
    records_.push_back(record);
  }

  std::uint64_t number_ = 0;
  std::unordered_map<std::string, Grant> grants_;
  std::vector<Record> records_;
};

}  // namespace

std::vector<Record> read_server_history(const std::string& directory) {
  Reader reader;
  for (const auto& path : files_of(directory)) {
    const std::string text = whole_file(path);
    reader.read(text);
  }
  return reader.take();
}

std::string append_only_file(const std::string& directory) {
  const auto files = files_of(directory);
  if (files.empty()) throw std::runtime_error("no append-only file under " + directory);
  return files.back();
}

bool drop_unfinished_script(const std::string& directory) {
  const auto files = files_of(directory);
  if (files.empty()) return false;
  const std::string all = whole_file(files.back());
  if (all.starts_with("REDIS")) return false;  // rewritten, in one file: of no history
  std::string_view text = all;
  Arguments arguments;
  std::size_t good = 0;
  bool inside = false;
  while (take_command(text, arguments)) {
    if (is(arguments[0], "multi")) inside = true;
    if (is(arguments[0], "exec")) inside = false;
    if (!inside) good = all.size() - text.size();
  }
  // What else was cut short Redis cuts off.
  if (inside) std::filesystem::resize_file(files.back(), good);
  return inside;
}

}  // namespace mx_rmq::faults
