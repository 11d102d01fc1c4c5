// Text as untrusted input: a check before it reaches a tokenizer or a report, and safe quotation in
// messages.
#pragma once

#include <string>
#include <string_view>

namespace qe::tools {

// Well-formed by Unicode's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// Control characters become spaces: they would break the layout, or drive the terminal.
std::string printable(std::string text);

// In double quotes, cut after 60 bytes so that hostile input cannot flood a message.
std::string quote(std::string_view text);

}  // namespace qe::tools
