// Fuzz target: arbitrary bytes as an image, with a small pixel cap, then brought to the input of a
// small network. Anything but a whole image or a DataError is a fault.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>

#include <qe/error.h>
#include <qe/image.h>

namespace {

void require_size(const qe::Image& image) {
  const auto pixels =
      static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  if (image.width < 1 || image.height < 1 || image.rgb.size() != pixels * 3) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::int64_t kMostPixels = 1 << 14;
  qe::ImageInput input;
  input.width = input.height = 8;
  input.resize_width = input.resize_height = 9;
  try {
    qe::Image image =
        qe::decode_image(std::as_bytes(std::span(data, size)), "fuzz", {.max_pixels = kMostPixels});
    require_size(image);
    if (std::int64_t{image.width} * image.height > kMostPixels) std::abort();
    require_size(qe::preprocess(std::move(image), input));
  } catch (const qe::DataError&) {
  }
  return 0;
}
