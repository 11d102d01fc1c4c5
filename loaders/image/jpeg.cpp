// JPEG by libjpeg-turbo, with the defaults that Pillow uses too: the accurate integer DCT and
// smooth chroma upsampling. Warnings that mean lost pixels are errors here; harmless ones (stray
// bytes between segments, odd version numbers) are ignored. Scans are bounded, for each one of a
// progressive file may cost a pass over the whole image in a few bytes.
#include <array>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

#include <qe/error.h>

#include "loaders/image/codec.h"
#include "loaders/image/orientation.h"

namespace qe::image {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr int kMostScans = 200;

// Owns the decompressor. Its callbacks reach this object through client_data.
class JpegReader {
 public:
  explicit JpegReader(const Source& source) : source_(source) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    monitor_.progress_monitor = on_progress;
    const bool created = escape_.attempt([this] { jpeg_create_decompress(&info_); });
    if (!created) fail();
    info_.progress = &monitor_;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  void read_header();
  Image read_pixels();
  int orientation() const;

 private:
  static JpegReader& self(j_common_ptr info) {
    return *static_cast<JpegReader*>(info->client_data);
  }
  [[noreturn]] static void on_error(j_common_ptr info) { self(info).escape_.leave(); }
  static void on_message(j_common_ptr info, int level);
  static void on_progress(j_common_ptr info);
  [[noreturn]] void fail();
  void read_rows(std::uint8_t* rgb);
  void read_cmyk_rows(std::uint8_t* rgb, std::uint8_t* row);

  const Source& source_;
  jpeg_decompress_struct info_ = {};
  jpeg_error_mgr errors_ = {};
  jpeg_progress_mgr monitor_ = {};
  Escape escape_;
  bool too_many_scans_ = false;
};

void JpegReader::on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      self(info).escape_.leave();
  }
}

void JpegReader::on_progress(j_common_ptr info) {
  JpegReader& reader = self(info);
  if (reader.info_.input_scan_number <= kMostScans) return;
  reader.too_many_scans_ = true;
  reader.escape_.leave();
}

void JpegReader::fail() {
  if (too_many_scans_) {
    refuse(source_, "JPEG has too many scans", "at most " + std::to_string(kMostScans));
  }
  if (errors_.msg_code == JERR_IMAGE_TOO_BIG) {
    check_size(source_, info_.image_width, info_.image_height);
  }
  std::array<char, JMSG_LENGTH_MAX> message{};
  errors_.format_message(reinterpret_cast<j_common_ptr>(&info_), message.data());
  if (errors_.msg_code == JERR_OUT_OF_MEMORY) {
    throw ResourceError({.problem = "not enough memory for the JPEG", .file = source_.name});
  }
  const bool ended = errors_.msg_code == JWRN_JPEG_EOF || errors_.msg_code == JERR_INPUT_EOF;
  refuse(source_, ended ? "JPEG is truncated" : "JPEG is corrupt", "", message.data());
}

void JpegReader::read_header() {
  const bool read = escape_.attempt([this] {
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(source_.bytes.data()),
                 source_.bytes.size());
    jpeg_save_markers(&info_, kExifMarker, 0xFFFF);
    jpeg_read_header(&info_, TRUE);
  });
  if (!read) fail();
  check_size(source_, info_.image_width, info_.image_height);
  // Arithmetic coding has no least number of bits for a block.
  if (info_.arith_code == FALSE) check_density(source_, info_.image_width, info_.image_height);
  const int components = info_.num_components;
  if (components != 1 && components != 3 && components != 4) {
    refuse(source_, "JPEG has another number of components", "1, 3 or 4",
           std::to_string(components));
  }
}

Image JpegReader::read_pixels() {
  Image image = make_image(info_.image_width, info_.image_height);
  std::uint8_t* const rgb = image.rgb.data();
  bool read = false;
  if (info_.num_components == 4) {
    std::vector<std::uint8_t> row(std::size_t{info_.image_width} * 4);
    std::uint8_t* const cmyk = row.data();
    read = escape_.attempt([this, rgb, cmyk] { read_cmyk_rows(rgb, cmyk); });
  } else {
    read = escape_.attempt([this, rgb] { read_rows(rgb); });
  }
  if (!read) fail();
  return image;
}

void JpegReader::read_rows(std::uint8_t* rgb) {
  info_.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info_);
  const std::size_t stride = std::size_t{info_.output_width} * 3;
  while (info_.output_scanline < info_.output_height) {
    JSAMPROW row = rgb + info_.output_scanline * stride;
    jpeg_read_scanlines(&info_, &row, 1);
  }
  jpeg_finish_decompress(&info_);
}

// a b / 255, rounded.
unsigned scaled(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Files store the complement of the inks, as Adobe does; libjpeg hands it out unchanged.
void JpegReader::read_cmyk_rows(std::uint8_t* rgb, std::uint8_t* row) {
  info_.out_color_space = JCS_CMYK;
  jpeg_start_decompress(&info_);
  while (info_.output_scanline < info_.output_height) {
    jpeg_read_scanlines(&info_, &row, 1);
    for (std::size_t x = 0; x < info_.output_width; ++x, rgb += 3) {
      const std::uint8_t* const ink = row + 4 * x;
      for (std::size_t c = 0; c < 3; ++c) {
        rgb[c] = static_cast<std::uint8_t>(ink[3] - scaled(255U - ink[c], ink[3]));
      }
    }
  }
  jpeg_finish_decompress(&info_);
}

int JpegReader::orientation() const {
  constexpr std::size_t kPrefix = 6;
  for (auto* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker != kExifMarker || marker->data_length < kPrefix) continue;
    if (std::memcmp(marker->data, "Exif\0\0", kPrefix) != 0) continue;
    return exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)));
  }
  return 1;
}

}  // namespace

Decoded decode_jpeg(const Source& source) {
  JpegReader reader(source);
  reader.read_header();
  // Before the pixels: finishing the decompression forgets the markers.
  const int orientation = reader.orientation();
  return {.image = reader.read_pixels(), .orientation = orientation};
}

}  // namespace qe::image
