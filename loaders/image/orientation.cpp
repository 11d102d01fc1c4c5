// EXIF: a TIFF header, then a directory of 12-byte entries.
#include "loaders/image/orientation.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace qe::image {
namespace {

// Integers of either byte order, nothing beyond the end of the block.
class TiffView {
 public:
  TiffView(std::span<const std::byte> bytes, bool big_endian)
      : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint32_t> integer(std::size_t offset, std::size_t width) const {
    if (offset > bytes_.size() || width > bytes_.size() - offset) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t place = big_endian_ ? i : width - 1 - i;
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[offset + place]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

bool starts_with(std::span<const std::byte> bytes, std::string_view prefix) {
  return bytes.size() >= prefix.size() &&
         std::memcmp(bytes.data(), prefix.data(), prefix.size()) == 0;
}

std::optional<std::uint32_t> find_orientation(const TiffView& tiff) {
  constexpr std::uint32_t kTag = 0x0112;
  constexpr std::uint32_t kShort = 3;
  constexpr std::uint32_t kLong = 4;
  const auto directory = tiff.integer(4, 4);
  if (!directory) return std::nullopt;
  const std::size_t begin = *directory;
  const std::uint32_t count = tiff.integer(begin, 2).value_or(0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = begin + 2 + 12 * i;
    if (tiff.integer(entry, 2) != kTag) continue;
    const auto type = tiff.integer(entry + 2, 2);
    if (type == kShort) return tiff.integer(entry + 8, 2);
    if (type == kLong) return tiff.integer(entry + 8, 4);
    return std::nullopt;
  }
  return std::nullopt;
}

// Steps through the stored pixels in the order of the upright ones.
struct Walk {
  std::ptrdiff_t first, right, down;  // in pixels
};

Walk walk_of(int orientation, std::ptrdiff_t width, std::ptrdiff_t height) {
  const std::ptrdiff_t last_row = (height - 1) * width;
  const std::ptrdiff_t last_column = width - 1;
  switch (orientation) {
    case 2:  // mirrored left to right
      return {last_column, -1, width};
    case 3:  // turned by half
      return {last_row + last_column, -1, -width};
    case 4:  // mirrored top to bottom
      return {last_row, 1, -width};
    case 5:  // transposed
      return {0, width, 1};
    case 6:  // to be turned a quarter clockwise
      return {last_row, -width, 1};
    case 7:  // transposed over the other diagonal
      return {last_row + last_column, -width, -1};
    case 8:  // to be turned a quarter counterclockwise
      return {last_column, width, -1};
    default:
      return {0, 1, width};
  }
}

}  // namespace

int exif_orientation(std::span<const std::byte> block) {
  using namespace std::string_view_literals;
  constexpr std::string_view kPrefix = "Exif\0\0"sv;
  if (starts_with(block, kPrefix)) block = block.subspan(kPrefix.size());
  const bool big_endian = starts_with(block, "MM\0*"sv);
  if (!big_endian && !starts_with(block, "II*\0"sv)) return 1;
  const auto value = find_orientation(TiffView(block, big_endian));
  return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
}

Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const Walk walk = walk_of(orientation, image.width, image.height);
  Image out{.width = image.width, .height = image.height, .rgb = {}};
  if (orientation >= 5) std::swap(out.width, out.height);
  out.rgb.resize(image.rgb.size());
  std::uint8_t* to = out.rgb.data();
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    for (std::ptrdiff_t x = 0; x < out.width; ++x, to += 3) {
      std::copy_n(image.rgb.data() + 3 * (walk.first + x * walk.right + y * walk.down), 3, to);
    }
  }
  return out;
}

}  // namespace qe::image
