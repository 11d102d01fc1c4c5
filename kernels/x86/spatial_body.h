// The pooling and pointwise kernels of spatial_args.h, included once by the spatial.cpp of each x86
// instruction set after its bytes.h. The arithmetic is that of docs/numerics.md. Channels are
// walked 64 at a time and then 16 at a time: images have room for whole groups of 16. Everything is
// in an anonymous namespace, so no body is shared between folders.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/x86/vector_loops.h"
#include "kernels/x86/wide.h"

namespace qe::kernels {
namespace {

template <int kCount>
struct Groups {};

// step(first channel, Groups<4> or Groups<1>) for all channels.
template <class Step>
inline void for_channels(int channels, Step step) {
  int c = 0;
  for (; c + 4 * kLanes <= round_up(channels, kLanes); c += 4 * kLanes) {
    step(c, Groups<4>{});
  }
  for (; c < channels; c += kLanes) {
    step(c, Groups<1>{});
  }
}

template <int kCount>
inline Wide<kCount> load_u8(const std::uint8_t* p, Groups<kCount>) {
  return Wide<kCount>::each(
      [p](int i) { return F32x16::from_u8(load_bytes(p + i * kLanes, AllLanes{})); });
}
template <int kCount>
inline Wide<kCount> load_f32(const float* p, Groups<kCount>) {
  return Wide<kCount>::each([p](int i) { return F32x16::load(p + i * kLanes); });
}
// to_u8(t)
inline void store_u8(const Wide<4>& t, std::uint8_t* p) { store_four(t.v, p); }
inline void store_u8(const Wide<1>& t, std::uint8_t* p) { store_bytes(clamp_to_u8(t.v[0]), p); }

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

inline void channel_sums_body(const ChannelSumArgs& args) {
  for_channels(args.channels, [&]<int kCount>(int c, Groups<kCount>) {
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
  });
}

inline void channel_mean_body(const ChannelMeanArgs& args) {
  const F32x16 scale = F32x16::broadcast(args.scale);
  const F32x16 bias = F32x16::broadcast(args.bias);
  for_vectors(args.channels, [&](int c, auto lanes) {
    store(fma(F32x16::from_u32(args.sum + c), scale, bias), args.mean + c, lanes);
  });
}

// step(pixel, first channel, groups) for all of an image.
template <class Args, class Step>
inline void for_pixels(const Args& args, Step step) {
  for (std::ptrdiff_t pixel = 0; pixel < args.pixels; ++pixel) {
    for_channels(args.channels, [&](int c, auto groups) { step(pixel, c, groups); });
  }
}

inline void scale_channels_body(const ScaleChannelsArgs& args) {
  const float zero_point = args.x_zero_point;
  for_channels(args.channels, [&]<int kCount>(int c, Groups<kCount> groups) {
    using Vector = Wide<kCount>;
    const Vector scale = load_f32(args.gate + c, groups) * Vector::broadcast(args.scale);
    const std::uint8_t* x = args.x + c;
    std::uint8_t* out = args.out + c;
    for (int pixel = 0; pixel < args.pixels; ++pixel) {
      // The difference of two bytes is exact.
      const Vector centred = load_u8(x, groups) - Vector::broadcast(zero_point);
      store_u8(fma(centred, scale, Vector::broadcast(args.out_zero_point)), out);
      x += args.x_pixel_stride;
      out += args.out_pixel_stride;
    }
  });
}

inline void rescale_body(const RescaleArgs& args) {
  for_pixels(args, [&]<int kCount>(std::ptrdiff_t pixel, int c, Groups<kCount> groups) {
    using Vector = Wide<kCount>;
    const Vector x = load_u8(args.x + pixel * args.x_pixel_stride + c, groups);
    store_u8(fma(x, Vector::broadcast(args.scale), Vector::broadcast(args.bias)),
             args.out + pixel * args.out_pixel_stride + c);
  });
}

inline void look_up(const ByteTable& table, std::uint8_t* p, Groups<4>) {
  for (int i = 0; i < 4 * kLanes; i += kVectorBytes) {
    table(Bytes::load(p + i)).store(p + i);
  }
}
inline void look_up(const ByteTable& table, std::uint8_t* p, Groups<1>) {
  const auto same = [p](int) { return p; };
  alignas(64) std::uint8_t values[kVectorBytes];
  table(Bytes::gather<1>(same)).store(values);
  __builtin_memcpy(p, values, kLanes);
}

inline void add_bytes_body(const AddBytesArgs& args) {
  const auto add = [&]<int kCount>(std::ptrdiff_t pixel, int c, Groups<kCount> groups) {
    using Vector = Wide<kCount>;
    const Vector a = load_u8(args.a + pixel * args.a_pixel_stride + c, groups);
    const Vector b = load_u8(args.b + pixel * args.b_pixel_stride + c, groups);
    std::uint8_t* out = args.out + pixel * args.out_pixel_stride + c;
    store_u8(fma(a, Vector::broadcast(args.a_scale),
                 fma(b, Vector::broadcast(args.b_scale), Vector::broadcast(args.bias))),
             out);
    return out;
  };
  if (!args.table) {
    for_pixels(args, [&](std::ptrdiff_t pixel, int c, auto groups) { add(pixel, c, groups); });
    return;
  }
  const ByteTable table(args.table);
  for_pixels(args, [&](std::ptrdiff_t pixel, int c, auto groups) {
    look_up(table, add(pixel, c, groups), groups);
  });
}

}  // namespace
}  // namespace qe::kernels
