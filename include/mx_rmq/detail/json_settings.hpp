#pragma once

#include <nlohmann/json_fwd.hpp>
#include <type_traits>

// With JSON_DIAGNOSTICS nlohmann::json is another type, in size and in name, and so it is in
// another version of nlohmann_json. A program that differs from the library it is linked with would
// get undefined references to functions that are plainly there; this says what is wrong instead.

#if defined(JSON_DIAGNOSTICS) && JSON_DIAGNOSTICS
#define MX_RMQ_DETAIL_JSON_DIAGNOSTICS 1
#else
#define MX_RMQ_DETAIL_JSON_DIAGNOSTICS 0
#endif

// The package files say how the library was compiled.
#if defined(MX_RMQ_JSON_DIAGNOSTICS) && MX_RMQ_JSON_DIAGNOSTICS != MX_RMQ_DETAIL_JSON_DIAGNOSTICS
#if MX_RMQ_JSON_DIAGNOSTICS
#error \
    "mx_rmq was compiled with JSON_DIAGNOSTICS=1 and this program is not, so that nlohmann::json \
is another type in each: define it here too, or build mx_rmq without it, or use mx_rmq::header_only"
#else
#error \
    "this program is compiled with JSON_DIAGNOSTICS=1 and mx_rmq was not, so that nlohmann::json \
is another type in each: build mx_rmq with it too, or leave it out here, or use mx_rmq::header_only"
#endif
#endif

namespace mx_rmq::detail {

using JsonDiagnostics = std::bool_constant<MX_RMQ_DETAIL_JSON_DIAGNOSTICS>;

/// Of the library; its name is for those who read it in the linker's message. Does nothing.
void program_and_library_differ_in_JSON_DIAGNOSTICS_or_version_of_nlohmann_json(
    const nlohmann::json* type, JsonDiagnostics diagnostics);

// Whatever includes this asks the linker for it; what is not linked with mx_rmq defines the macro.
#ifndef MX_RMQ_NO_JSON_CHECK_AT_LINK
[[gnu::used]] inline constexpr auto* json_settings =
    &program_and_library_differ_in_JSON_DIAGNOSTICS_or_version_of_nlohmann_json;
#endif

}  // namespace mx_rmq::detail

#undef MX_RMQ_DETAIL_JSON_DIAGNOSTICS
