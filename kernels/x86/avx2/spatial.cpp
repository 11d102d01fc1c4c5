// The pooling and pointwise kernels of kernels/x86/spatial_body.h for AVX2, and the widening of
// image pixels, which 128-bit shuffles do as fast as memory takes them.
#include <cstring>

#include "kernels/x86/avx2/bytes.h"
// The body is written in the types of bytes.h.
#include "kernels/x86/spatial_body.h"

#include "kernels/isa_tables.h"

namespace qe::kernels::avx2 {
namespace {

constexpr int kStepPixels = 4;  // of a shuffle: 12 bytes to 16, of which 4 are read for nothing

void write_border(const std::uint8_t* border, int pixels, std::uint8_t* out) {
  for (int i = 0; i < pixels; ++i) {
    const std::uint8_t pixel[4] = {border[0], border[1], border[2], 0};
    std::memcpy(out + i * sizeof(pixel), pixel, sizeof(pixel));
  }
}

void expand_row(const std::uint8_t* x, int width, std::uint8_t* out) {
  const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
  int i = 0;
  // The last bytes that are read for nothing must still be the row's.
  for (; 3 * i + 16 <= 3 * width; i += kStepPixels) {
    const __m128i pixels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 3 * i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 4 * i), _mm_shuffle_epi8(pixels, spread));
  }
  for (; i < width; ++i) {
    write_border(x + 3 * i, 1, out + 4 * i);
  }
}

}  // namespace

void max_pool(const MaxPoolArgs& args) noexcept { max_pool_body(args); }
void channel_sums(const ChannelSumArgs& args) noexcept { channel_sums_body(args); }
void channel_mean(const ChannelMeanArgs& args) noexcept { channel_mean_body(args); }
void scale_channels(const ScaleChannelsArgs& args) noexcept { scale_channels_body(args); }
void rescale(const RescaleArgs& args) noexcept { rescale_body(args); }
void add_bytes(const AddBytesArgs& args) noexcept { add_bytes_body(args); }

void expand_image(const ExpandImageArgs& args) noexcept {
  const std::ptrdiff_t out_width = args.pad_left + args.width + args.pad_right;
  for (int y = args.row_begin; y < args.row_end; ++y) {
    std::uint8_t* out = args.out + y * out_width * 4;
    const int row = y - args.pad_top;
    if (row < 0 || row >= args.height) {
      write_border(args.border, static_cast<int>(out_width), out);
      continue;
    }
    write_border(args.border, args.pad_left, out);
    out += args.pad_left * 4;
    expand_row(args.x + std::ptrdiff_t{row} * args.width * 3, args.width, out);
    write_border(args.border, args.pad_right, out + args.width * 4);
  }
}

}  // namespace qe::kernels::avx2
