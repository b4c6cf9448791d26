#include "web/dashboard.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "web/assets.hpp"
#include "web/routes.hpp"

namespace mxrmq::web {

namespace {

using nlohmann::ordered_json;
using Needs = Guard::Needs;

// Nothing is loaded from elsewhere, nothing is framed, no text of a message runs.
constexpr const char* policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void send(const HttpServer::Answer& answer, Response response) {
  response.headers.emplace_back("Content-Security-Policy", policy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cache-Control", "no-store");
  answer(std::move(response));
}

Response failure_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::invalid_argument& e) {
    return failure(400, "bad_argument", e.what());
  } catch (const mx_rmq::TimeoutError& e) {
    return failure(504, "no_answer", e.what(), true);
  } catch (const mx_rmq::ConnectionError& e) {
    return failure(502, "no_redis", e.what(), true);
  } catch (const mx_rmq::Error& e) {
    return failure(502, "refused", e.what());
  } catch (const std::exception& e) {
    return failure(500, "defect", e.what());
  }
}

mx_rmq::Task<> run_route(mx_rmq::RedisMessageQueue* queue, const Route* route, Call call,
                         std::shared_ptr<ordered_json> out) {
  ordered_json result = co_await route->answer(queue, std::move(call));
  *out = std::move(result);
}

std::set<std::string> all_hosts(std::set<std::string> more, const std::string& address,
                                std::uint16_t port) {
  const std::string end = ":" + std::to_string(port);
  more.insert((address.find(':') == std::string::npos ? address : "[" + address + "]") + end);
  if (address == "127.0.0.1" || address == "::1") more.insert("localhost" + end);
  return more;
}

}  // namespace

Dashboard::Dashboard(mx_rmq::RedisMessageQueue& queue, const HttpServer::Options& listen,
                     std::set<std::string> more_hosts, std::string token)
    : queue_(queue),
      sampler_(queue, std::chrono::seconds(2)),
      server_(listen),
      guard_({all_hosts(std::move(more_hosts), listen.address, server_.port()), std::move(token)}) {
  server_.start([this](Request request, const HttpServer::Answer& answer_to) {
    answer(std::move(request), answer_to);
  });
}

void Dashboard::answer(Request request, const HttpServer::Answer& answer_to) const {
  if (const Asset* const asset = find_asset(request.path)) {
    if (auto refused = guard_.refuse(request, Needs::nothing))
      return send(answer_to, std::move(*refused));
    return send(answer_to, {200, asset->type, std::string(asset->bytes)});
  }
  if (request.path == "/api/v1/session") return send(answer_to, open_session(request));
  if (request.path == "/api/v1/events") {
    if (auto refused = guard_.refuse(request, Needs::session))
      return send(answer_to, std::move(*refused));
    Response response;
    response.type = "text/event-stream";
    response.events = sampler_.events();
    return send(answer_to, std::move(response));
  }
  ask_queue(request, answer_to);
}

Response Dashboard::open_session(const Request& request) const {
  Request posted = request;
  posted.method = "GET";  // whoever has no session yet cannot be asked for it
  if (auto refused = guard_.refuse(posted, Needs::nothing)) return std::move(*refused);
  if (request.method != "POST") return failure(405, "wrong_method", "POST it");
  const auto type = request.headers.find("content-type");
  if (type == request.headers.end() || type->second != "application/json")
    return failure(415, "wrong_type", "it must be application/json");
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  if (!body.is_object() || !body.contains("token") || !body["token"].is_string())
    return failure(400, "bad_argument", "{\"token\": \"...\"} is expected");
  return guard_.open_session(body["token"].get<std::string>());
}

void Dashboard::ask_queue(const Request& request, const HttpServer::Answer& answer_to) const {
  Call call;
  const Route* const route = find_route(request.path, &call.names);
  // Without a session nobody learns what there is.
  if (auto refused = guard_.refuse(request, route != nullptr ? route->needs : Needs::session))
    return send(answer_to, std::move(*refused));
  if (route == nullptr) return send(answer_to, failure(404, "not_found", "there is no such path"));
  const auto out = std::make_shared<ordered_json>();
  try {
    call.numbers = read_numbers(*route, request.query);
    mx_rmq::spawn(run_route(&queue_, route, std::move(call), out),
                  [out, answer_to](const std::exception_ptr& error) {
                    if (error) return send(answer_to, failure_of(error));
                    Response response;
                    response.body =
                        out->dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
                    send(answer_to, std::move(response));
                  });
  } catch (...) {
    send(answer_to, failure_of(std::current_exception()));
  }
}

}  // namespace mxrmq::web
