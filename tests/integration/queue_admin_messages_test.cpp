// Looking at messages where they lie: pages, one by its id, a text in them.
#include <atomic>
#include <cstdio>
#include <set>

#include "broker/data/envelope.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

// A handler that runs until it is let go.
struct Gate {
  std::atomic<int> inside{0};
  std::atomic<bool> open{false};

  static auto handler(std::shared_ptr<Gate> gate) {
    return [gate](Context&) -> Task<> {
      ++gate->inside;
      while (!gate->open) co_await sleep_for(5ms);
    };
  }
};

Strings ids_of(const std::vector<StoredMessage>& messages) {
  Strings out;
  for (const StoredMessage& each : messages) out.push_back(each.id);
  return out;
}

class QueueAdminMessages : public QueueTest {
 protected:
  static MessagePage list(RedisMessageQueue& queue, const std::string& topic, MessageState state,
                          PageRequest request = PageRequest()) {
    return sync_wait(queue.admin().list(topic, state, request));
  }
  static PageRequest page(std::int64_t offset, int limit, bool from_tail = false) {
    PageRequest request;
    request.offset = offset;
    request.limit = limit;
    request.from_tail = from_tail;
    return request;
  }
  // One that was rejected with that error.
  static std::string make_dead(const std::string& topic, json payload, const std::string& error,
                               ProduceOptions options = ProduceOptions()) {
    RedisMessageQueue queue(config());
    const std::int64_t before = stat(server(), topic, "dead");
    queue.register_handler(topic, [error](const json&) { throw Reject(error); });
    std::string id = produce(queue, topic, std::move(payload), std::move(options));
    start(queue);
    EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), topic, "dead") > before; }));
    stop(queue);
    return id;
  }
  // So many that wait, one a millisecond, whose ids tell that; the i-th id.
  static std::string make_waiting(const std::string& topic, int count, bool chosen) {
    constexpr int step = 1'000;
    for (int i = 0; i < count; i += step) {
      Strings command{"RPUSH", key_of(topic, "ready:normal")};
      for (int k = i; k < std::min(count, i + step); ++k) {
        const std::string id = chosen ? "order-" + std::to_string(k) : generated(k);
        broker::EnvelopeView view;
        view.created_at = base_ms + k;
        view.ttl = 1'000'000'000;
        view.expire_at = view.created_at + view.ttl;
        view.id_until = chosen ? view.expire_at + 60'000 : 0;
        view.id = id;
        const std::string payload = std::to_string(k);
        view.payload = payload;
        command.push_back(broker::encode_envelope(view));
        if (chosen && k % 100 == 7)
          server().command({"HSET", key_of(topic, "ids"), id, std::to_string(view.id_until)});
      }
      server().command(command);
    }
    return topic;
  }
  static std::string generated(int k) {
    char text[40];
    const auto ms = static_cast<unsigned long long>(base_ms + k);
    std::snprintf(text, sizeof text, "%08llx-%04llx-7000-8000-%012d", ms >> 16U, ms & 0xFFFFU, k);
    return text;
  }
  static constexpr std::int64_t base_ms = 1'700'000'000'000;
};

