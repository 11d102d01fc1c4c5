// Resizing, cropping and the geometry of preprocessing; what is cut away is never computed.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <qe/error.h>
#include <qe/image.h>

#include "loaders/image/resample.h"
#include "loaders/typed_errors.h"

namespace qe {
namespace {

using image::Window;

std::string pixels(std::int64_t width, std::int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height) + " pixels";
}

void check_whole(const Image& image) {
  const auto bytes =
      static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3;
  if (image.width > 0 && image.height > 0 && image.rgb.size() == bytes) return;
  throw UsageError({.problem = "image has other bytes than its size needs",
                    .name = "image",
                    .expected = pixels(image.width, image.height) + ", 3 bytes each",
                    .actual = std::to_string(image.rgb.size()) + " bytes"});
}

struct Size {
  std::int64_t width, height;
};

// torchvision's Resize with one number: the short side takes it, the long one is rounded down.
Size cover_square(const Image& image, int side) {
  const auto longer = [side](int length, int shorter) {
    return static_cast<std::int64_t>(static_cast<double>(std::int64_t{side} * length) / shorter);
  };
  if (image.width <= image.height) return {side, longer(image.height, image.width)};
  return {longer(image.width, image.height), side};
}

// timm's ResizeKeepRatio; halves are rounded to even.
Size cover_box(const Image& image, int width, int height) {
  const double ratio = std::min(static_cast<double>(image.width) / width,
                                static_cast<double>(image.height) / height);
  const auto scaled = [ratio](int length) {
    return static_cast<std::int64_t>(std::nearbyint(length / ratio));
  };
  return {scaled(image.width), scaled(image.height)};
}

Size resized(const Image& image, const ImageInput& input) {
  if (input.resize == ResizeMode::kNone) return {image.width, image.height};
  if (input.resize == ResizeMode::kSquash) return {input.resize_width, input.resize_height};
  if (input.resize_width == input.resize_height) return cover_square(image, input.resize_width);
  return cover_box(image, input.resize_width, input.resize_height);
}

// Before the centre: half of what is cut away, halves rounded to even.
std::int64_t margin(std::int64_t size, int kept) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(size - kept) / 2.0));
}

Image cut(const Image& image, std::int64_t left, std::int64_t top, int width, int height) {
  Image out{.width = width, .height = height, .rgb = {}};
  const auto row_bytes = static_cast<std::size_t>(width) * 3;
  out.rgb.resize(row_bytes * static_cast<std::size_t>(height));
  for (int y = 0; y < height; ++y) {
    const auto from = static_cast<std::size_t>((top + y) * image.width + left) * 3;
    std::copy_n(image.rgb.data() + from, row_bytes,
                out.rgb.data() + static_cast<std::size_t>(y) * row_bytes);
  }
  return out;
}

Image preprocess_checked(Image image, const ImageInput& input) {
  const Size size = resized(image, input);
  if (size.width < input.width || size.height < input.height) {
    throw DataError({.problem = "image is smaller than the model's input, and none is enlarged",
                     .expected = "at least " + pixels(input.width, input.height),
                     .actual = pixels(size.width, size.height)});
  }
  const Window window{.full_width = size.width,
                      .full_height = size.height,
                      .left = margin(size.width, input.width),
                      .top = margin(size.height, input.height),
                      .width = input.width,
                      .height = input.height};
  if (size.width != image.width || size.height != image.height) {
    return image::resample(image, window, input.interpolation);
  }
  if (image.width == input.width && image.height == input.height) return image;
  return cut(image, window.left, window.top, window.width, window.height);
}

}  // namespace

Image resize(const Image& image, int width, int height, Interpolation interpolation) {
  check_whole(image);
  constexpr std::int64_t kMostPixels = std::numeric_limits<std::int32_t>::max();
  if (width < 1 || height < 1 || std::int64_t{width} * height > kMostPixels) {
    throw UsageError({.problem = "cannot resize to this size",
                      .name = "width, height",
                      .expected = "1 to " + std::to_string(kMostPixels) + " pixels",
                      .actual = pixels(width, height)});
  }
  return with_typed_errors({}, [&] {
    return image::resample(image, {width, height, 0, 0, width, height}, interpolation);
  });
}

Image crop(const Image& image, int left, int top, int width, int height) {
  check_whole(image);
  const bool inside = left >= 0 && top >= 0 && width > 0 && height > 0 &&
                      width <= image.width - left && height <= image.height - top;
  if (!inside) {
    throw UsageError({.problem = "the part to cut out is not inside the image",
                      .name = "left, top, width, height",
                      .expected = "a part of " + pixels(image.width, image.height),
                      .actual = pixels(width, height) + " at (" + std::to_string(left) + ", " +
                                std::to_string(top) + ")"});
  }
  return with_typed_errors({}, [&] { return cut(image, left, top, width, height); });
}

Image preprocess(Image image, const ImageInput& input) {
  check_whole(image);
  return with_typed_errors({}, [&] { return preprocess_checked(std::move(image), input); });
}

}  // namespace qe
