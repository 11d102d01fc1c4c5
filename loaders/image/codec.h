// What the decoders of single formats share: their interface, the checks of a header against the
// options and the file, and a bridge to C libraries that report errors by a callback which must not
// return.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

#include <qe/image.h>

namespace qe::image {

// An image file in memory and how it is to be read.
struct Source {
  std::span<const std::byte> bytes;
  const std::string& name;
  const DecodeOptions& options;
};

// The image as stored, and how it is to be turned.
struct Decoded {
  Image image;
  int orientation = 1;  // EXIF, 1 to 8
};

// Each throws DataError, ResourceError.
Decoded decode_jpeg(const Source& source);
Decoded decode_png(const Source& source);
Decoded decode_webp(const Source& source);

// Throws DataError: "NAME: problem (expected ..., got ...)".
[[noreturn]] void refuse(const Source& source, std::string problem, std::string expected = {},
                         std::string actual = {});

// Throws DataError if the size is 0 or above the pixel cap.
void check_size(const Source& source, std::size_t width, std::size_t height);

// Throws DataError if no file of that length can hold so many pixels. The bound is 8 x 1032 a byte:
// deflate yields at most 1032 bytes for one, each of 8 pixels; a Huffman-coded JPEG spends a bit on
// a block of at most 32 x 32 pixels.
void check_density(const Source& source, std::size_t width, std::size_t height);

// Black, of a size that was checked.
Image make_image(std::size_t width, std::size_t height);

// Runs calls of a C library whose error callback calls leave(). The jump passes over frames of C
// and of `step` alone, which may own nothing: nothing needs a destructor there.
class Escape {
 public:
  // False if leave() was called while `step` ran.
  template <typename Step>
  bool attempt(Step step) {
    static_assert(std::is_trivially_destructible_v<Step>);
    if (setjmp(place_) != 0) return false;
    step();
    return true;
  }
  [[noreturn]] void leave() { std::longjmp(place_, 1); }

 private:
  std::jmp_buf place_ = {};
};

}  // namespace qe::image