TEST_F(QueueAdminMessages, EachStateIsListedByPages) {
  RedisMessageQueue queue(config());
  Strings waiting;
  for (const auto priority :
       {MessagePriority::high, MessagePriority::normal, MessagePriority::low}) {
    for (int i = 0; i < 3; ++i)
      waiting.push_back(produce(queue, "orders", i, ProduceOptions().priority(priority)));
  }
  Strings delayed;
  for (int i = 1; i <= 3; ++i)
    delayed.push_back(produce(queue, "orders", i, ProduceOptions().delay(i * 1h)));

  const MessagePage all = list(queue, "orders", MessageState::waiting);
  EXPECT_EQ(ids_of(all.messages), waiting);
  EXPECT_EQ(all.total, 9);
  EXPECT_EQ(ids_of(list(queue, "orders", MessageState::waiting, page(2, 5)).messages),
            Strings(waiting.begin() + 2, waiting.begin() + 7));
  EXPECT_EQ(ids_of(list(queue, "orders", MessageState::waiting, page(0, 4, true)).messages),
            Strings(waiting.rbegin(), waiting.rbegin() + 4));
  PageRequest normal = page(1, 10);
  normal.priority = MessagePriority::normal;
  EXPECT_EQ(ids_of(list(queue, "orders", MessageState::waiting, normal).messages),
            Strings(waiting.begin() + 4, waiting.begin() + 6));
  EXPECT_EQ(all.messages[4].place, 1);
  EXPECT_TRUE(list(queue, "orders", MessageState::waiting, page(9, 5)).messages.empty());

  const MessagePage later = list(queue, "orders", MessageState::delayed);
  EXPECT_EQ(ids_of(later.messages), delayed) << "by when they are due";
  EXPECT_EQ(*later.messages[0].due_at - later.messages[0].created_at, 3'600'000);
  EXPECT_EQ(ids_of(list(queue, "orders", MessageState::delayed, page(0, 1, true)).messages),
            Strings{delayed[2]});
  EXPECT_EQ(list(queue, "orders", MessageState::held).total, 0);
  EXPECT_EQ(list(queue, "nothing", MessageState::dead).total, 0);
}

