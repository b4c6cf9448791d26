#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text made safe to show: in log lines and in the messages of errors. Pure functions.
namespace mx_rmq::runtime::text {

/// Appends `text` with everything escaped that could move a terminal's cursor, end a line or is not
/// UTF-8: C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides, and
/// stray bytes. Newline, return and tab become \n \r \t; other bytes \xNN. Backslashes are left
/// alone.
void append_escaped(std::string& out, std::string_view text);

/// The same, at most `max_bytes` of it as it is appended, then "...".
void append_shortened(std::string& out, std::string_view text, std::size_t max_bytes);

/// Appends `text` as the value of a key=value pair: as it is if it is one plain word, else escaped
/// in double quotes, in which quotes and backslashes are escaped too.
void append_value(std::string& out, std::string_view text);

/// A short, safe, quoted rendering for an error's message: at most `max_bytes` between the quotes,
/// then "...".
std::string quoted(std::string_view text, std::size_t max_bytes = 100);

}  // namespace mx_rmq::runtime::text
