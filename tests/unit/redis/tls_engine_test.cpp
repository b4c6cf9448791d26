// Our end of TLS against a server's in memory: whom it trusts, what it says, what it survives.
#include "redis/connection/tls/tls_engine.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "redis/connection/tls/tls_context.hpp"
#include "redis/connection/tls/tls_sessions.hpp"
#include "support/tls_files.hpp"
#include "unit/redis/tls_peer.hpp"

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;
using test::Certificate;
using test::CertificateRequest;
using test::CommonCertificates;
using test::TlsFiles;
using State = TlsEngine::State;

const Certificate& authority() { return CommonCertificates::get().authority; }

// Both ends of one connection.
struct Pair {
  explicit Pair(TlsOptions the_options, const TlsPeerContext& context = TlsPeerContext(),
                const std::string& name = "localhost", TlsSessionPtr session = nullptr)
      : options(std::move(the_options)),
        files(options),
        peer(context),
        engine(files.current(), options, name, std::move(session),
               [this](TlsSessionPtr fresh) { sessions.push_back(std::move(fresh)); }) {
    engine.begin();
  }

  // Carries what there is, `piece` bytes at a time, until neither has anything to say.
  void talk(std::size_t piece = SIZE_MAX) {
    for (bool said = true; said;) {
      said = false;
      for (std::string bytes = engine.take_output(); !bytes.empty();
           bytes.erase(0, std::min(piece, bytes.size()))) {
        peer.feed(std::string_view(bytes).substr(0, piece));
        said = true;
      }
      for (std::string bytes = peer.take(); !bytes.empty();
           bytes.erase(0, std::min(piece, bytes.size()))) {
        feed(std::string_view(bytes).substr(0, piece));
        said = true;
      }
    }
  }
  void feed(std::string_view bytes) {
    engine.feed(bytes);
    char buffer[100];
    while (const std::size_t size = engine.read(buffer, sizeof buffer)) {
      received.append(buffer, size);
    }
  }

  const TlsOptions options;
  TlsContext files;
  std::vector<TlsSessionPtr> sessions;
  TlsPeer peer;
  TlsEngine engine;
  std::string received;
};

// Options that trust the tests' authority.
TlsOptions trusting(const TlsFiles& files) {
  TlsOptions options;
  options.ca_file = files.write("ca.pem", authority().pem());
  return options;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class TlsEngineTest : public ::testing::Test {
 protected:
  static TlsPeerContext server(const Certificate& certificate) {
    TlsPeerOptions options;
    options.certificate = certificate;
    return TlsPeerContext(options);
  }
  // A handshake with a server that shows this certificate fails, says all of `parts`, and the
  // server hears an alert.
  void expect_refused(const Certificate& certificate, const std::vector<std::string>& parts,
                      const std::string& name = "localhost") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      TlsPeerOptions options;
      options.certificate = certificate;
      options.most_version = version;
      Pair pair(trusting(files), TlsPeerContext(options), name);
      pair.talk();
      EXPECT_EQ(pair.engine.state(), State::failed);
      for (const std::string& part : parts) {
        EXPECT_TRUE(has(pair.engine.why(), part)) << pair.engine.why();
      }
      EXPECT_TRUE(pair.peer.failed()) << "no alert came";
      EXPECT_TRUE(has(pair.peer.why(), "alert")) << pair.peer.why();
      EXPECT_TRUE(pair.sessions.empty());
    }
  }

  TlsFiles files;
};

TEST_F(TlsEngineTest, AHandshakeAndBothMayTalk) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
      TlsPeerOptions options;
      options.most_version = version;
      Pair pair(trusting(files), TlsPeerContext(options));
      pair.talk(piece);
      ASSERT_EQ(pair.engine.state(), State::open) << pair.engine.why() << pair.peer.why();
      ASSERT_TRUE(pair.peer.open());
      EXPECT_EQ(pair.peer.asked_for(), "localhost");
      const std::string much(100'000, 'x');
      ASSERT_TRUE(pair.engine.write("hello"));
      ASSERT_TRUE(pair.engine.write(much));
      pair.peer.send("world");
      pair.peer.send(much);
      pair.talk(piece);
      EXPECT_EQ(pair.peer.received(), "hello" + much);
      EXPECT_EQ(pair.received, "world" + much);
    }
  }
}

