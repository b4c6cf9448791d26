// The calls that consumers and tools make.
#include <algorithm>

#include "world.hpp"

namespace mx_rmq::test {

Call World::claim() {
  Consumer& c = consumer();
  if (c.unknown) return tend();  // a claim without a reply is settled by tend first
  ++c.claim;
  static const std::vector<std::string> budgets{"1", "150", "400", "100000", "100000", "100000"};
  const std::int64_t lease = long_leases_ ? 5000 : 40 + static_cast<std::int64_t>(below(200));
  return {"claim",
          topic().name,
          c.name(),
          {std::to_string(below(7)), c.name(), std::to_string(lease), std::to_string(below(5)),
           std::to_string(c.claim), c.held.empty() && c.settling.empty() ? "1" : "0",
           budgets[below(budgets.size())], std::to_string(1 + below(4)),
           c.reclaim_alarm ? "-1" : std::to_string(c.alarm), chance(70) ? "1" : "0",
           c.listed || chance(10) ? "1" : "0"},
          {},
          {}};
}

Call World::suspect() {
  Consumer& c = consumer();
  if (c.unknown) return tend();
  ++c.claim;
  return {"suspect",
          topic().name,
          c.name(),
          {c.name(), std::to_string(40 + below(200)), std::to_string(c.claim),
           c.held.empty() && c.settling.empty() ? "1" : "0"},
          {},
          {}};
}

// Some of the tags held, from now on being settled; now and then a stale one.
std::vector<std::string> World::tags_to_settle() {
  Consumer& c = consumer();
  std::vector<std::string> out;
  for (std::uint64_t n = 1 + below(4); n > 0 && !c.held.empty(); --n) {
    auto at = c.held.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(c.held.size())));
    out.push_back(at->first);
    c.settling.insert(at->first);
    c.held.erase(at);
  }
  return out;
}

// A waiting message whose id was chosen.
std::optional<EnvelopeText> World::waiting_chosen() {
  for (const auto& list : data().ready) {
    for (const std::string& each : list) {
      if (auto e = EnvelopeText::parse(each); e && e->until != 0) return e;
    }
  }
  return {};
}

Call World::settle() {
  Consumer& c = consumer();
  if (!c.unanswered.empty() && chance(60)) return c.unanswered[below(c.unanswered.size())];
  if (c.held.empty()) return claim();
  const std::map<std::string, std::string> before = c.held;
  std::vector<std::string> tags = tags_to_settle();
  const bool stale = chance(5);
  Call call{"", topic().name, c.name(), {c.name()}, {}, {}};
  const std::uint64_t luck = below(100);
  const auto parsed = [&](const std::string& tag) { return EnvelopeText::parse(before.at(tag)); };
  bool readable = true;
  for (const std::string& tag : tags) readable = readable && parsed(tag).has_value();
  if (luck < 45 && readable) {
    call.script = "ack";
    std::vector<std::string> chosen;
    std::vector<std::string> plain;
    for (const std::string& tag : tags) {
      const auto e = parsed(tag);
      if (e->until == 0) {
        plain.push_back(tag);
      } else {
        chosen.insert(chosen.end(), {tag, e->id, std::to_string(e->until)});
      }
    }
    if (const auto e = stale ? waiting_chosen() : std::nullopt) {
      chosen.insert(chosen.end(),
                    {std::to_string(c.claim + 1) + ".1", e->id, std::to_string(e->until)});
    }
    const bool expired = chance(10);
    call.argv.insert(call.argv.end(),
                     {expired ? "discarded" : "completed", expired ? "expired" : "",
                      std::to_string(chosen.size() / 3)});
    call.argv.insert(call.argv.end(), chosen.begin(), chosen.end());
    if (stale) plain.push_back(std::to_string(c.claim + 1) + ".1");
    call.argv.insert(call.argv.end(), plain.begin(), plain.end());
  } else if (luck < 65 && readable) {
    call.script = "retry";
    const std::uint64_t delay = below(chance(80) ? 60 : 2000);
    for (const std::string& tag : tags) {
      auto e = parsed(tag);
      const std::string length = std::to_string(e->head().size());
      ++e->attempts;
      e->rare = e->rare.substr(0, e->rare.find('\t')) + "\t[\"err\",[1,2]]";
      call.argv.insert(call.argv.end(), {tag, std::to_string(chance(50) ? delay : below(60)), e->id,
                                         length, e->head()});
    }
  } else if (luck < 80 && readable) {
    call.script = "release";
    const auto order = [](const std::string& tag) {
      const auto dot = tag.find('.');
      return std::pair(std::stoll(tag.substr(0, dot)), std::stoll(tag.substr(dot + 1)));
    };
    std::sort(tags.begin(), tags.end(),
              [&](const std::string& a, const std::string& b) { return order(a) > order(b); });
    for (const std::string& tag : tags) {
      auto e = parsed(tag);
      const std::string length = std::to_string(e->head().size());
      ++e->attempts;
      call.argv.insert(call.argv.end(), {tag, length, chance(50) ? "" : e->head()});
    }
  } else {
    call.script = "dead";
    call.argv.push_back(caps_ ? std::to_string(1 + below(8)) : "0");
    for (const std::string& tag : tags) {
      const auto e = parsed(tag);
      call.argv.insert(
          call.argv.end(),
          {tag, e ? e->id : "!" + c.name() + "." + tag,
           e ? (chance(20) ? "expired\t[\"e\",[1]]" : "retries\t[\"e\",[1]]") : "decode\t"});
    }
  }
  return call;
}

