// Fuzz target: the first byte sets options, then a text up to the first NUL, then a vocab.txt. Half
// of the inputs get the special tokens for free, so that encoding is reached at once.
#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/tokenizer_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned options = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t end = std::min(rest.find('\0'), rest.size());
  std::string vocab = (options & 1) != 0 ? "[UNK]\n[CLS]\n[SEP]\n" : "";
  vocab += rest.substr(std::min(end + 1, rest.size()));
  std::string config = "{\"do_lower_case\": ";
  config += (options & 2) != 0 ? "true" : "false";
  config += (options & 4) != 0 ? ", \"strip_accents\": true}" : "}";
  try {
    const auto tokenizer =
        qe::Tokenizer::load({.vocab_txt = vocab, .tokenizer_config_json = config});
    qe::fuzz::encode_and_check(tokenizer, rest.substr(0, end));
  } catch (const qe::LoadError&) {
    return 0;
  }
  return 0;
}
