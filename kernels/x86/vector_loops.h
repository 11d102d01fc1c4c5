// Walking a row sixteen elements at a time, the last vector masked: one loop body serves both. Also
// the vector steps of dynamic quantization. Included after an f32x16.h, only by files compiled for
// one instruction set; anonymous namespace and no standard library code for the same reason.
#pragma once

#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/math_constants.h"

namespace qe::kernels {
namespace {

inline constexpr int kLanes = 16;

// Which lanes of a vector are elements of the row: all, or the first few.
struct AllLanes {};
struct FirstLanes {
  int count;
};

inline F32x16 load(const float* p, AllLanes) { return F32x16::load(p); }
inline F32x16 load(const float* p, FirstLanes lanes) { return F32x16::load_first(p, lanes.count); }
// The other lanes are those of fill.
inline F32x16 load(const float* p, AllLanes, F32x16) { return F32x16::load(p); }
inline F32x16 load(const float* p, FirstLanes lanes, F32x16 fill) {
  return F32x16::load_first(p, lanes.count, fill);
}
inline void store(F32x16 x, float* p, AllLanes) { x.store(p); }
inline void store(F32x16 x, float* p, FirstLanes lanes) { x.store_first(p, lanes.count); }
// x, with zeros in the other lanes.
inline F32x16 keep(F32x16 x, AllLanes) { return x; }
inline F32x16 keep(F32x16 x, FirstLanes lanes) { return keep_first(x, lanes.count); }
inline I32x16 keep(I32x16 x, AllLanes) { return x; }
inline I32x16 keep(I32x16 x, FirstLanes lanes) { return keep_first(x, lanes.count); }
inline __m128i load_bytes(const void* p, AllLanes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline __m128i load_bytes(const void* p, FirstLanes lanes) {
  return load_bytes_first(p, lanes.count);
}
inline void store_bytes(I32x16 x, void* p, AllLanes) { store_bytes(x, p); }
inline void store_bytes(I32x16 x, void* p, FirstLanes lanes) {
  store_bytes_first(x, p, lanes.count);
}

// step(i, lanes) for every vector [i, i + 16) of a row.
template <class Step>
inline void for_vectors(int cols, Step step) {
  int i = 0;
  for (; i + kLanes <= cols; i += kLanes) {
    step(i, AllLanes{});
  }
  if (i < cols) {
    step(i, FirstLanes{cols - i});
  }
}

struct DynamicScale {
  float scale;
  float inv;
};

inline DynamicScale symmetric_scale(float absolute_maximum) {
  if (absolute_maximum < kSmallestRange) {
    return {0.0F, 0.0F};
  }
  return {absolute_maximum / kSymmetricSteps, kSymmetricSteps / absolute_maximum};
}

// The same for values that reach `height` above their floor.
inline DynamicScale floored_scale(float height) {
  if (height < kSmallestRange) {
    return {0.0F, 0.0F};
  }
  return {height / kFlooredSteps, kFlooredSteps / height};
}

// round_half_even(fma(x, inv, 128)) as a byte in the low end of each lane, above it zeros or, for
// NaN, a bit that the byte does not see. |x * inv| <= 127, so nothing needs a clamp.
inline I32x16 quantize_symmetric(F32x16 x, F32x16 inv) {
  return round_to_i32(fma(x, inv, F32x16::broadcast(kSymmetricZeroPoint)));
}

// Lane by lane the largest |x|, NaN passed over. A maximum has no rounding, so its order is free:
// three accumulators hide the latency.
inline F32x16 absolute_maximum(const float* x, int cols, F32x16 largest) {
  F32x16 a = largest;
  F32x16 b = largest;
  F32x16 c = largest;
  int i = 0;
  for (; i + 3 * kLanes <= cols; i += 3 * kLanes) {
    a = maximum(absolute(F32x16::load(x + i)), a);
    b = maximum(absolute(F32x16::load(x + i + kLanes)), b);
    c = maximum(absolute(F32x16::load(x + i + 2 * kLanes)), c);
  }
  for_vectors(cols - i,
              [&](int j, auto lanes) { a = maximum(absolute(load(x + i + j, lanes)), a); });
  return maximum(a, maximum(b, c));
}

// Lane by lane the least and the largest element, NaN passed over; +inf and -inf for none.
struct RangeLanes {
  F32x16 least = F32x16::broadcast(__builtin_inff());
  F32x16 largest = F32x16::broadcast(-__builtin_inff());

  void add(F32x16 x, AllLanes) {
    least = minimum(x, least);
    largest = maximum(x, largest);
  }
  void add(F32x16 x, FirstLanes lanes) {
    least = keep_first(minimum(x, least), lanes.count, least);
    largest = keep_first(maximum(x, largest), lanes.count, largest);
  }
};

// The range of a row. Two accumulators hide the latency.
inline RangeLanes row_range(const float* x, int cols) {
  RangeLanes a;
  RangeLanes b;
  int i = 0;
  for (; i + 2 * kLanes <= cols; i += 2 * kLanes) {
    a.add(F32x16::load(x + i), AllLanes{});
    b.add(F32x16::load(x + i + kLanes), AllLanes{});
  }
  for_vectors(cols - i, [&](int j, auto lanes) { a.add(load(x + i + j, lanes), lanes); });
  return {minimum(a.least, b.least), maximum(a.largest, b.largest)};
}

// The largest element, NaN passed over; -inf for none.
inline float row_maximum(const float* x, int cols) {
  const F32x16 lowest = F32x16::broadcast(-__builtin_inff());
  F32x16 a = lowest;
  F32x16 b = lowest;
  int i = 0;
  for (; i + 2 * kLanes <= cols; i += 2 * kLanes) {
    a = maximum(F32x16::load(x + i), a);
    b = maximum(F32x16::load(x + i + kLanes), b);
  }
  for_vectors(cols - i, [&](int j, auto lanes) { a = maximum(load(x + i + j, lanes, lowest), a); });
  return fold_maximum(maximum(a, b));
}

}  // namespace
}  // namespace qe::kernels
