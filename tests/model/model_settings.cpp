// What is set for a topic.
#include <algorithm>
#include <array>

#include "model.hpp"

namespace mx_rmq::test {
namespace {

const std::array<std::string, 3> always_told{"partitions", "active", "ids_active"};
constexpr std::int64_t most_partitions = 1024;

// Whether it is written as a whole number of at most 15 digits.
bool is_whole(const std::string& value) {
  return !value.empty() && value.size() <= 15 &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::int64_t ModelCall::settings_version() const {
  const auto found = t.settings.find("version");
  if (found == t.settings.end()) return 0;
  return is_whole(found->second) ? std::stoll(found->second) : -1;
}

std::int64_t ModelCall::paused_until() const {
  const auto found = t.settings.find("paused_until");
  if (found == t.settings.end() || !is_whole(found->second)) return 0;
  return std::stoll(found->second);
}

std::pair<TopicModel::Data, std::string> ModelCall::read_settings() const {
  TopicModel::Data out = t.settings;
  out.try_emplace("version", "0");
  if (!is_whole(out.at("version"))) return {{}, "version"};
  std::int64_t most = most_partitions;
  for (const std::string& name : always_told) {
    out.try_emplace(name, "1");
    if (!is_whole(out.at(name))) return {{}, name};
    const std::int64_t value = std::stoll(out.at(name));
    if (value < 1 || value > most) return {{}, name};
    most = value;
  }
  const auto pause = out.find("paused_until");
  if (pause != out.end() && !is_whole(pause->second)) return {{}, "paused_until"};
  return {out, ""};
}

void ModelCall::tell_settings(Value& out) const {
  TopicModel::Data all = read_settings().first;
  out.elements.push_back(number(std::stoll(all.at("version"))));
  const auto tell = [&](const std::string& name) {
    out.elements.push_back(text(name));
    out.elements.push_back(text(all.at(name)));
    all.erase(name);
  };
  all.erase("version");
  for (const std::string& name : always_told) tell(name);
  while (!all.empty()) tell(std::string(all.begin()->first));
}

Value ModelCall::settings() {
  const auto [all, wrong] = read_settings();
  if (!wrong.empty()) return array({number(now), text("wrong"), text(wrong)});
  Value out = array({number(now), text("ok")});
  tell_settings(out);
  return out;
}

Value ModelCall::configure() {
  const auto [all, wrong] = read_settings();
  if (!wrong.empty()) return array({number(now), text("wrong"), text(wrong)});
  Value out = array({number(now), text("ok")});
  const std::int64_t version = std::stoll(all.at("version"));
  if (num(1) != -1 && num(1) != version) {
    out.elements[1] = text("other");
    tell_settings(out);
    return out;
  }
  TopicModel::Data wanted = all;
  for (std::size_t i = 3; has(i); i += 2) wanted[arg(i)] = arg(i + 1);
  std::int64_t most = most_partitions;
  for (const std::string& name : always_told) {
    const std::int64_t value = std::stoll(wanted.at(name));
    if (value < std::stoll(all.at(name)) || value > most) {
      out.elements[1] = text("refused");
      out.elements.push_back(text(name));
      tell_settings(out);
      return out;
    }
    most = value;
  }
  // Not to be paused is what a topic is of which nothing is said.
  const std::string pause = wanted.contains("paused_until") ? wanted.at("paused_until") : "0";
  const bool other_pause = std::stoll(pause) != paused_until();
  if (!other_pause && !all.contains("paused_until")) wanted.erase("paused_until");
  if (!other_pause && all.contains("paused_until")) wanted["paused_until"] = all.at("paused_until");
  if (wanted != all || arg(2) == "1") {
    if (other_pause) t.settings["paused_until"] = pause;
    for (const std::string& name : always_told) {
      if (wanted.at(name) != all.at(name)) t.settings[name] = wanted.at(name);
    }
    t.settings["version"] = std::to_string(std::max(now, version + 2));
    wake(32, 0);
  }
  tell_settings(out);
  return out;
}

// Who is not being reaped is asked, if it has not answered.
Value ModelCall::ask() {
  std::int64_t skip = num(2);
  std::int64_t looked = 0, yes = 0, no = 0, deaf = 0;
  const std::string said = t.answers.contains(call.who) ? t.answers.at(call.who) : "";
  for (const auto& [deadline, consumer] : in_order(t.consumers)) {
    if (deadline <= 0 || skip-- > 0 || looked == num(3)) continue;
    ++looked;
    const std::string who = alias_of(consumer);
    if (said.find(" " + who + "=1") != std::string::npos) {
      ++yes;
    } else if (said.find(" " + who + "=0") != std::string::npos) {
      ++no;
    } else if (t.listeners.contains(who)) {
      t.heard.push_back(who + " " + arg(1));
    } else {
      ++deaf;
    }
  }
  return array({number(now), number(looked), number(yes), number(no), number(deaf), number(0)});
}

Value ModelCall::answer() {
  std::string& said = t.answers[call.who];
  const std::string who = " " + alias_of(arg(1)) + "=";
  if (said.find(who) != std::string::npos) return number(0);
  said += who + arg(2);
  return number(1);
}

Value ModelCall::copy_settings() {
  const std::int64_t there = settings_version();
  if (there >= num(1)) return array({number(now), number(there)});
  TopicModel::Data copy;
  if (const auto own = t.settings.find("ids_until"); own != t.settings.end()) copy.insert(*own);
  for (std::size_t i = 2; has(i); i += 2) copy[arg(i)] = arg(i + 1);
  copy["version"] = arg(1);
  t.settings = copy;
  wake(32, 0);
  return array({number(now), number(num(1))});
}

Value ModelCall::raise_ids() {
  const std::int64_t is = settings_version();
  const bool holds = num(2) == 0;
  if (holds && is == num(1) + 1) return array({number(now), text("done")});
  if (is != num(1)) return array({number(now), text("other")});
  const auto until = t.settings.find("ids_until");
  bool used = until != t.settings.end() && std::stoll(until->second) > now;
  if (!call.lists.empty()) {
    used = used || !t.delayed.empty() || !t.dead.empty() || !t.consumers.empty() || !t.ids.empty();
    for (const auto& list : t.ready) used = used || !list.empty();
  }
  if (used) return array({number(now), text("used")});
  if (holds) {
    t.settings["version"] = std::to_string(is + 1);
    return array({number(now), text("done")});
  }
  t.settings["version"] = std::to_string(std::max(now, is + 2));
  t.settings["ids_active"] = arg(2);
  if (arg(3) != "0") t.settings["active"] = arg(3);
  wake(32, 0);
  return array({number(now), text("done")});
}

}  // namespace mx_rmq::test