Call World::tend() {
  Consumer& c = consumer();
  Call call{"tend",
            topic().name,
            c.name(),
            {c.name(), std::to_string(40 + below(200)), std::to_string(c.claim),
             std::to_string(1 + below(4)), chance(30) ? "100" : "100000"},
            {},
            {}};
  for (const auto& [tag, e] : c.held) call.argv.push_back(tag);
  call.argv.insert(call.argv.end(), c.settling.begin(), c.settling.end());
  return call;
}

Call World::reap() {
  std::string who = consumer().name();
  const auto order = in_order(data().consumers);
  if (!order.empty() && chance(80)) who = order[chance(80) ? 0 : below(order.size())].second;
  return {"reap",
          topic().name,
          who,
          {who, std::to_string(1 + below(4)), chance(30) ? "100" : "100000",
           chance(90) ? "100000" : "60", caps_ ? std::to_string(1 + below(8)) : "0"},
          {},
          {}};
}

Call World::sweep() {
  Consumer& c = consumer();
  ++c.sweep;
  return {"sweep",
          topic().name,
          "",
          {c.name(), std::to_string(c.sweep), std::to_string(1 + below(6)),
           chance(30) ? "100" : "100000", chance(70) ? "dead" : "drop",
           chance(90) ? "100000" : "100", caps_ ? std::to_string(1 + below(8)) : "0"},
          {},
          {}};
}

Call World::leave() {
  Consumer& c = consumer();
  if (!c.held.empty() && chance(70)) return tend();
  return {"leave",  topic().name,
          c.name(), {c.name(), c.reclaim_alarm ? "-1" : std::to_string(c.alarm)},
          {},       {}};
}

Call World::unlist() { return {"unlist", topic().name, "", {consumer().name()}, {}, {}}; }

Call World::pass() {
  return {"pass", topic().name, "", {consumer().name(), std::to_string(below(7))}, {}, {}};
}

// The id of a message somewhere, or one that is nowhere.
std::string World::waiting_id() {
  std::vector<std::string> found;
  for (const auto& [member, e] : data().delayed_data) found.push_back(member);
  for (const auto& list : data().ready) {
    for (const std::string& each : list) {
      if (const auto e = EnvelopeText::parse(each)) found.push_back(e->id);
    }
  }
  return found.empty() || chance(10) ? "nowhere" : found[below(found.size())];
}