// --- whom it trusts ---

TEST_F(TlsEngineTest, AnExpiredCertificateIsRefused) {
  expect_refused(authority().issue({.name = "old", .until = -60s}),
                 {"CN=old", "expired at 20", "give the server a new one"});
}

TEST_F(TlsEngineTest, OneThatIsNotValidYetIsRefused) {
  expect_refused(authority().issue({.name = "soon", .from = 3600s}),
                 {"CN=soon", "not valid before 20", "clock"});
}

TEST_F(TlsEngineTest, OneThatSignedItselfIsRefused) {
  expect_refused(Certificate::self_signed({.name = "alone"}),
                 {"CN=alone", "signed by itself", "tls_ca_file"});
}

TEST_F(TlsEngineTest, OneByAnotherAuthorityIsRefused) {
  const Certificate other = Certificate::self_signed({.name = "another CA", .authority = true});
  expect_refused(other.issue({.name = "theirs"}),
                 {"CN=theirs", "issued by (CN=another CA)", "tls_ca_file"});
}

TEST_F(TlsEngineTest, OneForAnotherHostIsRefused) {
  const Certificate wrong =
      authority().issue({.name = "wrong", .names = "DNS:example.org,IP:192.0.2.7"});
  expect_refused(wrong, {"DNS:example.org, IP:192.0.2.7", "not for \"localhost\"", "redis_url",
                         "tls_server_name"});
  expect_refused(wrong, {"not for \"127.0.0.1\""}, "127.0.0.1");
  expect_refused(wrong, {"not for \"::1\""}, "::1");
  // The subject's name counts for nobody.
  expect_refused(authority().issue({.name = "localhost", .names = "DNS:example.org"}),
                 {"not for \"localhost\""});
}

TEST_F(TlsEngineTest, OneThatIsNoServersIsRefused) {
  expect_refused(authority().issue({.name = "client", .purpose = "clientAuth"}),
                 {"CN=client", "unsuitable certificate purpose"});
}

TEST_F(TlsEngineTest, NamesAreComparedAsCertificatesHaveThem) {
  const Certificate wide =
      authority().issue({.name = "w", .names = "DNS:*.example.org,IP:0:0:0:0:0:0:0:1"});
  for (const std::string name :
       {"a.example.org", "A.Example.ORG", "a.example.org.", "::1", "::1%lo", "0:0:0:0:0:0:0:1"}) {
    Pair pair(trusting(files), server(wide), name);
    pair.talk();
    EXPECT_EQ(pair.engine.state(), State::open) << name << ": " << pair.engine.why();
    // An address has no place in the hello.
    EXPECT_EQ(pair.peer.asked_for().empty(), has(name, ":")) << pair.peer.asked_for();
  }
  for (const std::string name : {"example.org", "a.b.example.org", "::2", "127.0.0.1"}) {
    Pair pair(trusting(files), server(wide), name);
    pair.talk();
    EXPECT_EQ(pair.engine.state(), State::failed) << name;
  }
}

TEST_F(TlsEngineTest, WithoutVerificationAnybodyWillDo) {
  TlsOptions options;
  options.verify = false;
  Pair pair(options, server(Certificate::self_signed({.name = "?", .names = "", .until = -60s})));
  pair.talk();
  EXPECT_EQ(pair.engine.state(), State::open) << pair.engine.why();
}

TEST_F(TlsEngineTest, WithoutFilesTheSystemsCertificatesCount) {
  Pair pair({});
  pair.talk();
  EXPECT_EQ(pair.engine.state(), State::failed);
  EXPECT_TRUE(has(pair.engine.why(), "the certificates of this system")) << pair.engine.why();
}

// --- who we are ---

