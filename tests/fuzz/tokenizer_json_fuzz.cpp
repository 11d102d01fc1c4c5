// Fuzz target: a tokenizer.json and, after the first NUL, a tokenizer_config.json. When both load,
// the bytes of the first serve as a text too. Seeds: tests/fuzz/seeds/tokenizer_json.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tests/fuzz/tokenizer_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  std::optional<std::string_view> config;
  if (end < input.size()) config = input.substr(end + 1);
  try {
    const auto tokenizer = qe::Tokenizer::load(
        {.tokenizer_json = input.substr(0, end), .tokenizer_config_json = config});
    qe::fuzz::require(tokenizer.default_max_length(512) <= 512);
    qe::fuzz::encode_and_check(tokenizer, input.substr(0, end));
  } catch (const qe::LoadError&) {
    return 0;
  }
  return 0;
}