Call World::cancel() {
  const std::string id = waiting_id();
  if (chance(40)) return {"cancel", topic().name, "", {id}, {}, {}};
  static const std::vector<std::string> names{"high", "normal", "low", "suspect"};
  return {"cancel_page",
          topic().name,
          "",
          {id, std::to_string(chance(70) ? 0 : below(8)), std::to_string(1 + below(40)),
           chance(20) ? "300" : "100000"},
          {names[below(4)]},
          {}};
}

std::string World::dead_member() {
  const auto order = in_order(data().dead);
  return order.empty() || chance(10) ? "nobody" : order[below(order.size())].second;
}

Call World::dead_letters() {
  Call call{"", topic().name, "", {}, {}, {}};
  const std::string bytes = chance(30) ? "100" : "100000";
  const std::string by =
      chance(70) ? "0" : std::to_string(now_ms() - static_cast<std::int64_t>(below(300)));
  switch (below(7)) {
    case 0:
      call.script = "dlq_list";
      call.argv = {std::to_string(below(4)), std::to_string(below(6)), bytes};
      break;
    case 1:
      call.script = "dlq_get";
      call.argv = {dead_member()};
      break;
    case 2:
    case 3:
      call.script = "requeue";
      call.argv = {dead_member()};
      break;
    case 4:
      call.script = "requeue_all";
      call.argv = {by, std::to_string(chance(60) ? 0 : below(3)), std::to_string(below(5)), bytes};
      break;
    case 5:
      call.script = "dlq_remove";
      for (std::uint64_t n = 1 + below(3); n > 0; --n) call.argv.push_back(dead_member());
      break;
    default:
      call.script = chance(30) ? "dlq_purge" : "dlq_get";
      call.argv = {dead_member()};
      if (call.script == "dlq_purge") call.argv = {by, std::to_string(below(5)), bytes};
  }
  return call;
}

Call World::cancel_waiting() {
  static const std::vector<std::string> names{"high", "normal", "low", "suspect"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (const std::string& each : data().ready[i]) {
      const auto e = EnvelopeText::parse(each);
      if (e)
        return {"cancel_page", topic().name, "", {e->id, "0", "1000", "100000"}, {names[i]}, {}};
    }
  }
  return forget();
}

Call World::only_suspects() {
  if (!data().dead.empty()) return {"dlq_purge", topic().name, "", {"0", "100", "100000"}, {}, {}};
  if (!data().delayed.empty()) {
    const auto first = in_order(data().delayed).front().second;
    const auto e = EnvelopeText::parse(data().delayed_data.at(first));
    if (e && e->id == first) return {"cancel", topic().name, "", {first}, {}, {}};
  }
  return forget();
}

Call World::forget() {
  return {"forget", topic().name, "", {std::to_string(1 + below(3))}, {}, {}};
}

// The version of the settings, or another one.
std::string World::some_version() {
  const auto found = data().settings.find("version");
  const std::string is = found == data().settings.end() ? "0" : found->second;
  return chance(80) && is != "no number" ? is : std::to_string(below(3));
}

Call World::settings() {
  static const std::vector<std::string> names{"partitions", "active", "ids_active"};
  const auto value = [&](const std::string& name) {
    const auto found = data().settings.find(name);
    if (found == data().settings.end() || chance(20)) return std::to_string(1 + below(5));
    return chance(50) ? found->second : std::to_string(below(1 + 4 * below(300)));
  };
  Call call{"settings", topic().name, "", {}, {}, {}};
  const std::uint64_t luck = below(13);
  if (luck < 2) return call;
  if (luck >= 10) return raise_ids();
  if (luck < 8) {
    call.script = "configure";
    call.argv = {chance(70) ? "-1" : some_version(), chance(10) ? "1" : "0"};
    for (const std::string& name : names) {
      if (chance(45)) call.argv.insert(call.argv.end(), {name, value(name)});
    }
    if (chance(50)) call.argv.insert(call.argv.end(), {"paused_until", some_pause()});
    return call;
  }
  // A copy of later settings, now and then of some that nobody can read.
  call.script = "copy_settings";
  call.argv = {chance(70) ? std::to_string(now_ms() + static_cast<std::int64_t>(below(10)))
                          : some_version()};
  for (const char* name : {"partitions", "active", "ids_active"})
    call.argv.insert(call.argv.end(), {name, std::to_string(1 + below(3))});
  if (chance(30)) call.argv.insert(call.argv.end(), {"of a later time", "x"});
  if (chance(30)) call.argv.insert(call.argv.end(), {"paused_until", some_pause()});
  if (chance(10)) call.argv.insert(call.argv.end(), {"ids_until", std::to_string(below(9))});
  static const std::vector<std::string> unreadable{"many", "1025", "9999999999999999"};
  if (chance(20)) call.argv[2] = unreadable[below(3)];
  return call;
}

