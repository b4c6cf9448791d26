#include "redis/connection/uv_resolver.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "runtime/event_loop.hpp"

namespace mx_rmq::redis {

namespace {

bool is_numeric(const std::string& host) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  return uv_ip4_addr(host.c_str(), 0, &v4) == 0 || uv_ip6_addr(host.c_str(), 0, &v6) == 0;
}

std::string numeric(const addrinfo& info) {
  std::array<char, NI_MAXHOST> text{};
  // With the scope of a link-local address, which inet_ntop would drop.
  if (::getnameinfo(info.ai_addr, info.ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    return {};
  }
  return text.data();
}

}  // namespace

struct UvResolver::Request {
  uv_getaddrinfo_t uv{};
  runtime::EventLoop* loop = nullptr;
  Key key;
  std::shared_ptr<Waiting> waiting;

  static void on_resolved(uv_getaddrinfo_t* uv, int status, addrinfo* found) noexcept;
};

void UvResolver::Request::on_resolved(uv_getaddrinfo_t* uv, int status, addrinfo* found) noexcept {
  const std::unique_ptr<Request> request(static_cast<Request*>(uv->data));
  request->loop->ended_on_uv();
  Result result;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Address address{false, numeric(*each), request->key.second};
    const auto& all = result.addresses;
    if (address.host.empty() || std::find(all.begin(), all.end(), address) != all.end()) continue;
    result.addresses.push_back(std::move(address));
  }
  uv_freeaddrinfo(found);
  if (result.addresses.empty()) result.error = status != 0 ? uv_strerror(status) : "no address";
  auto asked = request->waiting->extract(request->key);
  request->loop->defer([all = std::move(asked.mapped()), result = std::move(result)] {
    for (const Callback& done : all) done(result);
  });
}

void UvResolver::answer(Callback done, Result result) {
  loop_.defer([done = std::move(done), result = std::move(result)] { done(result); });
}

void UvResolver::resolve(std::string host, int port, Callback done) {
  Result result;
  if (is_numeric(host)) {
    result.addresses.push_back({false, std::move(host), port});
    return answer(std::move(done), std::move(result));
  }
  const Key key(host, port);
  if (const auto under_way = waiting_->find(key); under_way != waiting_->end()) {
    under_way->second.push_back(std::move(done));
    return;
  }
  auto request = std::make_unique<Request>();
  request->loop = &loop_;
  request->key = key;
  request->waiting = waiting_;
  request->uv.data = request.get();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  const int error =
      uv_getaddrinfo(loop_.uv(), &request->uv, Request::on_resolved, host.c_str(), nullptr, &hints);
  if (error != 0) {
    result.error = uv_strerror(error);
    return answer(std::move(done), std::move(result));
  }
  loop_.opened_on_uv();
  static_cast<void>(request.release());  // on_resolved frees it
  (*waiting_)[key].push_back(std::move(done));
}

}  // namespace mx_rmq::redis