TlsPeerContext asking(int version = TLS1_3_VERSION) {
  TlsPeerOptions options;
  options.wants_certificate = true;
  options.most_version = version;
  return TlsPeerContext(options);
}

TEST_F(TlsEngineTest, OurCertificateIsShown) {
  const Certificate& client = CommonCertificates::get().client;
  TlsOptions apart = trusting(files);
  apart.cert_file = files.write("client.pem", client.pem());
  apart.key_file = files.write("client.key", client.key_pem());
  TlsOptions together = trusting(files);
  together.cert_file = files.write("both.pem", client.both_pem());
  for (const TlsOptions& options : {apart, together}) {
    Pair pair(options, asking());
    pair.talk();
    EXPECT_EQ(pair.engine.state(), State::open) << pair.engine.why();
    EXPECT_TRUE(pair.peer.knows_client()) << pair.peer.why();
    EXPECT_TRUE(pair.engine.asked_for_certificate());
  }
}

TEST_F(TlsEngineTest, AServerThatWantsOneSaysSo) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Pair pair(trusting(files), asking(version));
    pair.talk();
    EXPECT_EQ(pair.engine.state(), State::failed);
    EXPECT_TRUE(has(pair.engine.why(), "certificate of ours")) << pair.engine.why();
    EXPECT_TRUE(has(pair.engine.why(), "tls_cert_file")) << pair.engine.why();
    EXPECT_FALSE(pair.engine.heard());
    EXPECT_TRUE(pair.engine.asked_for_certificate());
  }
}

TEST_F(TlsEngineTest, AServerThatDoesNotTrustOursSaysSo) {
  const Certificate stranger = Certificate::self_signed({.name = "stranger", .names = ""});
  TlsOptions options = trusting(files);
  options.cert_file = files.write("stranger.pem", stranger.both_pem());
  Pair pair(options, asking());
  pair.talk();
  EXPECT_EQ(pair.engine.state(), State::failed);
  EXPECT_TRUE(has(pair.engine.why(), "our certificate (tls_cert_file)")) << pair.engine.why();
}

TEST_F(TlsEngineTest, AnExpiredOneOfOursIsToldByTheServer) {
  const Certificate old = authority().issue({.name = "old", .names = "", .until = -60s});
  TlsOptions options = trusting(files);
  options.cert_file = files.write("old.pem", old.both_pem());
  Pair pair(options, asking());
  pair.talk();
  EXPECT_EQ(pair.engine.state(), State::failed);
  EXPECT_TRUE(has(pair.engine.why(), "has expired")) << pair.engine.why();
}

// --- what is no TLS, or too old ---

TEST_F(TlsEngineTest, OldVersionsAreRefused) {
  TlsPeerOptions options;
  options.least_version = TLS1_VERSION;
  options.most_version = TLS1_1_VERSION;
  Pair pair(trusting(files), TlsPeerContext(options));
  pair.talk();
  EXPECT_EQ(pair.engine.state(), State::failed);
  EXPECT_TRUE(has(pair.engine.why(), "no version of TLS that is allowed here"))
      << pair.engine.why();
}

