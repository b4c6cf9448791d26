#pragma once

#include "mx_rmq/asio.hpp"

#ifdef MX_RMQ_STANDALONE_ASIO
#include <asio/spawn.hpp>
#if ASIO_VERSION >= 102400
#define MX_RMQ_ASIO_SPAWN_COMPLETES
#endif
#else
#include <boost/asio/spawn.hpp>
#if BOOST_ASIO_VERSION >= 102400
#define MX_RMQ_ASIO_SPAWN_COMPLETES
#endif
#endif
#ifndef MX_RMQ_ASIO_SPAWN_COMPLETES
#include <boost/coroutine/exceptions.hpp>
#endif

/// @file
/// asio_handler() for functions that take a yield_context of Asio. Asio's spawn() needs
/// Boost.Coroutine and Boost.Context (Debian: libboost-coroutine-dev, libboost-context-dev), newer
/// versions only the latter; a program links them as it does for that.
namespace mx_rmq {
inline namespace MX_RMQ_ASIO_LIBRARY {
namespace asio_detail {

/// What stands in front of the yield_context that an argument list ends with.
template <class Before, class... Rest>
struct BeforeYield {
  static constexpr bool found = false;
};
template <class... Before, class Last>
struct BeforeYield<mx_rmq::detail::ArgumentList<Before...>, Last> {
  static constexpr bool found = std::is_same_v<std::remove_cvref_t<Last>, net::yield_context>;
  using arguments = mx_rmq::detail::ArgumentList<Before...>;
};
template <class... Before, class First, class Second, class... Rest>
struct BeforeYield<mx_rmq::detail::ArgumentList<Before...>, First, Second, Rest...>
    : BeforeYield<mx_rmq::detail::ArgumentList<Before..., First>, Second, Rest...> {};

template <class Arguments>
struct WithoutYield;
template <class... A>
struct WithoutYield<mx_rmq::detail::ArgumentList<A...>>
    : BeforeYield<mx_rmq::detail::ArgumentList<>, A...> {};

template <class F>
constexpr bool takes_yield() {
  if constexpr (ToldByItsType<F>) {
    return WithoutYield<typename mx_rmq::detail::CallSignature<F>::arguments>::found;
  } else {
    return false;
  }
}

/// A stackful coroutine of Asio.
struct AsStackful {
  template <class Executor, class Start>
  static Task<> run(const Executor& executor, std::stop_token, Start start) {
    auto made = std::make_shared<RunStrand<Executor>>(executor);
    auto begin = [own = made, start = std::move(start)](Completion<void> done) mutable {
      const auto strand = std::move(own);
      begin_on(net::any_io_executor(strand->executor()), start, Ended{std::move(done)});
    };
    return until_ended(std::move(begin), std::move(made));
  }

 private:
#ifdef MX_RMQ_ASIO_SPAWN_COMPLETES
  template <class Start>
  static void begin_on(net::any_io_executor executor, Start start, Ended ended) {
    net::spawn(
        executor, [start = std::move(start)](net::yield_context yield) { start(yield); },
        std::move(ended));
  }
#else
  template <class Start>
  static void begin_on(net::any_io_executor executor, Start start, Ended ended) {
    void (*const nothing)() = [] {};
    net::spawn(net::bind_executor(executor, nothing),
               [start = std::move(start), ended = std::move(ended)](net::yield_context yield) {
                 std::exception_ptr error;
                 try {
                   start(yield);
                 } catch (const boost::coroutines::detail::forced_unwind&) {
                   throw;  // its context goes, and the stack with it
                 } catch (...) {
                   error = std::current_exception();
                 }
                 ended(error);
               });
  }
#endif
};

}  // namespace asio_detail

/// Makes a handler for register_handler of a function that takes what handlers take, with the types
/// written out, and a yield_context behind that:
///
///     auto handle = [](const json& order, yield_context yield) { timer.async_wait(yield); };
///     queue.register_handler("orders", asio_handler(io, handle));
///
/// It runs as a stackful coroutine on `executor` (or an io_context), each run in a strand of its
/// own. How it ends counts as for any handler; the stop token of its Context cancels nothing.
template <class ExecutorOrContext, class F>
  requires(asio_detail::takes_yield<F>())
auto asio_handler(ExecutorOrContext&& executor, F f) {
  using Arguments = typename asio_detail::WithoutYield<
      typename mx_rmq::detail::CallSignature<F>::arguments>::arguments;
  constexpr bool fits = asio_detail::are_handler_arguments<Arguments>;
  static_assert(fits,
                "mx_rmq: a function with a yield_context takes in front of it, with the types "
                "written out, (const nlohmann::json&), (Context&), (T), or one of the two payloads "
                "and (Context&)");
  if constexpr (fits) {
    auto own = asio_detail::executor_of(executor);
    return asio_detail::RunsOn<asio_detail::AsStackful, decltype(own), F, Arguments>(std::move(own),
                                                                                     std::move(f));
  }
}

}  // namespace MX_RMQ_ASIO_LIBRARY
}  // namespace mx_rmq
