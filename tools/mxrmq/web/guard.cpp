#include "web/guard.hpp"

#include <sys/random.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

namespace mxrmq::web {

namespace {

constexpr std::string_view cookie_name = "mxrmq_session=";
constexpr std::string_view bearer_word = "Bearer ";

std::string_view header(const Request& request, const char* name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string_view() : std::string_view(found->second);
}

// The value of our cookie.
std::string_view session_of(const Request& request) {
  std::string_view cookies = header(request, "cookie");
  while (!cookies.empty()) {
    const std::size_t end = cookies.find(';');
    std::string_view cookie = cookies.substr(0, end);
    cookies.remove_prefix(end == std::string_view::npos ? cookies.size() : end + 1);
    while (cookie.starts_with(' ')) cookie.remove_prefix(1);
    if (cookie.starts_with(cookie_name)) return cookie.substr(cookie_name.size());
  }
  return {};
}

std::string_view bearer_of(const Request& request) {
  const std::string_view authorization = header(request, "authorization");
  return authorization.starts_with(bearer_word) ? authorization.substr(bearer_word.size())
                                                : std::string_view();
}

}  // namespace

Response failure(int status, std::string_view code, std::string_view message, bool retryable) {
  const nlohmann::ordered_json body{
      {"code", code}, {"message", message}, {"retryable", retryable}, {"outcome", "not done"}};
  Response response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

std::string random_token() {
  unsigned char bytes[32];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
    throw std::system_error(errno, std::system_category(), "getrandom");
  std::string token;
  for (const unsigned char byte : bytes) {
    token += "0123456789abcdef"[byte / 16];
    token += "0123456789abcdef"[byte % 16];
  }
  return token;
}

// Takes as long for a wrong token as for the right one.
bool Guard::knows_token(std::string_view given) const {
  if (given.size() != options_.token.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference |= static_cast<unsigned char>(given[i] ^ options_.token[i]);
  return difference == 0;
}

std::optional<Response> Guard::refuse(const Request& request, Needs needs) const {
  if (!options_.hosts.contains(std::string(header(request, "host"))))
    return failure(421, "wrong_host", "this server does not answer to that name; see --host");
  if (request.body_too_large) return failure(413, "too_large", "at most 64 KiB");
  const bool change = needs == Needs::session_to_change;
  if (request.method != (change ? "POST" : "GET"))
    return failure(405, "wrong_method", change ? "POST it" : "GET it");
  if (needs == Needs::nothing) return std::nullopt;
  const bool bearer = knows_token(bearer_of(request));
  if (!bearer && !knows_token(session_of(request)))
    return failure(401, "no_session", "open the URL that mxrmq serve has printed");
  return change ? refuse_change(request, bearer) : std::nullopt;
}

std::optional<Response> Guard::refuse_change(const Request& request, bool bearer) const {
  if (header(request, "content-type") != "application/json")
    return failure(415, "wrong_type", "it must be application/json");
  if (bearer) return std::nullopt;  // no other page can make a browser send it
  const std::string_view site = header(request, "sec-fetch-site");
  const std::string host(header(request, "host"));
  const std::string_view origin = header(request, "origin");
  const bool same = origin == "http://" + host || origin == "https://" + host;
  if ((!site.empty() && site != "same-origin") || !same)
    return failure(403, "foreign_origin", "only the page of this server may change something");
  return std::nullopt;
}

Response Guard::open_session(std::string_view token) const {
  if (!knows_token(token)) return failure(403, "wrong_token", "that is not the token");
  Response response;
  response.body = "{}\n";
  response.headers.emplace_back("Set-Cookie", std::string(cookie_name) + options_.token +
                                                  "; HttpOnly; SameSite=Strict; Path=/");
  return response;
}

}  // namespace mxrmq::web