bool World::is_paused() {
  const auto found = data().settings.find("paused_until");
  return found != data().settings.end() && std::stoll(found->second) > now_ms();
}

std::string World::some_pause() {
  const std::uint64_t luck = below(10);
  if (luck < 5) return "0";
  if (luck < 7) return "999999999999999";
  return std::to_string(now_ms() + static_cast<std::int64_t>(below(chance(70) ? 30 : 400)));
}

// To all consumers, or the answer of one.
Call World::question() {
  const std::string token = "k" + std::to_string(below(4));
  if (chance(40)) {
    return {"ask",
            topic().name,
            token,
            {"q " + token + " paused 7", std::to_string(chance(80) ? 0 : below(3)),
             std::to_string(chance(70) ? 100 : 1 + below(2))},
            {},
            {}};
  }
  return {"answer", topic().name,
          token,    {consumer().name(), chance(50) ? "1" : "0", "60000000"},
          {},       {}};
}

Call World::raise_ids() {
  const auto found = data().settings.find("active");
  const std::int64_t active = found == data().settings.end() ? 1 : std::stoll(found->second);
  Call call{"raise_ids", topic().name, "", {some_version()}, {}, {}};
  const bool holds = chance(30);
  call.argv.push_back(holds ? "0" : std::to_string(active));
  call.argv.push_back(holds || chance(70) ? "0" : std::to_string(active));
  if (!holds && chance(20)) call.lists = {"unused"};
  return call;
}

Call World::look_at_messages() {
  const std::string most = std::to_string(below(40));
  const std::string bytes = chance(30) ? "150" : "100000";
  const std::string room = std::to_string(chance(20) ? below(3) : 100);
  std::vector<std::string> wanted{std::to_string(below(30)), "", "0"};
  switch (below(6)) {
    case 0:
      wanted = {"0", "id", "1", waiting_id()};
      break;
    case 1:
      wanted = {"9", "payload", "2", "17", "#" + std::to_string(below(serial_ + 1)) + "#"};
      break;
    case 2:
      wanted = {"1", "headers", "1", chance(70) ? R"("k":"v")" : "er"};
      break;
    case 3:
      wanted = {"99", "error", "1", chance(70) ? "e" : "1"};
      break;
    default:
      break;
  }
  Call call{"", topic().name, "", {}, {}, {}};
  const std::string skip = std::to_string(chance(60) ? 0 : below(8));
  const std::string back = chance(50) ? "1" : "0";
  const std::uint64_t luck = below(3);
  if (luck == 0) {
    static const std::vector<std::string> names{"high", "normal", "low", "suspect"};
    call.script = "look_list";
    call.lists = {names[below(4)]};
    call.argv = {back, skip, most, bytes, room};
  } else if (luck == 1) {
    const bool dead = chance(60);
    call.script = "look_index";
    call.lists = {dead ? "dlq" : "delayed"};
    call.argv = {back, skip, most, bytes, room, dead ? "1" : "0"};
  } else {
    call.script = "look_held";
    call.who = consumer().name();
    call.argv = {call.who, bytes, room};
  }
  call.argv.insert(call.argv.end(), wanted.begin(), wanted.end());
  if (luck == 2) {
    if (chance(20)) call.argv.push_back("9999.1");
    for (const auto& [tag, e] : consumer().held) call.argv.push_back(tag);
  }
  return call;
}

