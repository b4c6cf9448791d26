#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "mx_rmq/detail/call_signature.hpp"
#include "mx_rmq/detail/payload_decode_error.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq::detail {

/// A handler in the form workers keep: one of the two functions is set. Copyable; copies share the
/// handler object. Each function may be called again while earlier runs are under way.
struct ErasedHandler {
  ErasedHandler() {}

  bool blocking = false;
  /// Not blocking: the run, as a task that keeps handler, context and decoded payload alive by
  /// itself.
  std::function<Task<>(std::shared_ptr<Context>)> coroutine;
  /// Blocking: the run. The context must live until it returns.
  std::function<void(Context&)> plain;
};

/// What a handler is called with.
enum class HandlerArguments { none, payload, context, payload_and_context };

/// What the handler is really given: the message's own json, or a T made for this run.
template <class T>
using PassedPayload = std::conditional_t<std::is_void_v<T>, const nlohmann::json&, T>;

/// The payload as a T. A T of its own for each run.
template <class T>
T decode_payload_as(const nlohmann::json& payload) {
  try {
    return payload.get<T>();
  } catch (const std::bad_alloc&) {
    throw;  // says nothing about the payload
  } catch (const std::exception& error) {
    throw PayloadDecodeError(std::string("payload does not decode: ") + error.what());
  } catch (...) {
    throw PayloadDecodeError(
        "payload does not decode: from_json threw something that is no std::exception");
  }
}

/// By value or as a const reference, nothing else.
template <class Parameter, class P>
inline constexpr bool takes_payload =
    std::is_same_v<Parameter, P> || std::is_same_v<Parameter, const P&>;

/// Which of the allowed argument lists `Arguments` is, the payload being a P.
template <class T, class Arguments>
constexpr HandlerArguments match_arguments() {
  using P = std::conditional_t<std::is_void_v<T>, nlohmann::json, T>;
  if constexpr (Arguments::size == 1) {
    using First = typename Arguments::template at<0>;
    if constexpr (takes_payload<First, P>) return HandlerArguments::payload;
    if constexpr (std::is_void_v<T> && std::is_same_v<First, Context&>)
      return HandlerArguments::context;
  } else if constexpr (Arguments::size == 2) {
    using First = typename Arguments::template at<0>;
    using Second = typename Arguments::template at<1>;
    if constexpr (takes_payload<First, P> && std::is_same_v<Second, Context&>)
      return HandlerArguments::payload_and_context;
  }
  return HandlerArguments::none;
}

/// For callables whose parameter types are not written out (generic lambdas, overloads): with two
/// arguments, or with one where T says what it is, there is one reading; every other is ambiguous
/// and is not even tried, because trying instantiates the body.
template <class T, class H>
constexpr HandlerArguments probe_arguments() {
  using Passed = PassedPayload<T>;
  if constexpr (std::is_invocable_v<H&, Passed, Context&>) {
    constexpr bool one_as_well = std::is_invocable_v<H&, Passed>;
    return one_as_well ? HandlerArguments::none : HandlerArguments::payload_and_context;
  } else if constexpr (!std::is_void_v<T>) {
    return std::is_invocable_v<H&, Passed> ? HandlerArguments::payload : HandlerArguments::none;
  } else {
    return HandlerArguments::none;
  }
}

/// std::bind's result ignores arguments that it does not name, so the shorter list is what it
/// takes.
template <class T, class H>
constexpr HandlerArguments probe_bind_expression() {
  using Passed = PassedPayload<T>;
  constexpr bool payload = std::is_invocable_v<H&, Passed>;
  constexpr bool context = std::is_void_v<T> && std::is_invocable_v<H&, Context&>;
  if constexpr (payload || context) {
    if (payload && context) return HandlerArguments::none;
    return payload ? HandlerArguments::payload : HandlerArguments::context;
  } else {
    return std::is_invocable_v<H&, Passed, Context&> ? HandlerArguments::payload_and_context
                                                     : HandlerArguments::none;
  }
}

/// A bound object may be one that the function cannot be called on.
template <class T, class H, HandlerArguments Arguments>
inline constexpr bool is_callable_with = false;
template <class T, class H>
inline constexpr bool is_callable_with<T, H, HandlerArguments::payload> =
    std::is_invocable_v<H&, PassedPayload<T>>;
template <class T, class H>
inline constexpr bool is_callable_with<T, H, HandlerArguments::context> =
    std::is_invocable_v<H&, Context&>;
template <class T, class H>
inline constexpr bool is_callable_with<T, H, HandlerArguments::payload_and_context> =
    std::is_invocable_v<H&, PassedPayload<T>, Context&>;

template <class T, class H>
constexpr HandlerArguments arguments_of() {
  using Signature = CallSignature<H>;
  if constexpr (std::is_bind_expression_v<H>) {
    return probe_bind_expression<T, H>();
  } else if constexpr (!Signature::known) {
    return probe_arguments<T, H>();
  } else if constexpr (!Signature::lvalue_callable) {
    return HandlerArguments::none;
  } else {
    constexpr HandlerArguments arguments = match_arguments<T, typename Signature::arguments>();
    return is_callable_with<T, H, arguments> ? arguments : HandlerArguments::none;
  }
}

/// Its type does not tell what it takes.
template <class H>
inline constexpr bool is_open_callable = std::is_class_v<H> && !CallSignature<H>::known;

