#include "redis/connection/tls/tls_sessions.hpp"

#include <algorithm>
#include <utility>

#ifdef MX_RMQ_WITH_TLS

#include <openssl/ssl.h>

namespace mx_rmq::redis {

namespace {

// As many as a burst of new connections of one client needs; a server gives two at a time.
constexpr std::size_t most_of_a_server = 16;
constexpr std::size_t most_servers = 1024;

}  // namespace

void TlsSessionFree::operator()(ssl_session_st* session) const noexcept {
  SSL_SESSION_free(session);
}

TlsSessionPtr TlsSessions::take(const std::string& server) {
  const auto found = servers_.find(server);
  if (found == servers_.end()) return nullptr;
  std::deque<Entry>& entries = found->second;
  std::erase_if(
      entries, [](const Entry& each) { return SSL_SESSION_is_resumable(each.session.get()) == 0; });
  if (entries.empty()) return nullptr;
  ssl_session_st* const newest = entries.front().session.get();
  if (SSL_SESSION_get_protocol_version(newest) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(newest);
    return TlsSessionPtr(newest);
  }
  // Used twice it would show a listener that both connections are one client's.
  TlsSessionPtr session = std::move(entries.front().session);
  entries.pop_front();
  return session;
}

void TlsSessions::keep(const std::string& server, TlsSessionPtr session, Owner owner) {
  if (servers_.size() >= most_servers && !servers_.contains(server)) servers_.clear();
  std::deque<Entry>& entries = servers_[server];
  entries.push_front({std::move(session), owner});
  if (entries.size() > most_of_a_server) entries.pop_back();
}

void TlsSessions::forget(const std::string& server, Owner owner) noexcept {
  const auto found = servers_.find(server);
  if (found == servers_.end()) return;
  std::erase_if(found->second, [&](const Entry& each) { return each.owner == owner; });
}

std::size_t TlsSessions::size() const noexcept {
  std::size_t all = 0;
  for (const auto& [server, entries] : servers_) all += entries.size();
  return all;
}

}  // namespace mx_rmq::redis

#endif
