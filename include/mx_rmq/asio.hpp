#pragma once

#include <concepts>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>

#if !defined(MX_RMQ_STANDALONE_ASIO) && __has_include(<boost/asio.hpp>)
#include <boost/asio.hpp>
#elif __has_include(<asio.hpp>)
#ifndef MX_RMQ_STANDALONE_ASIO
#define MX_RMQ_STANDALONE_ASIO
#endif
#include <asio.hpp>
#else
#error "mx_rmq/asio.hpp needs Boost.Asio (Debian: libboost-dev) or standalone Asio (libasio-dev)"
#endif

#include "mx_rmq/async.hpp"
#include "mx_rmq/detail/call_signature.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/task.hpp"

/// @file
/// For programs built on Asio: as_asio() awaits a task of this library there, asio_handler() makes
/// a handler of a coroutine of Asio. This header is optional: mx_rmq.hpp does not include it.
///
/// It takes Boost.Asio (from Boost 1.74 on) if that is there, else standalone Asio (from 1.18 on).
/// A program that has both and wants standalone Asio defines MX_RMQ_STANDALONE_ASIO in every source
/// that includes this. Cancellation needs Boost 1.77 or Asio 1.19, awaitables a compiler with which
/// Asio knows coroutines. For handlers that take a yield_context there is mx_rmq/asio_spawn.hpp.

#ifdef MX_RMQ_STANDALONE_ASIO
/// The namespace of what depends on which Asio it is.
#define MX_RMQ_ASIO_LIBRARY with_asio
#if ASIO_VERSION >= 101900
#define MX_RMQ_ASIO_CANCELS
#endif
#ifdef ASIO_HAS_CO_AWAIT
#define MX_RMQ_ASIO_AWAITS
#endif
#else
/// The namespace of what depends on which Asio it is.
#define MX_RMQ_ASIO_LIBRARY with_boost_asio
#if BOOST_ASIO_VERSION >= 101900
#define MX_RMQ_ASIO_CANCELS
#endif
#ifdef BOOST_ASIO_HAS_CO_AWAIT
#define MX_RMQ_ASIO_AWAITS
#endif
#endif

