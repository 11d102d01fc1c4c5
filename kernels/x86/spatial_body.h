// The pooling and pointwise kernels of spatial_args.h, included once by the spatial.cpp of each x86
// instruction set after its bytes.h. The arithmetic is that of docs/numerics.md. Channels are
// walked 64 at a time and then 16 at a time: images have room for whole groups of 16. Everything is
// in an anonymous namespace, so no body is shared between folders.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa_tables.h"
#include "kernels/x86/vector_loops.h"

namespace qe::kernels {
namespace {

// Sixteen bytes, for the channels that do not fill a `Bytes`.
struct Lane {
  __m128i v;

  static Lane load(const std::uint8_t* p) { return {load_bytes(p, AllLanes{})}; }
  void store(std::uint8_t* p) const { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
};
inline Lane maximum(Lane a, Lane b) { return {_mm_max_epu8(a.v, b.v)}; }

// The part of a pooling window that lies inside the image.
struct Window {
  const std::uint8_t* first;  // pixel
  std::ptrdiff_t row_stride, pixel_stride;
  int rows, cols;  // 0 where nothing is inside
};

inline Window window_at(const MaxPoolArgs& args, int y, int x) {
  const int top = y * args.stride - args.pad_top;
  const int left = x * args.stride - args.pad_left;
  const int row = top < 0 ? 0 : top;
  const int col = left < 0 ? 0 : left;
  const int row_end = top + args.kernel < args.in_height ? top + args.kernel : args.in_height;
  const int col_end = left + args.kernel < args.in_width ? left + args.kernel : args.in_width;
  Window window{args.x, args.in_width * args.x_pixel_stride, args.x_pixel_stride, row_end - row,
                col_end - col};
  if (window.rows > 0 && window.cols > 0) {
    window.first += row * window.row_stride + col * window.pixel_stride;
  } else {
    window.rows = 0;
  }
  return window;
}

// The window's maximum from channel c on. rows and cols are those of the window, constants where
// the compiler shall unroll.
template <class Vector>
[[gnu::always_inline]] inline Vector window_maximum(const Window& window, int c, int rows,
                                                    int cols) {
  Vector largest = Vector::load(window.first + c);
  for (int i = 0; i < rows; ++i) {
    const std::uint8_t* row = window.first + i * window.row_stride + c;
    for (int j = 0; j < cols; ++j) {
      largest = maximum(largest, Vector::load(row + j * window.pixel_stride));
    }
  }
  return largest;
}

template <class Vector>
inline void pool(const Window& window, int c, std::uint8_t* out) {
  constexpr int kUsual = 3;
  if (window.rows == kUsual && window.cols == kUsual) {
    window_maximum<Vector>(window, c, kUsual, kUsual).store(out + c);
  } else {
    window_maximum<Vector>(window, c, window.rows, window.cols).store(out + c);
  }
}

inline void max_pool_body(const MaxPoolArgs& args) {
  const int channels = round_up(args.channels, kLanes);
  for (int y = args.row_begin; y < args.row_end; ++y) {
    for (int x = 0; x < args.out_width; ++x) {
      const std::ptrdiff_t pixel = std::ptrdiff_t{y} * args.out_width + x;
      std::uint8_t* out = args.out + pixel * args.out_pixel_stride;
      const Window window = window_at(args, y, x);
      if (window.rows == 0) {
        __builtin_memset(out, 0, channels);
        continue;
      }
      int c = 0;
      for (; c + kVectorBytes <= channels; c += kVectorBytes) {
        pool<Bytes>(window, c, out);
      }
      for (; c < channels; c += kLanes) {
        pool<Lane>(window, c, out);
      }
    }
  }
}

// kCount times 16 channels from c on.
template <int kCount>
inline void sum_channels(const ChannelSumArgs& args, int c) {
  I32x16 sum[kCount];
  for (int i = 0; i < kCount; ++i) {
    sum[i] = I32x16::broadcast(0);
  }
  const std::uint8_t* x = args.x + c;
  for (int pixel = 0; pixel < args.pixels; ++pixel) {
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      sum[i] = sum[i] + I32x16::from_u8(load_bytes(x + i * kLanes, AllLanes{}));
    }
    x += args.x_pixel_stride;
  }
  for (int i = 0; i < kCount; ++i) {
    sum[i].store(args.sum + c + i * kLanes);
  }
}

inline void channel_sums_body(const ChannelSumArgs& args) {
  constexpr int kAtOnce = 4;
  int c = 0;
  for (; c + kAtOnce * kLanes <= round_up(args.channels, kLanes); c += kAtOnce * kLanes) {
    sum_channels<kAtOnce>(args, c);
  }
  for (; c < args.channels; c += kLanes) {
    sum_channels<1>(args, c);
  }
}

inline void channel_mean_body(const ChannelMeanArgs& args) {
  const F32x16 scale = F32x16::broadcast(args.scale);
  const F32x16 bias = F32x16::broadcast(args.bias);
  for_vectors(args.channels, [&](int c, auto lanes) {
    store(fma(F32x16::from_u32(args.sum + c), scale, bias), args.mean + c, lanes);
  });
}

// The pointwise kernels: vectors of kPixelLanes lanes of 16 channels, of several pixels where these
// lanes do not fill one. Bytes are widened within their lanes, which four vectors of dwords hold in
// the order [vector][lane][4]; packing undoes it.
inline constexpr int kQuarters = 4;
inline constexpr int kQuarterLanes = kVectorBytes / 4;

struct Widened {
  Sums quarter[kQuarters];
};
inline Widened widen(Bytes x) {
  const Bytes zero = Bytes::broadcast(0);
  const Bytes low = interleave_low_bytes(x, zero);
  const Bytes high = interleave_high_bytes(x, zero);
  return {{{interleave_low_pairs(low, zero).v},
           {interleave_high_pairs(low, zero).v},
           {interleave_low_pairs(high, zero).v},
           {interleave_high_pairs(high, zero).v}}};
}

// The bytes of finish(0) to finish(3), the quarters.
template <class Finish>
inline Bytes narrow(Finish finish) {
  return join_bytes(finish(0), finish(1), finish(2), finish(3));
}

// A float for every lane of a quarter.
struct Broadcast {
  explicit Broadcast(float x) {
    for (float& v : value) {
      v = x;
    }
  }
  alignas(64) float value[kQuarterLanes];
};

// Whether what requantize makes of values up to 255 * `slope` and of `bias` needs no upper clamp.
// False for NaN, too.
inline bool is_bounded(float slope, float bias) {
  constexpr float kBound = 1 << 30;
  return 255.0F * __builtin_fabsf(slope) + __builtin_fabsf(bias) < kBound;
}

template <int kPixelLanes>
struct PixelLanes {};

// step(first channel, PixelLanes) for all channels.
template <class Step>
inline void for_channels(int channels, Step step) {
  constexpr int kLaneBytes = 16;
  int left = round_up(channels, kLaneBytes);
  int c = 0;
  for (; left >= kVectorBytes; left -= kVectorBytes) {
    step(c, PixelLanes<kVectorLanes>{});
    c += kVectorBytes;
  }
  if constexpr (kVectorLanes == 4) {
    if (left >= 2 * kLaneBytes) {
      step(c, PixelLanes<2>{});
      c += 2 * kLaneBytes;
      left -= 2 * kLaneBytes;
    }
  }
  if (left > 0) {
    step(c, PixelLanes<1>{});
  }
}

// step(at) for all pixels, a vector of them at a time: at(p, stride) is the p-th of the vector in
// an image that begins at p; instead of pixels beyond the last, that one again.
template <int kPixelLanes, class Step>
inline void for_pixels(int pixels, Step step) {
  for (int done = 0; done < pixels; done += kVectorLanes / kPixelLanes) {
    step([&](auto* image, std::ptrdiff_t stride) {
      return [=](int pixel) {
        return image + (done + pixel < pixels ? done + pixel : pixels - 1) * stride;
      };
    });
  }
}

// Gates of kPixelLanes lanes of channels, times the scale, as the quarters of a vector need them.
template <int kPixelLanes>
struct Gates {
  Gates(const ScaleChannelsArgs& args, int channel) {
    constexpr int kLaneChannels = 16;
    constexpr int kDwords = 4;
    for (int i = 0; i < kVectorBytes; ++i) {
      const int lane = i / kDwords % kVectorLanes % kPixelLanes;
      const int c = lane * kLaneChannels + i / kQuarterLanes * kDwords + i % kDwords;
      value[i] = args.gate[channel + c] * args.scale;
      // What lies beyond the channels has no meaning.
      is_bounded = is_bounded && (channel + c >= args.channels ||
                                  kernels::is_bounded(value[i], args.out_zero_point));
    }
  }
  alignas(64) float value[kVectorBytes];
  bool is_bounded = true;
};

inline void scale_channels_body(const ScaleChannelsArgs& args) {
  const Sums zero_point = Sums::broadcast(args.x_zero_point);
  const Broadcast out_zero_point(args.out_zero_point);
  for_channels(args.channels, [&]<int kPixelLanes>(int c, PixelLanes<kPixelLanes>) {
    const Gates<kPixelLanes> gates(args, c);
    if (!gates.is_bounded) {
      ScaleChannelsArgs part = args;
      part.x += c;
      part.gate += c;
      part.out += c;
      part.channels = kPixelLanes * 16;
      reference::scale_channels(part);
      return;
    }
    for_pixels<kPixelLanes>(args.pixels, [&](auto at) {
      const Widened x = widen(Bytes::gather<kPixelLanes>(at(args.x + c, args.x_pixel_stride)));
      narrow([&](int q) {
        return requantize(x.quarter[q] - zero_point, gates.value + q * kQuarterLanes,
                          out_zero_point.value);
      }).template scatter<kPixelLanes>(at(args.out + c, args.out_pixel_stride));
    });
  });
}

inline void rescale_body(const RescaleArgs& args) {
  if (!is_bounded(args.scale, args.bias)) {
    reference::rescale(args);
    return;
  }
  const Broadcast scale(args.scale);
  const Broadcast bias(args.bias);
  for_channels(args.channels, [&]<int kPixelLanes>(int c, PixelLanes<kPixelLanes>) {
    for_pixels<kPixelLanes>(args.pixels, [&](auto at) {
      const Widened x = widen(Bytes::gather<kPixelLanes>(at(args.x + c, args.x_pixel_stride)));
      narrow([&](int q) {
        return requantize(x.quarter[q], scale.value, bias.value);
      }).template scatter<kPixelLanes>(at(args.out + c, args.out_pixel_stride));
    });
  });
}

inline void add_bytes_body(const AddBytesArgs& args) {
  if (!is_bounded(__builtin_fabsf(args.a_scale) + __builtin_fabsf(args.b_scale), args.bias)) {
    reference::add_bytes(args);
    return;
  }
  const Broadcast a_scale(args.a_scale);
  const Broadcast b_scale(args.b_scale);
  const Broadcast bias(args.bias);
  for_channels(args.channels, [&]<int kPixelLanes>(int c, PixelLanes<kPixelLanes>) {
    for_pixels<kPixelLanes>(args.pixels, [&](auto at) {
      const Widened a = widen(Bytes::gather<kPixelLanes>(at(args.a + c, args.a_pixel_stride)));
      const Widened b = widen(Bytes::gather<kPixelLanes>(at(args.b + c, args.b_pixel_stride)));
      narrow([&](int q) {
        return requantize_sum(a.quarter[q], a_scale.value, b.quarter[q], b_scale.value, bias.value);
      }).template scatter<kPixelLanes>(at(args.out + c, args.out_pixel_stride));
    });
  });
}

}  // namespace
}  // namespace qe::kernels
