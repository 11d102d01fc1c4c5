// From a file or bytes to an image: the format by its signature, then that format's decoder, then
// the orientation.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include <qe/error.h>
#include <qe/image.h>

#include "loaders/file.h"
#include "loaders/image/codec.h"
#include "loaders/image/orientation.h"
#include "loaders/typed_errors.h"

namespace qe {
namespace image {

void refuse(const Source& source, std::string problem, std::string expected, std::string actual) {
  throw DataError({.problem = std::move(problem),
                   .file = source.name,
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
}

namespace {

std::string pixels(std::size_t width, std::size_t height) {
  return std::to_string(width) + " x " + std::to_string(height) + " pixels";
}

}  // namespace

void check_size(const Source& source, std::size_t width, std::size_t height) {
  if (width == 0 || height == 0) {
    refuse(source, "image has no pixels", "at least one", pixels(width, height));
  }
  constexpr std::size_t kLimit = (std::size_t{1} << 31) - 1;
  const std::size_t cap = std::min(
      kLimit, static_cast<std::size_t>(std::max<std::int64_t>(source.options.max_pixels, 0)));
  if (width > cap || height > cap / width) {
    refuse(source, "image is too large", "at most " + std::to_string(cap) + " pixels",
           pixels(width, height));
  }
}

void check_density(const Source& source, std::size_t width, std::size_t height) {
  constexpr std::size_t kPixelsPerByte = 8 * 1032;
  if (width * height / kPixelsPerByte <= source.bytes.size()) return;
  refuse(source, "image has more pixels than its file can hold",
         "at most " + std::to_string(kPixelsPerByte * source.bytes.size()), pixels(width, height));
}

Image make_image(std::size_t width, std::size_t height) {
  return {.width = static_cast<int>(width),
          .height = static_cast<int>(height),
          .rgb = std::vector<std::uint8_t>(width * height * 3)};
}

namespace {

namespace fs = std::filesystem;

using Decoder = Decoded (*)(const Source&);

bool has_at(std::span<const std::byte> bytes, std::size_t offset, std::string_view text) {
  return bytes.size() >= offset + text.size() &&
         std::memcmp(bytes.data() + offset, text.data(), text.size()) == 0;
}

Decoder decoder_of(std::span<const std::byte> bytes) {
  if (has_at(bytes, 0, "\xFF\xD8\xFF")) return decode_jpeg;
  if (has_at(bytes, 0, "\x89PNG\r\n\x1A\n")) return decode_png;
  if (has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WEBP")) return decode_webp;
  return nullptr;
}

// "bytes 47 49 46 38".
std::string first_bytes(std::span<const std::byte> bytes) {
  constexpr std::size_t kShown = 4;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text = "bytes";
  for (const std::byte byte : bytes.first(std::min(bytes.size(), kShown))) {
    const auto value = std::to_integer<std::size_t>(byte);
    text += {' ', kDigits[value >> 4], kDigits[value & 15U]};
  }
  return text;
}

Image decode(const Source& source) {
  if (source.bytes.empty()) refuse(source, "image file is empty");
  const Decoder decoder = decoder_of(source.bytes);
  if (decoder == nullptr) {
    refuse(source, "unknown image format", "JPEG, PNG or WebP", first_bytes(source.bytes));
  }
  Decoded decoded = decoder(source);
  return upright(std::move(decoded.image), source.options.exif_rotation ? decoded.orientation : 1);
}

std::shared_ptr<const FileImage> open(const fs::path& file) {
  constexpr std::uintmax_t kLargestFile = std::uintmax_t{512} << 20;
  std::error_code absent;  // then the size is the largest number; opening says what is wrong
  const std::uintmax_t size = fs::is_regular_file(file, absent) ? fs::file_size(file, absent) : 0;
  if (!absent && size > kLargestFile) {
    throw DataError({.problem = "image file is too large",
                     .file = file.string(),
                     .expected = "at most " + std::to_string(kLargestFile) + " bytes",
                     .actual = std::to_string(size) + " bytes"});
  }
  try {
    // A copy: a file that shrinks meanwhile must not end the program.
    return FileImage::open(file, false);
  } catch (const LoadError& error) {
    throw DataError(error.detail());
  }
}

}  // namespace
}  // namespace image

Image decode_image(std::span<const std::byte> bytes, const std::string& name,
                   const DecodeOptions& options) {
  return with_typed_errors(name, [&] { return image::decode({bytes, name, options}); });
}

Image decode_image(const std::filesystem::path& file, const DecodeOptions& options) {
  return with_typed_errors(file, [&] {
    const std::string name = file.string();
    const auto contents = image::open(file);
    return image::decode({contents->bytes(), name, options});
  });
}

}  // namespace qe
