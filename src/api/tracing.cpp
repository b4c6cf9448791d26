#include "mx_rmq/tracing.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace mx_rmq {
namespace {

bool lower_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool all_zero(std::string_view text) noexcept {
  return text.find_first_not_of('0') == std::string_view::npos;
}

// https://www.w3.org/TR/trace-context/#traceparent-header: later versions may append fields.
bool is_traceparent(std::string_view text) noexcept {
  constexpr std::size_t least = 55;
  if (text.size() < least || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view span = text.substr(36, 16);
  if (!lower_hex(version) || !lower_hex(trace) || !lower_hex(span) ||
      !lower_hex(text.substr(53, 2)))
    return false;
  if (version == "ff" || all_zero(trace) || all_zero(span)) return false;
  return version == "00" ? text.size() == least : text.size() == least || text[least] == '-';
}

std::string header_of(const std::map<std::string, std::string>& headers, const char* name) {
  const auto at = headers.find(name);
  return at == headers.end() ? std::string() : at->second;
}

}  // namespace

TraceContext::TraceContext() = default;

TraceContext::TraceContext(const std::map<std::string, std::string>& headers)
    : traceparent(header_of(headers, "traceparent")) {
  if (is_traceparent(traceparent)) {
    tracestate = header_of(headers, "tracestate");
  } else {
    traceparent.clear();
  }
}

SpanAttribute::SpanAttribute(std::string attribute_name,
                             std::variant<std::int64_t, bool, std::string> is)
    : name(std::move(attribute_name)), value(std::move(is)) {}

SpanStart::SpanStart() = default;

Span::Span() = default;
Span::~Span() = default;
void Span::run(const std::function<void()>& work) { work(); }

Tracer::Tracer() = default;
Tracer::~Tracer() = default;

}  // namespace mx_rmq
