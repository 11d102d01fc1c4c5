// Fuzz target: the description of an image model's input, in a config.json of timm or a
// preprocessor_config.json of Hugging Face. What is accepted must be usable: sizes in bounds, a
// resize that covers the crop, a finite normalization.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <qe/config.h>
#include <qe/error.h>
#include <qe/image_input.h>

namespace {

void require_usable(const qe::ImageInput& input) {
  constexpr int kLargest = 4096;
  if (input.width < 1 || input.width > kLargest) std::abort();
  if (input.height < 1 || input.height > kLargest) std::abort();
  if (input.resize != qe::ResizeMode::kNone &&
      (input.resize_width < input.width || input.resize_height < input.height)) {
    std::abort();
  }
  for (const float std : input.std) {
    if (!std::isfinite(std) || !(std > 0)) std::abort();
  }
  for (const float mean : input.mean) {
    if (!std::isfinite(mean)) std::abort();
  }
}

template <typename Parse>
void attempt(const qe::Config& config, Parse parse) {
  try {
    require_usable(parse(config));
  } catch (const qe::LoadError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const qe::Config config = qe::Config::parse(text, "fuzz");
    attempt(config, qe::parse_image_input);
    attempt(config, qe::parse_preprocessor_config);
  } catch (const qe::LoadError&) {
  }
  return 0;
}