TEST_F(TlsEngineTest, WhatSpeaksNoTlsIsQuoted) {
  for (const std::string answer :
       {"-ERR unknown command\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "+PONG\r\n", "\x80\x01"}) {
    Pair pair(trusting(files));
    pair.feed(answer);
    EXPECT_EQ(pair.engine.state(), State::failed);
    EXPECT_TRUE(has(pair.engine.why(), "does not speak TLS")) << pair.engine.why();
    EXPECT_TRUE(has(pair.engine.why(), answer.substr(0, 8) == "HTTP/1.1" ? "HTTP/1.1 400" : ""))
        << pair.engine.why();
  }
}

TEST_F(TlsEngineTest, RenegotiationIsRefusedAndTheConnectionGoesOn) {
  TlsPeerOptions options;
  options.most_version = TLS1_2_VERSION;
  Pair pair(trusting(files), TlsPeerContext(options));
  pair.talk();
  ASSERT_EQ(pair.engine.state(), State::open);
  const std::size_t sessions = pair.sessions.size();
  ASSERT_EQ(SSL_renegotiate(pair.peer.ssl()), 1);
  SSL_do_handshake(pair.peer.ssl());
  pair.feed(pair.peer.take());
  EXPECT_EQ(pair.sessions.size(), sessions) << "no second handshake";
  EXPECT_TRUE(pair.engine.has_output()) << "a warning at least";
  EXPECT_NE(pair.engine.state(), State::handshaking);
}

TEST_F(TlsEngineTest, NewKeysInTheMiddleAreFollowed) {
  Pair pair(trusting(files));
  pair.talk();
  ASSERT_EQ(pair.engine.state(), State::open);
  ASSERT_EQ(SSL_key_update(pair.peer.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  pair.peer.send("after");
  pair.talk();
  ASSERT_TRUE(pair.engine.write("too"));
  pair.talk();
  EXPECT_EQ(pair.received, "after");
  EXPECT_EQ(pair.peer.received(), "too");
}

// --- ends ---

TEST_F(TlsEngineTest, BeforeTheGoodbyeEverythingIsRead) {
  Pair pair(trusting(files));
  pair.talk();
  pair.peer.send("last words");
  pair.peer.say_goodbye();
  pair.talk();
  EXPECT_EQ(pair.received, "last words");
  EXPECT_EQ(pair.engine.state(), State::ended);
}

TEST_F(TlsEngineTest, OurGoodbyeIsHeard) {
  Pair pair(trusting(files));
  pair.talk();
  ASSERT_TRUE(pair.engine.write("last words"));
  pair.engine.say_goodbye();
  pair.talk();
  EXPECT_EQ(pair.peer.received(), "last words");
  EXPECT_TRUE(pair.peer.goodbye());
}

// Whatever is missing of what the server says, nobody is taken for who he is not yet known to be.
TEST_F(TlsEngineTest, CutAtEachByteItNeverOpensEarly) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPeerOptions options;
    options.most_version = version;
    const TlsPeerContext context(options);
    std::size_t cuts = 0;
    for (std::size_t cut = 0;; ++cut) {
      Pair pair(trusting(files), context);
      std::size_t passed = 0;
      bool over = false;
      while (!over) {
        const std::string up = pair.engine.take_output();
        pair.peer.feed(up);
        std::string down = pair.peer.take();
        const bool shaking = pair.engine.state() == State::handshaking;
        const bool cut_here = passed + down.size() > cut;
        if (cut_here) down.resize(cut - passed);
        passed += down.size();
        pair.feed(down);
        over = cut_here || (up.empty() && down.empty());
        // What proves the server is at the end of what it says.
        if (cut_here && shaking) {
          EXPECT_EQ(pair.engine.state(), State::handshaking) << cut;
        }
      }
      EXPECT_NE(pair.engine.state(), State::failed) << cut << ": " << pair.engine.why();
      if (passed < cut) break;  // there was no such byte
      ++cuts;
    }
    EXPECT_GT(cuts, 500u);
  }
}

// The other half of it: what is not what the server said ends it.
TEST_F(TlsEngineTest, WithABitFlippedAnywhereItDoesNotOpen) {
  const TlsPeerContext context;
  std::size_t size = 0;
  {
    Pair pair(trusting(files), context);
    pair.peer.feed(pair.engine.take_output());
    size = pair.peer.take().size();
  }
  ASSERT_GT(size, 500u);
  for (std::size_t at = 0; at < size - 20; at += 3) {
    Pair pair(trusting(files), context);
    pair.peer.feed(pair.engine.take_output());
    std::string flight = pair.peer.take();
    if (at >= flight.size()) continue;
    flight[at] = static_cast<char>(flight[at] ^ (1 << (at % 8)));
    pair.feed(flight);
    EXPECT_NE(pair.engine.state(), State::open) << at;
  }
}

// --- sessions ---

TEST_F(TlsEngineTest, ASessionMakesTheNextHandshakeShort) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPeerOptions options;
    options.most_version = version;
    const TlsPeerContext context(options);
    Pair first(trusting(files), context);
    first.talk();
    ASSERT_FALSE(first.sessions.empty());
    EXPECT_FALSE(first.engine.resumed());
    first.engine.say_goodbye();
    Pair second(trusting(files), context, "localhost", std::move(first.sessions.back()));
    second.talk();
    EXPECT_EQ(second.engine.state(), State::open) << second.engine.why();
    EXPECT_TRUE(second.engine.resumed());
    EXPECT_TRUE(second.peer.resumed());
  }
}

