// Images: decoding of JPEG, PNG and WebP, and the geometry that image models expect, both equal to
// what Pillow, torchvision and timm make of the same file. Image files are untrusted. All functions
// may be called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <qe/image_input.h>

namespace qe {

// Rows from the top, three bytes a pixel (red, green, blue), no padding.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height * width * 3
};

struct DecodeOptions {
  // Turn the image upright as its EXIF orientation says. torchvision's loader does not.
  bool exif_rotation = true;
  // Larger images are refused before they are decoded. At most 2^31 - 1.
  std::int64_t max_pixels = 100'000'000;
};

// The image in `bytes`, whose format is told by its first bytes; `name` is for messages.
// Grey becomes three equal channels, palettes are looked up, CMYK and YCCK become RGB and alpha is
// dropped, each as Pillow's convert("RGB") does; so is 16 bit: the upper byte of each sample, but
// one-channel grey is cut at 255. Colour profiles and gamma are ignored.
// Throws DataError for an unknown format, a truncated or corrupt image, one with several frames
// (animated WebP or PNG), more than max_pixels, or more pixels than bytes of that number can hold;
// ResourceError.
Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                   const DecodeOptions& options = {});

// The same from a file, which its name's extension says nothing about. Throws also DataError if the
// file is missing, not a regular file or larger than 512 MiB; IoError if it cannot be read.
Image decode_image(const std::filesystem::path& file, const DecodeOptions& options = {});

// The whole image at another size; the filter widens with the reduction (antialiasing). Equal to
// Pillow's Image.resize, bit for bit: two passes, horizontal then vertical, each in fixed point
// with 22 fraction bits and rounded to 8 bits. Throws UsageError for a size below 1 or of 2^31
// pixels and more, or an image whose bytes do not match its size; ResourceError.
Image resize(const Image& image, int width, int height, Interpolation interpolation);

// The part of `width` x `height` pixels whose first pixel is (left, top). Throws UsageError if it
// is not inside the image.
Image crop(const Image& image, int left, int top, int width, int height);

// What the network is fed, exactly input.width x input.height, not normalized: resized as
// input.resize says, then the centre cut out, both with the rounding of torchvision's Resize and
// CenterCrop (timm's ResizeKeepRatio where the sizes are not square). Only pixels that are kept are
// computed. Throws DataError if nothing is to be resized and the image is smaller than the input;
// UsageError as resize; ResourceError.
Image preprocess(Image image, const ImageInput& input);

}  // namespace qe
