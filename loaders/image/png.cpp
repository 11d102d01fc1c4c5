// PNG by libpng. Text, profiles and other chunks that do not change pixels here are skipped unread,
// so that a compressed one cannot fill the memory. Interlaced images are read like others.
#include <png.h>

#include <cstring>
#include <string>

#include <qe/error.h>

#include "loaders/image/codec.h"
#include "loaders/image/orientation.h"

namespace qe::image {
namespace {

// Owns the reading structures. Callbacks of libpng reach this object through their user pointer.
class PngReader {
 public:
  explicit PngReader(const Source& source);
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  void read_header();
  Image read_pixels();
  int orientation() const;

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message);
  static void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}
  static void on_read(png_structp png, png_bytep out, std::size_t size);
  static int on_unknown_chunk(png_structp png, png_unknown_chunkp chunk);

  [[noreturn]] void fail() const;
  void choose_transformations();
  void read_rows(std::uint8_t* rows, std::size_t stride);

  const Source& source_;
  std::size_t position_ = 0;
  Escape escape_;
  std::string message_;
  bool ended_ = false;
  bool animated_ = false;
  bool wide_grey_ = false;  // 16-bit grey without alpha
  int passes_ = 1;          // over the rows, of an interlaced image
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

PngReader::PngReader(const Source& source) : source_(source) {
  message_.reserve(256);
  const bool created = escape_.attempt([this] {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  });
  if (!created || info_ == nullptr) {
    png_destroy_read_struct(&png_, &info_, nullptr);
    throw ResourceError({.problem = "not enough memory for the PNG", .file = source.name});
  }
}

void PngReader::on_error(png_structp png, png_const_charp message) {
  auto& reader = *static_cast<PngReader*>(png_get_error_ptr(png));
  reader.message_.assign(message, strnlen(message, reader.message_.capacity()));
  reader.escape_.leave();
}

void PngReader::on_read(png_structp png, png_bytep out, std::size_t size) {
  auto& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
  const auto rest = reader.source_.bytes.subspan(reader.position_);
  if (size > rest.size()) {
    reader.ended_ = true;
    png_error(png, "the file ends too early");
  }
  std::memcpy(out, rest.data(), size);
  reader.position_ += size;
}

// The only chunk outside libpng's knowledge that matters: that of an animation, which begins with
// its number of frames. A negative answer would be an error, zero leaves critical chunks to libpng.
int PngReader::on_unknown_chunk(png_structp png, png_unknown_chunkp chunk) {
  auto& reader = *static_cast<PngReader*>(png_get_user_chunk_ptr(png));
  if (std::memcmp(chunk->name, "acTL", 4) == 0 && chunk->size >= 4) {
    const png_bytep frames = chunk->data;
    reader.animated_ = (frames[0] | frames[1] | frames[2]) != 0 || frames[3] > 1;
  }
  constexpr unsigned kAncillary = 0x20;
  return (chunk->name[0] & kAncillary) != 0 ? 1 : 0;
}

void PngReader::fail() const {
  refuse(source_, ended_ ? "PNG is truncated" : "PNG is corrupt", "", message_);
}

void PngReader::read_header() {
  // Each name with its terminating zero, as libpng takes them.
  static constexpr char kSkipped[] =
      "bKGD\0cHRM\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sCAL\0sPLT\0tEXt\0tIME\0zTXt";
  constexpr int kSkippedNames = sizeof kSkipped / 5;
  const bool read = escape_.attempt([this] {
    png_set_read_fn(png_, this, on_read);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER,
                                reinterpret_cast<png_const_bytep>(kSkipped), kSkippedNames);
    png_set_read_user_chunk_fn(png_, this, on_unknown_chunk);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png_, info_);
  });
  if (!read) fail();
  const std::size_t width = png_get_image_width(png_, info_);
  const std::size_t height = png_get_image_height(png_, info_);
  check_size(source_, width, height);
  check_density(source_, width, height);
  if (animated_) refuse(source_, "PNG is animated", "one frame");
}

void PngReader::choose_transformations() {
  const int type = png_get_color_type(png_, info_);
  wide_grey_ = type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, info_) == 16;
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
  if (!wide_grey_) {
    png_set_strip_16(png_);
    png_set_gray_to_rgb(png_);
  }
  png_set_strip_alpha(png_);
  passes_ = png_set_interlace_handling(png_);
}

void PngReader::read_rows(std::uint8_t* rows, std::size_t stride) {
  const png_uint_32 height = png_get_image_height(png_, info_);
  for (int pass = 0; pass < passes_; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y) png_read_row(png_, rows + y * stride, nullptr);
  }
  png_read_end(png_, info_);
}

// Pillow's conversion of one-channel 16 bit: what exceeds a byte is 255.
void cut_to_bytes(const std::vector<std::uint8_t>& big_endian, std::vector<std::uint8_t>& rgb) {
  for (std::size_t i = 0; i < big_endian.size() / 2; ++i) {
    const std::uint8_t grey = big_endian[2 * i] == 0 ? big_endian[2 * i + 1] : 255;
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = grey;
  }
}

Image PngReader::read_pixels() {
  const bool chosen = escape_.attempt([this] {
    choose_transformations();
    png_read_update_info(png_, info_);
  });
  if (!chosen) fail();
  const std::size_t width = png_get_image_width(png_, info_);
  Image image = make_image(width, png_get_image_height(png_, info_));
  std::vector<std::uint8_t> grey;
  if (wide_grey_) grey.resize(image.rgb.size() / 3 * 2);
  const std::size_t stride = width * (wide_grey_ ? 2 : 3);
  std::uint8_t* const rows = wide_grey_ ? grey.data() : image.rgb.data();
  if (!escape_.attempt([this, rows, stride] { read_rows(rows, stride); })) fail();
  if (wide_grey_) cut_to_bytes(grey, image.rgb);
  return image;
}

int PngReader::orientation() const {
  png_uint_32 size = 0;
  png_bytep block = nullptr;
  if (png_get_eXIf_1(png_, info_, &size, &block) == 0) return 1;
  return exif_orientation(std::as_bytes(std::span(block, size)));
}

}  // namespace

Decoded decode_png(const Source& source) {
  PngReader reader(source);
  reader.read_header();
  Image image = reader.read_pixels();
  return {.image = std::move(image), .orientation = reader.orientation()};
}

}  // namespace qe::image