// A short handshake shows no certificate: the one of the first is looked at again.
TEST_F(TlsEngineTest, AResumedConnectionIsVerifiedAsMuchAsAnother) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsPeerOptions options;
    options.most_version = version;
    const TlsPeerContext context(options);
    const Certificate other = Certificate::self_signed({.name = "other CA", .authority = true});
    struct Row {
      TlsOptions options;
      std::string name;
      std::string said;
    };
    TlsOptions distrusting = trusting(files);
    distrusting.ca_file = files.write("other.pem", other.pem());
    for (const Row& row : {Row{distrusting, "localhost", "not among those trusted"},
                           Row{trusting(files), "example.org", "not for \"example.org\""}}) {
      Pair first(trusting(files), context);
      first.talk();
      ASSERT_FALSE(first.sessions.empty());
      Pair second(row.options, context, row.name, std::move(first.sessions.back()));
      second.talk();
      EXPECT_EQ(second.engine.state(), State::failed);
      EXPECT_TRUE(has(second.engine.why(), row.said)) << second.engine.why();
    }
  }
}

TEST_F(TlsEngineTest, OfTls13EachSessionIsGivenOutOnce) {
  const TlsPeerContext context;
  TlsSessions sessions;
  Pair pair(trusting(files), context);
  pair.talk();
  ASSERT_EQ(pair.sessions.size(), 2u);
  for (TlsSessionPtr& each : pair.sessions) sessions.keep("h", std::move(each), 1);
  EXPECT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions.take("other"), nullptr);
  EXPECT_NE(sessions.take("h"), nullptr);
  EXPECT_NE(sessions.take("h"), nullptr);
  EXPECT_EQ(sessions.take("h"), nullptr);
}

TEST_F(TlsEngineTest, SessionsOfAConnectionThatWasCutAreForgotten) {
  const TlsPeerContext context;
  TlsSessions sessions;
  for (const TlsSessions::Owner owner : {1u, 2u}) {
    Pair pair(trusting(files), context);
    pair.talk();
    ASSERT_FALSE(pair.sessions.empty());
    sessions.keep("h", std::move(pair.sessions.front()), owner);
    pair.engine.say_goodbye();
  }
  sessions.forget("h", 1);
  EXPECT_EQ(sessions.size(), 1u);
  sessions.forget("elsewhere", 2);
  EXPECT_NE(sessions.take("h"), nullptr);
}

TEST_F(TlsEngineTest, SessionsAreBounded) {
  TlsPeerOptions options;
  options.most_version = TLS1_2_VERSION;
  const TlsPeerContext context(options);
  Pair pair(trusting(files), context);
  pair.talk();
  ASSERT_FALSE(pair.sessions.empty());
  SSL_SESSION* const session = pair.sessions.front().get();
  TlsSessions sessions;
  for (int i = 0; i < 100; ++i) {
    SSL_SESSION_up_ref(session);
    sessions.keep("h", TlsSessionPtr(session), 1);
  }
  EXPECT_LE(sessions.size(), 16u);
  for (int i = 0; i < 3000; ++i) {
    SSL_SESSION_up_ref(session);
    sessions.keep("h" + std::to_string(i), TlsSessionPtr(session), 1);
  }
  EXPECT_LE(sessions.size(), 1024u + 16u);
}

}  // namespace
}  // namespace mx_rmq::redis
