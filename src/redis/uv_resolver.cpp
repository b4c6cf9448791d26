#include "redis/uv_resolver.hpp"

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

struct Request {
  uv_getaddrinfo_t uv{};
  runtime::EventLoop* loop = nullptr;
  int port = 0;
  Resolver::Callback done;
};

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

void answer(runtime::EventLoop& loop, Resolver::Callback done, Resolver::Result result) {
  loop.defer(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void on_resolved(uv_getaddrinfo_t* uv, int status, addrinfo* found) noexcept {
  const std::unique_ptr<Request> request(static_cast<Request*>(uv->data));
  Resolver::Result result;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Address address{false, numeric(*each), request->port};
    const auto& all = result.addresses;
    if (address.host.empty() || std::find(all.begin(), all.end(), address) != all.end()) continue;
    result.addresses.push_back(std::move(address));
  }
  uv_freeaddrinfo(found);
  if (result.addresses.empty()) result.error = status != 0 ? uv_strerror(status) : "no address";
  answer(*request->loop, std::move(request->done), std::move(result));
}

}  // namespace

void UvResolver::resolve(std::string host, int port, Callback done) {
  if (is_numeric(host)) {
    Result result;
    result.addresses.push_back({false, std::move(host), port});
    return answer(loop_, std::move(done), std::move(result));
  }
  auto request = std::make_unique<Request>();
  request->loop = &loop_;
  request->port = port;
  request->done = std::move(done);
  request->uv.data = request.get();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  const int error =
      uv_getaddrinfo(loop_.uv(), &request->uv, on_resolved, host.c_str(), nullptr, &hints);
  if (error != 0) {
    Result result;
    result.error = uv_strerror(error);
    return answer(loop_, std::move(request->done), std::move(result));
  }
  static_cast<void>(request.release());  // on_resolved frees it
}

}  // namespace mx_rmq::redis