// A message that waits, to another list or to the delayed ones.
Call World::displace() {
  static const std::vector<std::string> names{"high", "normal", "low", "suspect"};
  const std::size_t from = below(4);
  const auto& list = data().ready[from];
  Call call{"displace", topic().name, "", {"nowhere"}, {names[from]}, {}};
  std::size_t at = 0;
  if (!list.empty()) {
    at = below(list.size());
    if (const auto e = EnvelopeText::parse(list[at])) call.argv = {e->id};
  }
  const std::string skip = std::to_string(chance(40) ? 0 : at - std::min(at, below(3)));
  call.argv.insert(call.argv.end(),
                   {skip, std::to_string(1 + below(20)), chance(20) ? "150" : "100000"});
  if (chance(50)) {
    call.argv.push_back(std::to_string(now_ms() + static_cast<std::int64_t>(below(200))));
    call.lists.emplace_back("delayed");
  } else {
    const std::size_t to = below(3);
    call.argv.emplace_back(1, "hnl"[to]);
    call.lists.push_back(from == 3 ? "suspect" : names[to]);
  }
  return call;
}

Call World::change_messages() {
  const auto delayed = in_order(data().delayed);
  const auto member = [&] {
    return delayed.empty() || chance(10) ? "nowhere" : delayed[below(delayed.size())].second;
  };
  const std::string by =
      chance(40) ? "0" : std::to_string(now_ms() - static_cast<std::int64_t>(below(300)));
  const std::string most = std::to_string(1 + below(6));
  const std::string bytes = chance(30) ? "150" : "100000";
  Call call{"", topic().name, "", {}, {}, {}};
  const std::uint64_t luck = below(12);
  if (luck < 4) return displace();
  if (luck < 6) {
    call.script = "promote";
    for (std::uint64_t n = 1 + below(3); n > 0; --n) call.argv.push_back(member());
    if (chance(10)) call.argv.push_back(call.argv[0]);
  } else if (luck < 10) {
    call.script = "reschedule";
    const std::string due = std::to_string(now_ms() + static_cast<std::int64_t>(below(300)));
    call.argv = {member(), chance(70) ? due : "",
                 chance(50) ? std::string(1, "hnl"[below(3)]) : ""};
  } else if (luck < 11) {
    static const std::vector<std::string> names{"high", "normal", "low", "suspect"};
    call.script = "purge_list";
    call.lists = {names[below(4)]};
    call.argv = {by, std::to_string(chance(70) ? 0 : below(4)), most, bytes};
  } else {
    call.script = "purge_delayed";
    call.argv = {by, std::to_string(chance(70) ? 0 : below(4)), most, bytes};
  }
  return call;
}

Call World::look() {
  Call call{"audit", topic().name, "", {chance(90) ? "100000" : "5"}, {}, {}};
  const std::uint64_t luck = below(6);
  if (chance(15)) return question();
  if (luck == 0 && chance(50))
    return {"snapshot", topic().name, "", {std::to_string(1 + below(3)), "2"}, {}, {}};
  if (luck == 0) return {"stats", topic().name, "", {std::to_string(below(4))}, {}, {}};
  if (luck <= 3) {
    const bool deaf = data().listeners.contains(consumer().base) && chance(40);
    return {deaf ? "unlisten" : "listen", topic().name, consumer().base, {}, {}, {}};
  }
  if (luck == 4) {
    const std::string& name = topic().producers[producer_].name;
    const bool pending = !topic().producers[producer_].unanswered.empty() ||
                         std::any_of(late_.begin(), late_.end(), [&](const Late& each) {
                           return each.call.topic == topic().name && each.call.who == name;
                         });
    if (!pending) return {"expire", topic().name, name, {}, {}, {}};
  }
  for (const auto& [consumer, deadline] : data().consumers) {
    if (!chance(4)) call.named.push_back(consumer);
  }
  call.argv.insert(call.argv.end(), call.named.begin(), call.named.end());
  return call;
}

}  // namespace mx_rmq::test
