#include "mx_rmq/detail/json_settings.hpp"

namespace mx_rmq::detail {

void program_and_library_differ_in_JSON_DIAGNOSTICS_or_version_of_nlohmann_json(
    const nlohmann::json* /*type*/, JsonDiagnostics /*diagnostics*/) {}

}  // namespace mx_rmq::detail
