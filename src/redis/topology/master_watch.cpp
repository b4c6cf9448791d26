#include "redis/topology/master_watch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/role.hpp"
#include "redis/topology/node.hpp"
#include "redis/topology/sentinel_replies.hpp"
#include "redis/wire/call_end.hpp"

namespace mx_rmq::redis {

namespace log = runtime::log;
using namespace std::chrono_literals;
using runtime::Duration;

namespace {

// What one Sentinel gets to answer; if that was too little for all of them, they are asked again.
constexpr std::array<Duration, 2> answer_times{300ms, 1500ms};
// What a server gets to say that it is a master.
constexpr auto prove_within = 500ms;
// How often it looks: while nothing works, and else.
constexpr auto look_in_need = 250ms;
constexpr auto look_unheard = 1s;  // no Sentinel would tell by itself
constexpr auto look_always = 10s;
// At so many of them it listens.
constexpr std::size_t most_ears = 3;
// What they publish when another one is the master: whoever leads the failover says the second one
// first.
struct SwitchChannel {
  const char* name;
  bool (*tells)(std::string_view message, std::string_view master);
};
constexpr std::array switch_channels{SwitchChannel{"+switch-master", tells_switch},
                                     SwitchChannel{"+promoted-slave", tells_promotion}};
constexpr std::size_t most_sentinels = 16;

// The answer to a command that was submitted; none if there is no answer.
struct Got {
  Reply reply;
  CallEnd end;
};

std::string unknown_text(const ServerRole& role) {
  std::string text = "it watches no master of that name";
  if (role.kind == ServerRole::Kind::sentinel && !role.of.empty()) {
    text += " (it watches: " + role.of + ")";
  }
  return text;
}

Task<Got> answer_of(Connection::Answer* answer) {
  Got got;
  try {
    got.reply = co_await answer->wait();
  } catch (...) {
    got.end = CallEnd::caught();
  }
  co_return got;
}

}  // namespace

// One Sentinel: where it is, and the connection over which it is asked.
struct MasterWatch::Sentinel {
  api::HostPort at;
  std::unique_ptr<Node> node;
  std::unique_ptr<Node> ears;  // for what it publishes; it lasts, whatever becomes of a question
  std::vector<std::unique_ptr<Subscription>> channels;
  std::string trouble;      // of the last time that it was asked
  bool knows_none = false;  // it answered that it watches no such master
};

// What came of asking one.
struct MasterWatch::Heard {
  std::optional<SentinelWord> word;
  std::vector<api::HostPort> others;
  std::string trouble;
  bool late = false;     // it may only have been slow
  bool unknown = false;  // it knows no master of that name
};

MasterWatch::MasterWatch(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                         std::shared_ptr<RoleWatch> connections)
    : loop_(loop),
      options_(std::move(options)),
      seams_(std::move(seams)),
      connections_(std::move(connections)),
      wake_(loop),
      asked_(loop),
      log_trouble_(10s),
      log_disproved_(10s),
      scope_(loop) {
  asked_.set();
  for (const api::HostPort& each : options_.endpoint.hosts) {
    sentinels_.push_back(std::make_unique<Sentinel>());
    sentinels_.back()->at = each;
  }
  connections_->on_replica([this](const Address& where, const std::string& its_master) {
    replica_found(where, its_master);
  });
}

MasterWatch::~MasterWatch() {
  // One that is stopped has a successor, perhaps.
  if (!stopping_) connections_->on_replica({});
}

Task<> MasterWatch::leave() {
  if (--users_ > 0) co_return;
  stopping_ = true;
  connections_->on_replica({});
  wake_.set();
  std::vector<std::unique_ptr<Node>> ears;
  for (const auto& each : sentinels_) {
    if (each->node != nullptr) each->node->abandon("closed");
    each->channels.clear();
    if (each->ears != nullptr) ears.push_back(std::move(each->ears));
  }
  for (const auto& each : ears) co_await each->close(loop_.now());
  co_await scope_.join();
  tell();
}

// --- who asks ---

void MasterWatch::find(Found done) {
  if (stopping_) {
    loop_.defer([done = std::move(done), closed = answer()] { done(closed); });
    return;
  }
  waiting_.push_back(std::move(done));
  if (!std::exchange(begun_, true)) {
    listen();
    begin(watch());
  }
  if (!asking_) begin(look_round());
}

void MasterWatch::begin(Task<> task) { scope_.spawn(until_shutdown(std::move(task))); }

// If the loop ends, so does this.
Task<> MasterWatch::until_shutdown(Task<> task) {
  try {
    co_await std::move(task);
  } catch (const ShutdownError&) {
  }
}

void MasterWatch::look() {
  again_ = true;
  wake_.set();
}

Duration MasterWatch::interval() const {
  if (!connections_->any_ready() && trouble_.empty()) return look_in_need;
  return hears() ? Duration(look_always) : Duration(look_unheard);
}

Task<> MasterWatch::watch() {
  while (!stopping_) {
    wake_.reset();
    co_await wake_.wait_until(loop_.now() + interval());
    if (stopping_) break;
    co_await look_round();
  }
}

// One at a time; who comes while it asks gets its answer.
Task<> MasterWatch::look_round() {
  if (asking_) {
    co_await asked_.wait();
    co_return;
  }
  asking_ = true;
  asked_.reset();
  std::exception_ptr error;
  try {
    do {
      again_ = false;
      co_await ask_all();
    } while (again_ && !stopping_);
  } catch (...) {
    error = std::current_exception();
  }
  asking_ = false;
  asked_.set();
  tell();
  if (error != nullptr) std::rethrow_exception(error);
}

MasterWatch::Answer MasterWatch::answer() const {
  if (stopping_) return {{}, "the connections to Redis are closed", false};
  // Without any Sentinel the last one that was known is as good as it was.
  if (master_ && !hopeless_) return {master_, {}, false};
  return {{}, trouble_, hopeless_};
}

void MasterWatch::tell() {
  const Answer now = answer();
  for (const Found& each : std::exchange(waiting_, {})) each(now);
}

// --- asking ---

Task<> MasterWatch::ask_all() {
  MasterChoice choice(known_epoch_, disproved_);
  std::vector<Sentinel*> asked;
  for (const Duration within : answer_times) {
    const bool slow = co_await ask_each(&choice, &asked, within);
    if (!asked.empty() || !slow || stopping_) break;
  }
  if (stopping_) co_return;
  const auto best = choice.best();
  set_trouble(best.has_value());
  if (best) co_await consider(choice.word(*best), asked[*best]);
}

// Until one says what needs no second opinion. True if one may only have been too slow.
Task<bool> MasterWatch::ask_each(MasterChoice* choice, std::vector<Sentinel*>* asked,
                                 Duration within) {
  bool slow = false;
  std::vector<Sentinel*> order;
  for (const auto& each : sentinels_) order.push_back(each.get());
  for (Sentinel* const each : order) {
    if (stopping_) break;
    Heard heard = co_await ask(each, loop_.now() + within);
    each->trouble = heard.trouble;
    each->knows_none = heard.unknown;
    slow = slow || heard.late;
    if (!heard.word) continue;
    learn(heard.others);
    asked->push_back(each);
    if (!choice->add(*heard.word)) continue;
    put_first(each);
    break;
  }
  co_return slow;
}

Task<MasterWatch::Heard> MasterWatch::ask(Sentinel* sentinel, TimePoint deadline) {
  if (sentinel->node == nullptr) sentinel->node = node_at(sentinel->at, Peer::sentinel);
  const std::shared_ptr<Connection> connection = sentinel->node->lane(0).connection();
  const std::string& name = options_.endpoint.master;
  Connection::Answer address(loop_);
  Connection::Answer state(loop_);
  Connection::Answer others(loop_);
  Connection::Answer role(loop_);
  connection->submit(address, Command::of("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name), deadline, 0,
                     true);
  connection->submit(state, Command::of("SENTINEL", "MASTER", name), deadline, 0, true);
  connection->submit(others, Command::of("SENTINEL", "SENTINELS", name), deadline, 0, true);
  connection->submit(role, Command::of("ROLE"), deadline, 0, true);
  const Got where = co_await answer_of(&address);
  const Got which = co_await answer_of(&state);
  const Got who = co_await answer_of(&others);
  const Got what = co_await answer_of(&role);
  Heard heard;
  if (!where.end.answered()) {
    heard.trouble = with_hint(where.end.what());
    heard.late =
        where.end.kind() == CallEnd::Kind::too_late || where.end.kind() == CallEnd::Kind::no_reply;
    sentinel->node.reset();  // it is tried anew, and does not go on trying by itself
    co_return heard;
  }
  if (where.reply.is_error()) {
    heard.trouble = with_hint("it refused to tell: " + where.reply.error_text());
    co_return heard;
  }
  const auto master = read_master_address(where.reply);
  if (!master) {
    heard.unknown = where.reply.is_nil();
    heard.trouble = "unexpected answer: " + where.reply.describe();
    if (heard.unknown) heard.trouble = unknown_text(read_role(what.reply));
    co_return heard;
  }
  heard.word = SentinelWord{options_.address_map(*master), read_config_epoch(which.reply)};
  heard.others = read_sentinels(who.reply);
  co_return heard;
}

std::string MasterWatch::with_hint(std::string text) const {
  const bool asked = text.find("NOAUTH") != std::string::npos;
  if (asked && options_.sentinel_password.empty()) text += " (sentinel_password is not set)";
  return text;
}

void MasterWatch::set_trouble(bool any_word) {
  hopeless_ = false;
  if (any_word) {
    if (!trouble_.empty())
      log::info("a Sentinel answers again", "master", options_.endpoint.master);
    trouble_.clear();
    return;
  }
  std::string text;
  bool all_unknown = true;
  for (const auto& each : sentinels_) {
    if (!text.empty()) text += "; ";
    text += each->at.text() + ": " + each->trouble;
    all_unknown = all_unknown && each->knows_none;
  }
  hopeless_ = all_unknown;
  trouble_ =
      "no Sentinel tells where the master \"" + options_.endpoint.master + "\" is (" + text + ")";
  log::warn(log_trouble_,
            master_ ? "no Sentinel answers, going on with the master that is known"
                    : "no Sentinel tells where the master is, asking again",
            "why", trouble_);
}

void MasterWatch::learn(const std::vector<api::HostPort>& others) {
  for (const api::HostPort& told : others) {
    if (sentinels_.size() >= most_sentinels) break;
    const api::HostPort at = options_.address_map(told);
    const bool known =
        std::ranges::any_of(sentinels_, [&](const auto& each) { return each->at == at; });
    if (known) continue;
    sentinels_.push_back(std::make_unique<Sentinel>());
    sentinels_.back()->at = at;
  }
  listen();
}

// One Sentinel alone may die together with the master.
void MasterWatch::listen() {
  if (stopping_) return;
  std::size_t ears = 0;
  for (const auto& each : sentinels_) ears += each->ears != nullptr ? 1U : 0U;
  for (const auto& each : sentinels_) {
    if (ears >= most_ears) return;
    if (each->ears != nullptr) continue;
    listen_to(*each);
    ++ears;
  }
}

void MasterWatch::listen_to(Sentinel& sentinel) {
  sentinel.ears = node_at(sentinel.at, Peer::sentinel);
  for (const SwitchChannel& channel : switch_channels) {
    Subscription::Events events;
    // What was published before is not heard.
    events.up = [this](std::uint64_t) { look(); };
    events.message = [this, &sentinel, &channel](std::string_view message) {
      if (!channel.tells(message, options_.endpoint.master)) return;
      put_first(&sentinel);  // the others may not know yet
      look();
    };
    sentinel.channels.push_back(sentinel.ears->subscribe(channel.name, std::move(events)));
  }
}

bool MasterWatch::hears() const noexcept {
  return std::ranges::any_of(sentinels_, [](const auto& each) {
    return !each->channels.empty() && each->channels.front()->epoch() != 0;
  });
}

void MasterWatch::put_first(const Sentinel* sentinel) {
  const auto at = std::ranges::find(sentinels_, sentinel, &std::unique_ptr<Sentinel>::get);
  if (at != sentinels_.end()) std::rotate(sentinels_.begin(), at, at + 1);
}

void MasterWatch::put_last(const Sentinel* sentinel) {
  const auto at = std::ranges::find(sentinels_, sentinel, &std::unique_ptr<Sentinel>::get);
  if (at != sentinels_.end()) std::rotate(at, at + 1, sentinels_.end());
}

// --- what to make of it ---

Task<> MasterWatch::consider(SentinelWord word, Sentinel* by) {
  const std::uint64_t epoch = word.config_epoch.value_or(known_epoch_);
  if (master_ == word.master) {
    known_epoch_ = std::max(known_epoch_, epoch);
    co_return;
  }
  // What works is not left for a word alone.
  if (connections_->any_ready() || disproved_ == word.master) {
    const Proof proof = co_await prove(word.master);
    const bool later = epoch > known_epoch_;
    if (proof == Proof::no_master) {
      disproved_ = word.master;
      put_last(by);
      log::warn(log_disproved_, "a Sentinel names a server that is no master, not following it",
                "sentinel", by->at.text(), "server", word.master.text());
    }
    // One that is silent may be out of our reach: but the old one is no master any more.
    const bool silent_but_later = proof == Proof::no_answer && later;
    if (proof != Proof::master && !silent_but_later && master_) co_return;
  }
  if (stopping_) co_return;
  known_epoch_ = std::max(known_epoch_, epoch);
  switch_to(word.master, "Sentinels");
}

void MasterWatch::switch_to(const api::HostPort& where, std::string_view by) {
  const std::string name = options_.endpoint.master;
  if (!master_) {
    log::info("the Sentinels name the master", "master", name, "address", where.text());
  } else {
    ++switches_;
    log::info("the master is another one now, leaving the old one", "master", name, "from",
              master_->text(), "to", where.text(), "told_by", by);
  }
  master_ = where;
  if (disproved_ == where) disproved_.reset();
  Address address;
  address.name = where.host;
  address.port = where.port;
  connections_->relocate(address, "the master " + name + " is at " + where.text() + " now");
}

void MasterWatch::replica_found(const Address& where, const std::string& its_master) {
  disproved_ = api::HostPort{where.name, where.port};
  const auto hint = api::read_host_port(its_master);
  if (following_ || stopping_ || !hint || hint->port == 0) return;
  following_ = true;
  begin(follow(options_.address_map(*hint), disproved_->text()));
}

// A replica told who its master is; the Sentinels may not have noticed yet.
Task<> MasterWatch::follow(api::HostPort hint, std::string from) {
  if (master_ != hint) {
    const Proof proof = co_await prove(hint);
    if (proof == Proof::master && !stopping_ && master_ != hint) {
      switch_to(hint, "its replica " + from);
    }
  }
  following_ = false;
}

Task<MasterWatch::Proof> MasterWatch::prove(api::HostPort where) {
  const std::unique_ptr<Node> node = node_at(where, Peer::probe);
  CallEnd end;
  try {
    co_await node->check(loop_.now() + prove_within);
  } catch (...) {
    end = CallEnd::caught();
  }
  const bool unfit = !node->health().unfit.empty();
  node->abandon("it has been asked");
  if (end.answered()) co_return Proof::master;
  co_return unfit ? Proof::no_master : Proof::no_answer;
}

std::unique_ptr<Node> MasterWatch::node_at(const api::HostPort& where, Peer peer) const {
  ClientOptions options;
  options.connection = options_.connection;
  options.connection.one_attempt = true;
  options.peer = peer;
  options.pool_size = 1;
  options.endpoint = options_.endpoint;
  options.endpoint.kind = api::RedisKind::one_server;
  options.endpoint.host = where.host;
  options.endpoint.port = where.port;
  if (peer == Peer::sentinel) {
    options.endpoint.user = options_.sentinel_user;
    options.endpoint.password = options_.sentinel_password;
  }
  Seams seams = seams_;
  seams.may_probe = false;
  return std::make_unique<Node>(loop_, std::move(options), std::move(seams));
}

}  // namespace mx_rmq::redis