TEST_F(QueueAdminMessages, OfEachMessageIsToldWhatIsKnown) {
  const std::string dead = make_dead("orders", "x", "no \"such\" order",
                                     ProduceOptions().message_id("seven").header("tenant", "7"));
  const auto gate = std::make_shared<Gate>();
  RedisMessageQueue queue(config());
  queue.register_handler("orders", Gate::handler(gate));
  start(queue);
  const std::string big(1'000, 'a');
  const std::string held = produce(queue, "orders", big);
  ASSERT_TRUE(wait_for(patience, [&] { return gate->inside == 1; }));

  const MessagePage letters = list(queue, "orders", MessageState::dead);
  ASSERT_EQ(letters.messages.size(), 1U);
  const StoredMessage& letter = letters.messages[0];
  EXPECT_EQ(letter.id, "seven");
  EXPECT_TRUE(letter.chosen_id);
  EXPECT_EQ(letter.reason, "rejected");
  EXPECT_EQ(letter.last_error, "no \"such\" order");
  EXPECT_EQ(letter.headers.at("tenant"), "7");
  EXPECT_EQ(letter.attempts, 1);
  EXPECT_EQ(letter.attempt_times.size(), 1U);
  EXPECT_GE(*letter.died_at, letter.created_at);

  PageRequest ten;
  ten.payload_bytes = 10;
  const MessagePage holding = list(queue, "orders", MessageState::held, ten);
  ASSERT_EQ(holding.messages.size(), 1U);
  const StoredMessage& one = holding.messages[0];
  EXPECT_EQ(one.id, held);
  EXPECT_FALSE(one.holder.empty());
  EXPECT_GT(*one.lease_until, one.created_at);
  EXPECT_EQ(one.payload, "\"" + big.substr(0, 9));
  EXPECT_TRUE(one.payload_cut);
  EXPECT_EQ(one.payload_size, 1'002U);
  EXPECT_GT(one.size, one.payload_size);
  gate->open = true;
  stop(queue);
}

// A character is not cut through, and what is no envelope is shown as bytes.
TEST_F(QueueAdminMessages, CutsBetweenCharactersAndShowsWhatCannotBeRead) {
  RedisMessageQueue queue(config());
  produce(queue, "orders", "ä€");
  server().command({"RPUSH", key_of("orders", "ready:normal"), "no envelope"});
  const Strings wanted{"", "\"", "\"", "\"ä", "\"ä", "\"ä", "\"ä€", "\"ä€\""};
  for (std::size_t bytes = 0; bytes < wanted.size(); ++bytes) {
    PageRequest request;
    request.payload_bytes = bytes;
    const MessagePage found = list(queue, "orders", MessageState::waiting, request);
    ASSERT_EQ(found.messages.size(), 2U);
    EXPECT_EQ(found.messages[0].payload, wanted[bytes]) << bytes;
    EXPECT_EQ(found.messages[0].payload_cut, bytes < 7);
    EXPECT_FALSE(found.messages[1].readable);
    EXPECT_EQ(found.messages[1].payload, std::string("no envelope").substr(0, bytes));
  }
}

TEST_F(QueueAdminMessages, AMessageIsFoundByItsIdWhereverItIs) {
  const std::string dead = make_dead("orders", 1, "no");
  const auto gate = std::make_shared<Gate>();
  RedisMessageQueue worker(config());
  worker.register_handler("orders", Gate::handler(gate), HandlerOptions().max_concurrency(1));
  RedisMessageQueue queue(config());
  const std::string held = produce(queue, "orders", 2);
  start(worker);
  ASSERT_TRUE(wait_for(patience, [&] { return gate->inside == 1; }));
  const std::string delayed = produce(queue, "orders", 3, ProduceOptions().delay(1h));
  RedisMessageQueue other(config());
  const std::string waiting = produce(other, "mail", 4, ProduceOptions().message_id("four"));
  const auto find = [&](const std::string& topic, const std::string& id) {
    return sync_wait(queue.admin().find(topic, id)).message;
  };
  EXPECT_EQ(find("orders", dead)->state, MessageState::dead);
  EXPECT_EQ(find("orders", held)->state, MessageState::held);
  EXPECT_EQ(find("orders", delayed)->state, MessageState::delayed);
  EXPECT_EQ(find("mail", waiting)->state, MessageState::waiting);
  EXPECT_EQ(find("mail", waiting)->payload, "4");
  EXPECT_FALSE(find("orders", waiting));
  EXPECT_FALSE(find("mail", dead));
  gate->open = true;
  stop(worker);
  EXPECT_FALSE(find("orders", held)) << "it is done";
}

TEST_F(QueueAdminMessages, InALongListItIsFoundByTheTimeInItsId) {
  constexpr int many = 40'000;
  make_waiting("orders", many, false);
  RedisMessageQueue queue(config());
  for (const int k : {0, 1, 777, 13'333, 20'000, 39'000, 39'999}) {
    const FoundMessage found = sync_wait(queue.admin().find("orders", generated(k), 3'000));
    ASSERT_TRUE(found.message) << k;
    EXPECT_EQ(found.message->payload, std::to_string(k));
    EXPECT_EQ(found.message->place, k);
    EXPECT_LE(found.looked_at, 2'000) << k;
  }
  // One that is not where its time would be: it was delayed.
  server().command({"RPUSH", key_of("orders", "ready:normal"),
                    server().command({"LINDEX", key_of("orders", "ready:normal"), "500"}).str()});
  server().command({"LSET", key_of("orders", "ready:normal"), "500", ""});
  const FoundMessage near = sync_wait(queue.admin().find("orders", generated(500), 3'000));
  EXPECT_FALSE(near.message);
  EXPECT_FALSE(near.everywhere) << "it may be where it was not looked for";
  EXPECT_LE(near.looked_at, 3'000);
  const FoundMessage far = sync_wait(queue.admin().find("orders", generated(500)));
  ASSERT_TRUE(far.message);
  EXPECT_EQ(far.message->place, many);
  const FoundMessage none = sync_wait(queue.admin().find("orders", generated(many + 5)));
  EXPECT_FALSE(none.message);
  EXPECT_TRUE(none.everywhere);
  EXPECT_EQ(none.looked_at, many + 1);
}

TEST_F(QueueAdminMessages, InALongListAChosenIdIsFoundByHowLongItIsInUse) {
  make_waiting("orders", 30'000, true);
  RedisMessageQueue queue(config());
  for (const int k : {7, 9'907, 29'907}) {
    const FoundMessage found =
        sync_wait(queue.admin().find("orders", "order-" + std::to_string(k), 3'000));
    ASSERT_TRUE(found.message) << k;
    EXPECT_EQ(found.message->place, k);
  }
}

TEST_F(QueueAdminMessages, ATextIsFoundInEveryState) {
  const std::string dead = make_dead("orders", {{"who", "Zoë"}, {"n", 1}}, "table \"x\" is gone",
                                     ProduceOptions().header("tenant", "se\"ven"));
  RedisMessageQueue queue(config());
  const std::string waiting = produce(queue, "orders", {{"who", "Zoë"}, {"n", 2}});
  const std::string delayed =
      produce(queue, "orders", "nobody", ProduceOptions().delay(1h).header("tenant", "seven"));
  const auto search = [&](auto set, Strings* where = nullptr) {
    SearchRequest request;
    set(request);
    const SearchResult result = sync_wait(queue.admin().search("orders", request));
    EXPECT_TRUE(result.everywhere);
    EXPECT_GE(result.looked_at, 1);
    if (where != nullptr)
      for (const auto& each : result.messages) where->emplace_back(to_string(each.state));
    const Strings ids = ids_of(result.messages);
    return std::set<std::string>(ids.begin(), ids.end());
  };
  using Ids = std::set<std::string>;
  Strings where;
  EXPECT_EQ(search([](auto& r) { r.text = "Zoë"; }, &where), (Ids{dead, waiting}));
  EXPECT_EQ(where, (Strings{"waiting", "dead"}));
  EXPECT_EQ(search([](auto& r) { r.text = "\"n\":2"; }), Ids{waiting}) << "a piece of JSON";
  EXPECT_EQ(search([&](auto& r) { r.text = waiting; }), Ids{}) << "an id is no payload";
  EXPECT_EQ(search([](auto& r) { r.header_name = "tenant", r.header_value = "seven"; }),
            Ids{delayed});
  EXPECT_EQ(search([](auto& r) { r.header_name = "tenant", r.header_value = "se\"ven"; }),
            Ids{dead});
  EXPECT_EQ(search([](auto& r) { r.header_name = "tenant", r.header_value = "sev"; }), Ids{});
  EXPECT_EQ(search([](auto& r) { r.error = "table \"x\""; }), Ids{dead});
  EXPECT_EQ(search([](auto& r) { r.error = "Zoë"; }), Ids{});
  EXPECT_EQ(search([](auto& r) { r.text = "Zoë", r.states = {MessageState::dead}; }), Ids{dead});
}

TEST_F(QueueAdminMessages, ASearchTellsHowFarItIsAndEndsWhenItIsToldTo) {
  make_waiting("orders", 5'000, false);
  RedisMessageQueue queue(config());
  SearchRequest request;
  request.text = "99";
  request.most = 1'000;
  std::atomic<std::int64_t> steps{0};
  const auto count = [&](const SearchProgress& progress) {
    EXPECT_GT(progress.looked_at, 0);
    ++steps;
    return true;
  };
  const SearchResult all = sync_wait(queue.admin().search("orders", request, count));
  EXPECT_EQ(all.messages.size(),
            95U);  // 99, 199 ... 4999, 990 to 998, 1990 ..., 2990 ..., 3990 ...
  EXPECT_EQ(all.looked_at, 5'000);
  EXPECT_TRUE(all.everywhere);
  EXPECT_GE(steps, 10);
  EXPECT_EQ(all.messages.front().id, generated(4'999)) << "the newest first";
  request.most = 5;
  const SearchResult some = sync_wait(queue.admin().search("orders", request));
  EXPECT_EQ(some.messages.size(), 5U);
  EXPECT_FALSE(some.everywhere);
  request.most = 1'000;
  request.scan_limit = 1'200;
  const SearchResult limited = sync_wait(queue.admin().search("orders", request));
  EXPECT_EQ(limited.looked_at, 1'200);
  EXPECT_FALSE(limited.everywhere);
  request.scan_limit = 100'000;
  const SearchResult stopped = sync_wait(
      queue.admin().search("orders", request, [](const SearchProgress&) { return false; }));
  EXPECT_LE(stopped.looked_at, 500);
  EXPECT_FALSE(stopped.everywhere);
}

TEST_F(QueueAdminMessages, PartitionsAreOneTopic) {
  RedisMessageQueue queue(config());
  sync_wait(queue.configure("wide", TopicSettings{}.partitions(4)));
  std::set<std::string> waiting;
  Strings delayed;
  for (int i = 0; i < 40; ++i) {
    waiting.insert(produce(queue, "wide", i, ProduceOptions().key(std::to_string(i))));
    delayed.push_back(produce(queue, "wide", 100 + i,
                              ProduceOptions().key(std::to_string(i)).delay(1h + i * 1min)));
  }
  std::set<std::string> listed;
  std::set<int> partitions;
  for (std::int64_t offset = 0; offset < 40; offset += 7) {
    const MessagePage found = list(queue, "wide", MessageState::waiting, page(offset, 7));
    EXPECT_EQ(found.total, 40);
    for (const StoredMessage& each : found.messages) {
      EXPECT_TRUE(listed.insert(each.id).second) << "twice";
      partitions.insert(each.partition);
    }
  }
  EXPECT_EQ(listed, waiting);
  EXPECT_EQ(partitions.size(), 4U);
  const MessagePage later = list(queue, "wide", MessageState::delayed, page(3, 20));
  EXPECT_EQ(ids_of(later.messages), Strings(delayed.begin() + 3, delayed.begin() + 23));
  EXPECT_EQ(later.total, 40);
  EXPECT_EQ(ids_of(list(queue, "wide", MessageState::delayed, page(0, 2, true)).messages),
            (Strings{delayed[39], delayed[38]}));
  for (const std::string& id : waiting) {
    const FoundMessage found = sync_wait(queue.admin().find("wide", id));
    ASSERT_TRUE(found.message);
    EXPECT_EQ(found.message->state, MessageState::waiting);
  }
  EXPECT_EQ(sync_wait(queue.admin().find("wide", delayed[5])).message->payload, "105");
  SearchRequest request;
  request.text = "13";
  EXPECT_EQ(sync_wait(queue.admin().search("wide", request)).messages.size(), 12U);
}

TEST_F(QueueAdminMessages, RequestsThatMakeNoSenseAreRefused) {
  RedisMessageQueue queue(config());
  const auto refused = [&](auto call) { return thrown_by([&] { sync_wait(call()); }); };
  const auto listing = [&](PageRequest request, MessageState state = MessageState::waiting) {
    return refused([&] { return queue.admin().list("orders", state, request); });
  };
  EXPECT_NE(listing(page(-1, 5)).find("offset"), std::string::npos);
  EXPECT_NE(listing(page(0, 0)).find("limit"), std::string::npos);
  EXPECT_NE(listing(page(0, 1'001)).find("limit"), std::string::npos);
  PageRequest high;
  high.priority = MessagePriority::high;
  EXPECT_NE(listing(high, MessageState::dead).find("priority"), std::string::npos);
  EXPECT_NE(refused([&] { return queue.admin().find("a b", "x"); }).find("topic"),
            std::string::npos);
  EXPECT_NE(refused([&] { return queue.admin().find("orders", ""); }), "");
  SearchRequest request;
  const auto searching = [&] {
    return refused([&] { return queue.admin().search("orders", request); });
  };
  EXPECT_NE(searching().find("one of"), std::string::npos);
  request.text = "a";
  request.error = "b";
  EXPECT_NE(searching().find("one of"), std::string::npos);
  request.error.clear();
  request.most = 0;
  EXPECT_NE(searching().find("most"), std::string::npos);
}

}  // namespace
}  // namespace mx_rmq::test
