// vocab.txt: one token a line, UTF-8, the line number is the id.
#include <string>
#include <string_view>

#include <qe/error.h>

#include "tokenizer/definition.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace qe::tokenizer {

std::string_view trim_end(std::string_view token) noexcept {
  // Nearly every token ends in a visible ASCII character; ICU need not be asked.
  if (!token.empty() && token.back() > ' ' && is_ascii(token.back())) return token;
  while (!token.empty()) {
    const CodePoint last = last_code_point(token);
    if ((character_flags(last.value) & kSpace) == 0) break;
    token.remove_suffix(last.size);
  }
  return token;
}

Vocabulary read_vocab_txt(std::string_view text, const std::string& file) {
  // Blank lines at the end stand for no token: nothing could ever match them.
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.empty()) throw LoadError({.problem = "the vocabulary is empty", .file = file});
  Vocabulary vocabulary;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (const auto at = find_invalid_utf8(line)) {
      throw LoadError({.problem = "byte " + std::to_string(*at) + " of the line is not UTF-8",
                       .file = file,
                       .name = "line " + std::to_string(vocabulary.size() + 1)});
    }
    vocabulary.add(trim_end(line));
    begin = end + 1;
  }
  return vocabulary;
}

}  // namespace qe::tokenizer