namespace mx_rmq {

/// What depends on which Asio it is: two sources of one program may take different ones.
inline namespace MX_RMQ_ASIO_LIBRARY {
namespace asio_detail {

#ifdef MX_RMQ_STANDALONE_ASIO
namespace net = ::asio;
using SystemError = std::system_error;
#else
namespace net = ::boost::asio;
using SystemError = boost::system::system_error;
#endif

/// A wait that an execution context has to end when it goes.
class Waiting {
 public:
  virtual ~Waiting() = default;
  /// Frees the completion handler without calling it.
  virtual void drop() noexcept = 0;
};

/// The waits whose handlers run in one execution context. A context that is destroyed drops them,
/// as it does those of its own operations; what they waited for goes on.
class Waits final : public net::execution_context::service {
 public:
  inline static net::execution_context::id id;

  explicit Waits(net::execution_context& context) : service(context) {}

  void add(std::shared_ptr<Waiting> wait) {
    const std::lock_guard lock(mutex_);
    Waiting* const key = wait.get();
    waits_.emplace(key, std::move(wait));
  }
  void remove(Waiting* wait) noexcept {
    std::shared_ptr<Waiting> last;  // freed without the lock
    const std::lock_guard lock(mutex_);
    if (const auto found = waits_.find(wait); found != waits_.end()) {
      last = std::move(found->second);
      waits_.erase(found);
    }
  }

 private:
  void shutdown() noexcept override {
    std::unordered_map<Waiting*, std::shared_ptr<Waiting>> dropped;
    {
      const std::lock_guard lock(mutex_);
      dropped.swap(waits_);
    }
    for (const auto& [key, wait] : dropped) wait->drop();
  }

  std::mutex mutex_;
  std::unordered_map<Waiting*, std::shared_ptr<Waiting>> waits_;
};

/// The context of an executor, where it tells.
template <class Executor>
net::execution_context* context_of(const Executor& executor) {
  using Asked = net::execution::context_as_t<net::execution_context&>;
  if constexpr (net::can_query_v<const Executor&, Asked>) {
    return &net::query(executor, Asked());
  } else if constexpr (requires { executor.context(); }) {
    return &executor.context();
  } else {
    return nullptr;
  }
}

/// One task awaited by a completion handler. The handler is called once, by its executor.
template <class Handler, class... Result>
class Wait final : public Waiting, public std::enable_shared_from_this<Wait<Handler, Result...>> {
 public:
  using Executor = net::associated_executor_t<Handler>;

  explicit Wait(Handler handler)
      : work_(net::make_work_guard(net::get_associated_executor(handler))),
        handler_(std::move(handler)) {}

  void enter() {
    auto* const context = context_of(work_.get_executor());
    if (context == nullptr) return;
    waits_ = &net::use_service<Waits>(*context);
    waits_->add(this->shared_from_this());
  }

  /// Any thread.
  void end(std::exception_ptr error, Result... result) {
    const auto self = this->shared_from_this();
    const std::lock_guard lock(mutex_);  // the context stays while it is held: see drop()
    if (!handler_) return;
    net::post(work_.get_executor(),
              Call{std::move(*handler_), std::move(error), std::tuple(std::move(result)...)});
    handler_.reset();
    work_.reset();
    if (waits_ != nullptr) waits_->remove(this);
  }
  void drop() noexcept override {
    std::optional<Handler> dropped;  // freed without the lock: it is the program's
    const std::lock_guard lock(mutex_);
    if (handler_) dropped.emplace(std::move(*handler_));
    handler_.reset();
    work_.reset();
  }

#ifdef MX_RMQ_ASIO_CANCELS
  auto cancellation_slot() { return net::get_associated_cancellation_slot(*handler_); }
#endif

 private:
  struct Call {
    void operator()() {
#ifdef MX_RMQ_ASIO_CANCELS
      if (auto slot = net::get_associated_cancellation_slot(handler); slot.is_connected())
        slot.clear();
#endif
      std::apply(
          [this](auto&... values) { std::move(handler)(std::move(error), std::move(values)...); },
          result);
    }
    Handler handler;
    std::exception_ptr error;
    std::tuple<Result...> result;
  };

  std::mutex mutex_;
  net::executor_work_guard<Executor> work_;
  std::optional<Handler> handler_;
  Waits* waits_ = nullptr;
};

/// Ends as the task does, or, once the token has fired, as Asio's own operations do that were
/// cancelled.
template <class T>
Task<T> cancellable(Task<T> task, std::stop_token token) {
  auto wait = stoppable(std::move(task), std::move(token));
  bool stopped = false;
  try {
    co_return co_await std::move(wait);
  } catch (const Stopped&) {
    stopped = true;
  }
  if (stopped) throw SystemError(net::error::make_error_code(net::error::operation_aborted));
  std::terminate();  // one of the two
}

/// Begins a task for a completion handler.
template <class T>
struct Begin {
  template <class Handler>
  void operator()(Handler handler, Task<T> task) const {
    if constexpr (std::is_void_v<T>) {
      const auto wait = std::make_shared<Wait<Handler>>(std::move(handler));
      spawn(made_cancellable(*wait, std::move(task)),
            [wait](std::exception_ptr error) { wait->end(std::move(error)); });
    } else {
      const auto wait = std::make_shared<Wait<Handler, T>>(std::move(handler));
      const auto slot = std::make_shared<std::optional<T>>();
      spawn(mx_rmq::detail::store(made_cancellable(*wait, std::move(task)), slot),
            [wait, slot](std::exception_ptr error) {
              wait->end(std::move(error), slot->has_value() ? std::move(**slot) : T());
            });
    }
  }

 private:
  template <class Waiting>
  static Task<T> made_cancellable(Waiting& wait, Task<T> task) {
    wait.enter();
#ifdef MX_RMQ_ASIO_CANCELS
    auto slot = wait.cancellation_slot();
    if (slot.is_connected()) {
      std::stop_source source;
      auto cancelled = cancellable(std::move(task), source.get_token());
      slot.assign([source](net::cancellation_type) mutable { source.request_stop(); });
      return cancelled;
    }
#endif
    return task;
  }
};

template <class T>
struct CompletionSignature {
  using type = void(std::exception_ptr, T);
};
template <>
struct CompletionSignature<void> {
  using type = void(std::exception_ptr);
};

template <class T>
concept HasDefault = std::is_void_v<T> || std::default_initializable<T>;

}  // namespace asio_detail

/// Awaits a task of this library as an operation of Asio, with any completion token:
///
///     const std::string id = co_await as_asio(queue.produce("t", order), use_awaitable);
///     std::future<std::string> id = as_asio(queue.produce("t", order), use_future);
///     as_asio(queue.produce("t", order), [](std::exception_ptr error, std::string id) { ... });
///
/// The completion handler gets what the task threw and what it gave (a T of its own where it threw)
/// and is called by its associated executor, never on the loop thread of a Runtime; without one, by
/// the system executor. The executor's context has outstanding work until then; if it is destroyed,
/// the handler is dropped and the task goes on. A cancellation slot, where Asio has them, ends the
/// wait with operation_aborted, for every type of cancellation; what was sent goes on, so of a
/// produce, say, it is not known whether it will have happened.
///
/// Throws std::logic_error for an empty task.
template <class T, class Token>
auto as_asio(Task<T>&& task, Token&& token) {
  static_assert(asio_detail::HasDefault<T>,
                "mx_rmq: as_asio needs a task whose result has a default constructor, as Asio "
                "passes one beside an error: wrap it, in a std::optional say");
  if constexpr (asio_detail::HasDefault<T>) {
    if (!task) throw std::logic_error("mx_rmq: as_asio: the task is empty");
    using Signature = typename asio_detail::CompletionSignature<T>::type;
    return asio_detail::net::async_initiate<Token, Signature>(asio_detail::Begin<T>(), token,
                                                              std::move(task));
  }
}
/// Does not compile: only tasks of this library are awaited by it.
template <class Other, class Token>
void as_asio(Other&&, Token&&) {
  static_assert(mx_rmq::detail::is_task<std::remove_cvref_t<Other>>,
                "mx_rmq: as_asio takes a task of mx_rmq and a completion token: "
                "as_asio(queue.produce(...), use_awaitable)");
  static_assert(!mx_rmq::detail::is_task<std::remove_cvref_t<Other>>,
                "mx_rmq: as_asio takes the task over: as_asio(std::move(task), token)");
}

namespace asio_detail {

/// How a run of a handler is begun and, where Asio can, cancelled: in a strand of its own, so that
/// the two do not meet.
template <class Executor>
class RunStrand : public std::enable_shared_from_this<RunStrand<Executor>> {
 public:
  explicit RunStrand(const Executor& executor) : strand_(net::make_strand(executor)) {}

  const net::strand<Executor>& executor() const noexcept { return strand_; }

#ifdef MX_RMQ_ASIO_CANCELS
  net::cancellation_slot slot() { return signal_.slot(); }
  void cancel() {
    net::post(strand_, [self = this->shared_from_this()] {
      self->signal_.emit(net::cancellation_type::terminal);
    });
  }
#else
  void cancel() {}
#endif
  /// Cancels the run when the token fires, which may be now: the run has been begun.
  void watch(std::stop_token token) { watch_.emplace(std::move(token), Cancel{this}); }
  void unwatch() { watch_.reset(); }

 private:
  struct Cancel {
    void operator()() const { strand->cancel(); }
    RunStrand* strand;
  };

  net::strand<Executor> strand_;
#ifdef MX_RMQ_ASIO_CANCELS
  net::cancellation_signal signal_;
#endif
  std::optional<std::stop_callback<Cancel>> watch_;
};

/// Tells the library how a run ended. Dropped without a call, it tells that.
struct Ended {
  void operator()(const std::exception_ptr& error) const {
    if (error) {
      done.fail(error);
    } else {
      done();
    }
  }
  Completion<void> done;
};

/// Begins a run by `begin`, and ends when that has ended. A strand must not outlive its context, so
/// nothing of it is left then.
template <class Begin, class Executor>
Task<> until_ended(Begin begin, std::shared_ptr<RunStrand<Executor>> strand) {
  auto ended = from_callback<void>(std::move(begin));
  std::exception_ptr error;
  try {
    co_await std::move(ended);
  } catch (...) {
    error = std::current_exception();
  }
  strand->unwatch();
  strand.reset();  // here, as the context may be about to go
  if (error) std::rethrow_exception(error);
}

/// What a handler of the library is that hands its runs to `Way`, by f's argument list.
template <class Way, class Executor, class F, class Arguments>
class RunsOn;

template <class Way, class Executor, class F>
class RunsOn<Way, Executor, F, mx_rmq::detail::ArgumentList<Context&>> {
 public:
  RunsOn(Executor executor, F f) : executor_(executor), f_(std::make_shared<F>(std::move(f))) {}
  Task<> operator()(Context& context) const {
    return Way::run(executor_, context.stop_token(), [f = f_, of = &context](auto&&... more) {
      return (*f)(*of, std::forward<decltype(more)>(more)...);
    });
  }

 private:
  Executor executor_;
  std::shared_ptr<F> f_;
};

template <class Way, class Executor, class F, class Payload>
class RunsOn<Way, Executor, F, mx_rmq::detail::ArgumentList<Payload>> {
 public:
  RunsOn(Executor executor, F f) : executor_(executor), f_(std::make_shared<F>(std::move(f))) {}
  // A reference is to the message's own payload, which lives as long as the run.
  Task<> operator()(Payload payload, Context& context) const {
    const auto held = std::make_shared<std::tuple<Payload>>(std::forward<Payload>(payload));
    return Way::run(executor_, context.stop_token(), [f = f_, held](auto&&... more) {
      return (*f)(std::get<0>(std::move(*held)), std::forward<decltype(more)>(more)...);
    });
  }

 private:
  Executor executor_;
  std::shared_ptr<F> f_;
};

template <class Way, class Executor, class F, class Payload>
class RunsOn<Way, Executor, F, mx_rmq::detail::ArgumentList<Payload, Context&>> {
 public:
  RunsOn(Executor executor, F f) : executor_(executor), f_(std::make_shared<F>(std::move(f))) {}
  Task<> operator()(Payload payload, Context& context) const {
    const auto held = std::make_shared<std::tuple<Payload>>(std::forward<Payload>(payload));
    return Way::run(executor_, context.stop_token(), [f = f_, held, of = &context](auto&&... more) {
      return (*f)(std::get<0>(std::move(*held)), *of, std::forward<decltype(more)>(more)...);
    });
  }

 private:
  Executor executor_;
  std::shared_ptr<F> f_;
};

/// Whether the library takes a handler with these arguments.
template <class Arguments>
inline constexpr bool are_handler_arguments = false;
template <class First>
inline constexpr bool are_handler_arguments<mx_rmq::detail::ArgumentList<First>> = true;
template <class First>
inline constexpr bool are_handler_arguments<mx_rmq::detail::ArgumentList<First, Context&>> =
    !std::is_same_v<First, Context&>;

template <class F>
concept ToldByItsType = mx_rmq::detail::CallSignature<F>::known;

template <class Arguments, class F>
struct ResultOf;
template <class... A, class F>
struct ResultOf<mx_rmq::detail::ArgumentList<A...>, F> {
  using type = std::invoke_result_t<F&, A...>;
};

template <class T>
inline constexpr bool is_awaitable_of_nothing = false;

#ifdef MX_RMQ_ASIO_AWAITS
template <class Executor>
inline constexpr bool is_awaitable_of_nothing<net::awaitable<void, Executor>> = true;

/// A coroutine of Asio.
struct AsAwaitable {
  template <class Executor, class Start>
  static Task<> run(const Executor& executor, std::stop_token token, Start start) {
    auto made = std::make_shared<RunStrand<Executor>>(executor);
    auto begin = [own = made, start = std::move(start),
                  token = std::move(token)](Completion<void> done) mutable {
      const auto strand = std::move(own);
      // What cancels it lives as long as the coroutine's frame.
      auto run = [strand, start = std::move(start)]() mutable { return start(); };
#ifdef MX_RMQ_ASIO_CANCELS
      net::co_spawn(strand->executor(), std::move(run),
                    net::bind_cancellation_slot(strand->slot(), Ended{std::move(done)}));
#else
      net::co_spawn(strand->executor(), std::move(run), Ended{std::move(done)});
#endif
      strand->watch(std::move(token));
    };
    return until_ended(std::move(begin), std::move(made));
  }
};
#endif

template <class F>
constexpr bool is_awaitable_handler() {
  if constexpr (ToldByItsType<F>) {
    using Arguments = typename mx_rmq::detail::CallSignature<F>::arguments;
    if constexpr (are_handler_arguments<Arguments>)
      return is_awaitable_of_nothing<typename ResultOf<Arguments, F>::type>;
  }
  return false;
}

/// An io_context may be given for its executor.
template <class ExecutorOrContext>
auto executor_of(ExecutorOrContext& given) {
  if constexpr (std::is_convertible_v<ExecutorOrContext&, net::execution_context&>) {
    return given.get_executor();
  } else {
    return given;
  }
}

}  // namespace asio_detail

/// Makes a handler for register_handler of a coroutine of Asio: a function that returns
/// `awaitable<void>` and takes what handlers take, with the types written out.
///
///     queue.register_handler("orders", asio_handler(io, [](const json& order) -> awaitable<void> {
///       ...
///     }));
///
/// `executor` (or an io_context) runs the coroutine, each run in a strand of its own. How it ends
/// counts as for any handler. When the stop token of its Context fires, the coroutine is cancelled
/// (terminal), where Asio can. f is called by the executor; it, its captures and the payload live
/// until the run has ended. The executor's context must be running, or runs end at their deadline;
/// what it was running when it is destroyed counts as failed.
template <class ExecutorOrContext, class F>
auto asio_handler([[maybe_unused]] ExecutorOrContext&& executor, [[maybe_unused]] F f) {
  constexpr bool fits = asio_detail::is_awaitable_handler<F>();
#ifdef MX_RMQ_ASIO_AWAITS
  static_assert(
      fits,
      "mx_rmq: asio_handler takes a function that returns awaitable<void> and takes, with "
      "the types written out, (const nlohmann::json&), (Context&), (T), or one of the two "
      "payloads and (Context&); for one that takes a yield_context include "
      "mx_rmq/asio_spawn.hpp");
  if constexpr (fits) {
    auto own = asio_detail::executor_of(executor);
    return asio_detail::RunsOn<asio_detail::AsAwaitable, decltype(own), F,
                               typename mx_rmq::detail::CallSignature<F>::arguments>(std::move(own),
                                                                                     std::move(f));
  }
#else
  static_assert(fits, "mx_rmq: this Asio knows no coroutines with this compiler");
#endif
}

}  // namespace MX_RMQ_ASIO_LIBRARY
}  // namespace mx_rmq
