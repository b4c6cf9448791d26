// Each line with BAD has to be refused by the sentence after it, and by nothing else.
#include "mx_rmq/asio.hpp"
#include "mx_rmq/mx_rmq.hpp"

using mx_rmq::as_asio;
using mx_rmq::asio_handler;
namespace net = mx_rmq::asio_detail::net;

struct NoDefault {
  explicit NoDefault(int);
};

void all(net::io_context& io, mx_rmq::Task<int>& task, mx_rmq::Task<NoDefault> odd) {
  const auto token = [](auto&&...) {};
  // clang-format off
  as_asio(7, token);  // BAD: mx_rmq: as_asio takes a task of mx_rmq and a completion token: as_asio(queue.produce(...), use_awaitable)
  as_asio(task, token);  // BAD: mx_rmq: as_asio takes the task over: as_asio(std::move(task), token)
  as_asio(std::move(odd), token);  // BAD: mx_rmq: as_asio needs a task whose result has a default constructor
  (void)asio_handler(io, [](const nlohmann::json&) {});  // BAD: mx_rmq: asio_handler takes a function that returns awaitable<void>
  (void)asio_handler(io, [](const auto&) -> net::awaitable<void> { co_return; });  // BAD: mx_rmq: asio_handler takes a function that returns awaitable<void>
  (void)asio_handler(io, [](int, int) -> net::awaitable<void> { co_return; });  // BAD: mx_rmq: asio_handler takes a function that returns awaitable<void>
  // clang-format on
}
