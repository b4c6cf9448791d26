// The dashboard's server: who may see what, and that watchers cost nothing.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <regex>

#include "support/queue_fixture.hpp"
#include "web/assets.hpp"
#include "web/dashboard.hpp"
#include "web/routes.hpp"

namespace mx_rmq::test {
namespace {

namespace web = mxrmq::web;

const std::string token(64, 'a');

struct Answer {
  int status = 0;
  std::string headers;
  std::string body;
};

// A connection that speaks HTTP as it is told.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(const std::string& bytes) const {
    return connected_ && ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                             static_cast<ssize_t>(bytes.size());
  }
  // Until the text is there, or the end.
  std::string read_until(const std::string& end) {
    std::size_t found = 0;
    while ((found = unread_.find(end)) == std::string::npos && receive()) {
    }
    const std::size_t count = found == std::string::npos ? unread_.size() : found + end.size();
    std::string out = unread_.substr(0, count);
    unread_.erase(0, count);
    return out;
  }
  Answer answer() {
    Answer out;
    out.headers = read_until("\r\n\r\n");
    if (out.headers.size() > 12) out.status = std::atoi(out.headers.c_str() + 9);
    const std::size_t at = out.headers.find("Content-Length: ");
    if (at == std::string::npos) return out;
    const std::size_t length = std::strtoul(out.headers.c_str() + at + 16, nullptr, 10);
    while (unread_.size() < length && receive()) {
    }
    out.body = unread_.substr(0, length);
    unread_.erase(0, length);
    return out;
  }

 private:
  bool receive() {
    char bytes[4096];
    const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count > 0) unread_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }

  int fd_;
  bool connected_ = false;
  std::string unread_;
};

class Serve : public QueueTest {
 protected:
  Serve() : queue_(config()), dashboard_(queue_, {}, {"queues.example.com"}, token) {}

  std::string host() const { return "127.0.0.1:" + std::to_string(dashboard_.port()); }
  std::string request(const std::string& method, const std::string& path,
                      const std::string& more = "", const std::string& body = "",
                      const std::string& as_host = "") const {
    std::string out = method + " " + path +
                      " HTTP/1.1\r\nHost: " + (as_host.empty() ? host() : as_host) + "\r\n" + more;
    if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return out + "\r\n" + body;
  }
  Answer ask(const std::string& text) const {
    Client client(dashboard_.port());
    EXPECT_TRUE(client.send(text));
    return client.answer();
  }
  Answer get(const std::string& path) const {
    return ask(request("GET", path, "Cookie: x=1; mxrmq_session=" + token + "\r\n"));
  }

  RedisMessageQueue queue_;
  web::Dashboard dashboard_;
};

// The places of a path filled, so that it is one.
std::string filled(std::string path) {
  for (const char* const name : {"{topic}", "{id}"})
    if (const auto at = path.find(name); at != std::string::npos)
      path.replace(at, std::string(name).size(), "some");
  return path;
}

TEST_F(Serve, NoRouteAnswersWithoutASessionOrToAForeignName) {
  const std::string cookie = "Cookie: mxrmq_session=" + token + "\r\n";
  std::vector<std::string> paths{"/api/v1/events"};
  for (const web::Route& each : web::routes()) paths.push_back(filled(each.path));
  for (const std::string& path : paths) {
    EXPECT_EQ(ask(request("GET", path)).status, 401) << path;
    EXPECT_EQ(
        ask(request("GET", path, "Cookie: mxrmq_session=" + std::string(64, 'b') + "\r\n")).status,
        401)
        << path;
    EXPECT_EQ(ask(request("GET", path, "Authorization: Bearer " + token + "x\r\n")).status, 401);
    EXPECT_EQ(ask(request("GET", path, cookie, "", "evil.example:80")).status, 421) << path;
    EXPECT_EQ(
        ask(request("POST", path, cookie + "Content-Type: application/json\r\n", "{}")).status, 405)
        << path;
  }
  EXPECT_EQ(ask(request("GET", "/", "", "", "evil.example")).status, 421);
  EXPECT_EQ(ask(request("GET", "/", "", "", "queues.example.com")).status, 200);
  EXPECT_EQ(ask(request("GET", "/api/v1/no-such", cookie)).status, 404);
  EXPECT_EQ(ask(request("GET", "/api/v1/no-such")).status, 401) << "nobody learns what there is";
}