template <class T, class H, HandlerArguments Arguments>
struct HandlerResult {
  using type = std::invoke_result_t<H&, PassedPayload<T>, Context&>;
};
template <class T, class H>
struct HandlerResult<T, H, HandlerArguments::payload> {
  using type = std::invoke_result_t<H&, PassedPayload<T>>;
};
template <class T, class H>
struct HandlerResult<T, H, HandlerArguments::context> {
  using type = std::invoke_result_t<H&, Context&>;
};
template <class T, class H>
struct HandlerResult<T, H, HandlerArguments::none> {
  struct type {};
};

template <class T, class H>
using handler_result_t = typename HandlerResult<T, H, arguments_of<T, H>()>::type;

/// True if H is one of the allowed forms of a handler for payloads of type T (void: json).
template <class T, class H>
inline constexpr bool is_handler =
    arguments_of<T, H>() != HandlerArguments::none &&
    (std::is_void_v<handler_result_t<T, H>> || std::is_same_v<handler_result_t<T, H>, Task<>>);

/// Calls the handler. `payload` is this run's own, kept by the caller until the run has ended.
template <HandlerArguments Arguments, class H, class P>
decltype(auto) call_handler(H& handler, P&& payload, Context& context) {
  if constexpr (Arguments == HandlerArguments::payload) {
    return handler(std::forward<P>(payload));
  } else if constexpr (Arguments == HandlerArguments::context) {
    return handler(context);
  } else {
    return handler(std::forward<P>(payload), context);
  }
}

/// One run of a coroutine handler. Its frame keeps alive whatever the handler's own frame may refer
/// to: a lambda's captures live in the handler object, not in its coroutine.
template <class T, HandlerArguments Arguments, class H>
Task<> run_handler(std::shared_ptr<H> handler, std::shared_ptr<Context> context) {
  if constexpr (std::is_void_v<T>) {
    Task<> run = call_handler<Arguments>(*handler, context->message().payload, *context);
    co_await std::move(run);
  } else {
    T payload = decode_payload_as<T>(context->message().payload);
    Task<> run = call_handler<Arguments>(*handler, std::move(payload), *context);
    co_await std::move(run);
  }
}

/// One run of a blocking handler.
template <class T, HandlerArguments Arguments, class H>
void call_blocking(H& handler, Context& context) {
  if constexpr (std::is_void_v<T>) {
    call_handler<Arguments>(handler, context.message().payload, context);
  } else {
    T payload = decode_payload_as<T>(context.message().payload);
    call_handler<Arguments>(handler, std::move(payload), context);
  }
}

/// True for a null function pointer and for an empty std::function and the like.
template <class H>
bool is_null_handler(const H& handler) {
  if constexpr (std::is_pointer_v<H>) {
    return handler == nullptr;
  } else if constexpr (requires {
                         { handler.operator bool() } -> std::same_as<bool>;
                       }) {
    return !handler.operator bool();
  } else {
    return false;
  }
}

template <class T>
concept DecodablePayload =
    std::is_void_v<T> || requires(const nlohmann::json& payload) { payload.template get<T>(); };

/// Checks a handler at compile time and wraps it. T: type of the payload, void for json as it is.
/// Note that nlohmann's own conversions to integers truncate silently (a payload of 2^40 read as
/// int is 0): range checks are from_json(T)'s. Throws std::invalid_argument for a null handler.
template <class T = void, class H>
ErasedHandler erase_handler(H handler) {
  static_assert(is_handler<T, H> || !std::is_member_function_pointer_v<H>,
                "mx_rmq: a member function is a handler only together with its object: "
                "std::bind_front(&Service::handle, &service), or a lambda that calls it");
  static_assert(
      is_handler<T, H> || !is_open_callable<H>,
      "mx_rmq: what a handler takes must be told by its type, and the call operator of "
      "this one is a template, overloaded or missing: write the types out, as in "
      "[](const nlohmann::json& payload) { ... } or [](mx_rmq::Context& context) { ... }");
  static_assert(is_handler<T, H> || is_open_callable<H> || std::is_member_function_pointer_v<H>,
                "mx_rmq: a handler returns Task<> (a coroutine, runs on the loop) or void (may "
                "block, runs on the blocking pool) and takes, with the types written out, "
                "(const nlohmann::json&), (Context&) or (const nlohmann::json&, Context&); "
                "registered for a payload type T it takes (T) or (T, Context&), T by value or as "
                "const T&");
  static_assert(!is_handler<T, H> || DecodablePayload<T>,
                "mx_rmq: the payload type T needs from_json(const nlohmann::json&, T&) in its "
                "namespace and a default constructor (or a specialised nlohmann::adl_serializer)");
  ErasedHandler erased;
  if constexpr (is_handler<T, H> && DecodablePayload<T>) {
    if (is_null_handler(handler)) throw std::invalid_argument("handler: it is null");
    constexpr HandlerArguments arguments = arguments_of<T, H>();
    auto shared = std::make_shared<H>(std::move(handler));
    erased.blocking = std::is_void_v<handler_result_t<T, H>>;
    if constexpr (std::is_void_v<handler_result_t<T, H>>) {
      erased.plain = [shared](Context& context) { call_blocking<T, arguments>(*shared, context); };
    } else {
      erased.coroutine = [shared](std::shared_ptr<Context> context) {
        return run_handler<T, arguments>(shared, std::move(context));
      };
    }
  }
  return erased;
}

}  // namespace mx_rmq::detail
