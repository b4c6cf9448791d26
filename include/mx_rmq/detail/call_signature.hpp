#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace mx_rmq::detail {

template <class... A>
struct ArgumentList {
  static constexpr std::size_t size = sizeof...(A);
  template <std::size_t I>
  using at = std::tuple_element_t<I, std::tuple<A...>>;
};

/// The parameter types of a callable where they are written out: a function pointer, or an object
/// with one operator() that is no template. `known` is false for everything else.
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
struct CallSignature : UnknownSignature {};

template <class R, class... A>
struct CallSignature<R (*)(A...)> : KnownSignature<true, A...> {};
template <class R, class... A>
struct CallSignature<R (*)(A...) noexcept> : KnownSignature<true, A...> {};

template <class H>
  requires requires { &H::operator(); }
struct CallSignature<H> : MemberSignature<decltype(&H::operator())> {};

}  // namespace mx_rmq::detail