TEST_F(Serve, ThePageLoadsNothingFromElsewhereAndRunsNoText) {
  for (const char* const path : {"/", "/app.js", "/words.js", "/style.css"}) {
    const Answer answer = ask(request("GET", path));
    EXPECT_EQ(answer.status, 200) << path;
    for (const char* const header :
         {"Content-Security-Policy: default-src 'none'; script-src 'self'", "nosniff",
          "no-referrer", "no-store"})
      EXPECT_NE(answer.headers.find(header), std::string::npos) << path << ": " << header;
    EXPECT_EQ(answer.body.find("innerHTML"), std::string::npos) << path;
    EXPECT_EQ(answer.body.find("https://"), std::string::npos) << path;
  }
}

TEST_F(Serve, TheTokenIsExchangedForACookieThatScriptsCannotRead) {
  const std::string type = "Content-Type: application/json\r\n";
  const auto with = [](const std::string& value) { return "{\"token\":\"" + value + "\"}"; };
  const std::string path = "/api/v1/session";
  const Answer good = ask(request("POST", path, type, with(token)));
  EXPECT_EQ(good.status, 200);
  EXPECT_NE(good.headers.find("HttpOnly; SameSite=Strict"), std::string::npos) << good.headers;
  EXPECT_EQ(ask(request("POST", path, type, with("guess"))).status, 403);
  EXPECT_EQ(ask(request("POST", path, "", with(token))).status, 415) << "as a form would";
  EXPECT_EQ(ask(request("POST", path, type, "{")).status, 400);
  EXPECT_EQ(ask(request("GET", path)).status, 405);
  const std::string long_body = with(std::string(web::most_body + 1, 'x'));
  EXPECT_EQ(ask(request("POST", path, type, long_body)).status, 413);
}

TEST_F(Serve, ShowsTopicsAndDeadLettersWithExactNumbers) {
  queue_.register_handler("orders", [](const json& payload) {
    throw Reject("order " + payload["n"].dump() + " is <b>wrong</b>");
  });
  start(queue_);
  produce(queue_, "orders", json{{"n", 9007199254740993}, {"text", "<script>alert(1)</script>"}});
  produce(queue_, "orders", json{{"n", 9007199254740995}});
  EXPECT_TRUE(wait_for(patience, [] { return stat(server(), "orders", "dead") == 2; }));
  EXPECT_TRUE(wait_for(patience, [this] {
    return json::parse(get("/api/v1/overview").body)["topics"].size() == 1;
  }));
  EXPECT_EQ(json::parse(get("/api/v1/overview").body)["topics"][0]["dead"], 2);
  EXPECT_EQ(json::parse(get("/api/v1/topics/orders").body)["partitions"], 1);
  const json groups = json::parse(get("/api/v1/topics/orders/dead-groups").body);
  ASSERT_EQ(groups["groups"].size(), 1U) << groups;
  EXPECT_EQ(groups["groups"][0]["count"], 2);
  const json letters = json::parse(get("/api/v1/topics/orders/dead?offset=1").body)["letters"];
  ASSERT_EQ(letters.size(), 1U);
  const std::string id = letters[0]["id"];
  const json letter = json::parse(get("/api/v1/topics/orders/dead/" + id).body);
  EXPECT_NE(letter["payload"].get<std::string>().find("9007199254740993"), std::string::npos)
      << "as text: a page would round it";
  EXPECT_EQ(json::parse(get("/api/v1/topics/orders/dead/nobody").body), nullptr);
  EXPECT_EQ(get("/api/v1/topics/or%20ders").status, 400);
  EXPECT_EQ(get("/api/v1/topics/or%2").status, 404);
  for (const char* const query : {"?limit=0", "?limit=201", "?limit=1e9", "?limit=", "?days=1"})
    EXPECT_EQ(get(std::string("/api/v1/topics/orders/dead") + query).status, 400) << query;
  EXPECT_FALSE(json::parse(get("/api/v1/doctor").body)["findings"].empty());
  stop(queue_);
}

