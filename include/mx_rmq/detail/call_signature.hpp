#pragma once

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mx_rmq::detail {

template <class... A>
struct ArgumentList {
  static constexpr std::size_t size = sizeof...(A);
  template <std::size_t I>
  using at = std::tuple_element_t<I, std::tuple<A...>>;
};

/// The parameter types of a callable where they are written out: a function pointer, or an object
/// with one operator() that is no template; and what std::ref and std::bind_front make of such.
/// `known` is false for everything else.
struct UnknownSignature {
  static constexpr bool known = false;
};

template <bool LvalueCallable, class... A>
struct KnownSignature {
  static constexpr bool known = true;
  /// False if it may only be called on a temporary (operator() &&).
  static constexpr bool lvalue_callable = LvalueCallable;
  using arguments = ArgumentList<A...>;
};

template <class>
struct MemberSignature : UnknownSignature {};

// clang-format off
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...)> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) const> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) &> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) const&> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) &&> : KnownSignature<false, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) const&&> : KnownSignature<false, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) noexcept> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) const noexcept> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) & noexcept> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) const& noexcept> : KnownSignature<true, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) && noexcept> : KnownSignature<false, A...> {};
template <class R, class C, class... A> struct MemberSignature<R (C::*)(A...) const&& noexcept> : KnownSignature<false, A...> {};
// clang-format on

template <class H>
struct CallSignature;

/// What is left of a signature when the first `N` arguments are given already.
template <std::size_t N, bool LvalueCallable, class Arguments>
struct WithoutFirst : UnknownSignature {};
template <bool LvalueCallable, class... A>
struct WithoutFirst<0, LvalueCallable, ArgumentList<A...>> : KnownSignature<LvalueCallable, A...> {
};
template <std::size_t N, bool LvalueCallable, class First, class... Rest>
  requires(N > 0)
struct WithoutFirst<N, LvalueCallable, ArgumentList<First, Rest...>>
    : WithoutFirst<N - 1, LvalueCallable, ArgumentList<Rest...>> {};

/// Of `F` called with `Bound` values in front; a member function takes its object first.
template <class F, std::size_t Bound>
struct BoundSignature : UnknownSignature {};
template <class F, std::size_t Bound>
  requires(CallSignature<F>::known)
struct BoundSignature<F, Bound>
    : WithoutFirst<Bound, CallSignature<F>::lvalue_callable, typename CallSignature<F>::arguments> {
};
template <class F, std::size_t Bound>
  requires(std::is_member_function_pointer_v<F> && MemberSignature<F>::known && Bound > 0)
struct BoundSignature<F, Bound>
    : WithoutFirst<Bound - 1, true, typename MemberSignature<F>::arguments> {};

/// Anything else, or std::bind_front's result, whatever the standard library calls it.
template <class H>
struct WrappedSignature : UnknownSignature {};
template <template <class...> class Wrapper, class F, class... Bound>
  requires std::is_same_v<Wrapper<F, Bound...>,
                          decltype(std::bind_front(std::declval<F>(), std::declval<Bound>()...))>
struct WrappedSignature<Wrapper<F, Bound...>> : BoundSignature<F, sizeof...(Bound)> {};

template <class H>
struct CallSignature : WrappedSignature<H> {};

template <class R, class... A>
struct CallSignature<R (*)(A...)> : KnownSignature<true, A...> {};
template <class R, class... A>
struct CallSignature<R (*)(A...) noexcept> : KnownSignature<true, A...> {};

template <class H>
  requires requires { &H::operator(); }
struct CallSignature<H> : MemberSignature<decltype(&H::operator())> {};

template <class F>
struct CallSignature<std::reference_wrapper<F>> : CallSignature<F> {};
template <class R, class... A>
struct CallSignature<std::reference_wrapper<R(A...)>> : KnownSignature<true, A...> {};
template <class R, class... A>
struct CallSignature<std::reference_wrapper<R(A...) noexcept>> : KnownSignature<true, A...> {};

}  // namespace mx_rmq::detail
