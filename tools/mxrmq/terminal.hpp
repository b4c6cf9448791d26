#pragma once

#include <string>
#include <string_view>

/// What people see: colour on terminals only, and no text of a message that could steer one.
namespace mxrmq::terminal {

/// Whether stdout is a terminal, and NO_COLOR and TERM=dumb do not say otherwise.
[[nodiscard]] bool colourful();
/// Whether somebody sits at stdin and stderr and can be asked.
[[nodiscard]] bool interactive();

[[nodiscard]] std::string bold(std::string_view text);
[[nodiscard]] std::string red(std::string_view text);
[[nodiscard]] std::string yellow(std::string_view text);
[[nodiscard]] std::string dim(std::string_view text);

/// The text with control characters, line ends and invalid UTF-8 as \n, \t, \xNN; so are the
/// characters that turn the direction of text. What a message holds can neither move the cursor nor
/// look like another line.
[[nodiscard]] std::string harmless(std::string_view text);
/// How many columns a harmless text takes: one a character.
[[nodiscard]] std::size_t columns(std::string_view text) noexcept;
/// At most `most` columns, with … at the end if something is missing.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t most);

/// Asks on stderr; only "y" and "yes" are yes.
[[nodiscard]] bool confirm(const std::string& question);
/// Says on stderr what will happen; only the word itself, typed, is yes.
[[nodiscard]] bool confirm_by_word(const std::string& warning, const std::string& word);

}  // namespace mxrmq::terminal