// One sampler, however many watch, and none if nobody does.
TEST_F(Serve, ManyWatchersCostRedisNoMoreThanOne) {
  produce(queue_, "orders", 1);
  EXPECT_TRUE(wait_for(patience, [this] {
    return json::parse(get("/api/v1/overview").body)["topics"].size() == 1;
  }));
  const auto looks = [] {
    const std::string text = server().command({"INFO", "commandstats"}).str();
    std::smatch match;
    const bool found = std::regex_search(text, match, std::regex("cmdstat_sscan:calls=(\\d+)"));
    return found ? std::stoi(match[1]) : 0;
  };
  const int before = looks();
  const auto began = WaitClock::now();
  std::vector<std::unique_ptr<Client>> watchers;
  for (int i = 0; i < 20; ++i) {
    watchers.push_back(std::make_unique<Client>(dashboard_.port()));
    ASSERT_TRUE(watchers.back()->send(
        request("GET", "/api/v1/events", "Authorization: Bearer " + token + "\r\n")));
  }
  std::size_t told = 0;
  for (auto& each : watchers) {
    each->read_until("\r\n\r\n");
    each->read_until("data: ");
    const json state = json::parse(each->read_until("\n"));
    told += state["topics"].size();
  }
  EXPECT_EQ(told, 20U);
  const int asked = looks() - before;
  const auto most = 2 + (WaitClock::now() - began) / 2s;
  EXPECT_LE(asked, most) << "each state is asked for once";
  watchers.clear();
}

TEST_F(Serve, SaysSinceWhenRedisDoesNotAnswer) {
  RedisServer paused;
  MQConfig brief = quick_config(paused.url());
  brief.command_timeout = 300ms;
  RedisMessageQueue queue(brief);
  web::Dashboard dashboard(queue, {}, {}, token);
  Client client(dashboard.port());
  ASSERT_TRUE(client.send(
      "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(dashboard.port()) +
      "\r\nAuthorization: Bearer " + token + "\r\n\r\n"));
  client.read_until("\"topics\":[]");
  paused.pause();
  EXPECT_NE(client.read_until("\"stale_since\":").find("error"), std::string::npos);
  paused.resume();
  EXPECT_NE(client.read_until("\"topics\":[]").size(), 0U) << "and that it does again";
}

// Words of the page: all in both languages.
TEST(ServePage, HasAllWordsInBothLanguages) {
  const web::Asset* const words = web::find_asset("/words.js");
  ASSERT_NE(words, nullptr);
  const std::string text(words->bytes);
  const auto keys_of = [&text](const char* from, const char* to) {
    const std::string part = text.substr(text.find(from), text.find(to) - text.find(from));
    std::set<std::string> keys;
    const std::regex key("(\\w+): '");
    for (std::sregex_iterator each(part.begin(), part.end(), key), end; each != end; ++each)
      keys.insert((*each)[1]);
    return keys;
  };
  const auto en = keys_of("const en", "const zh");
  EXPECT_EQ(en, keys_of("const zh", "export const"));
  EXPECT_GT(en.size(), 30U);
  const std::string app(web::find_asset("/app.js")->bytes);
  const std::regex use("\\bt\\('(\\w+)'\\)");
  for (std::sregex_iterator each(app.begin(), app.end(), use), end; each != end; ++each)
    EXPECT_TRUE(en.contains((*each)[1])) << (*each)[1];
}

}  // namespace
}  // namespace mx_rmq::test
