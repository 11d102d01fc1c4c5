// Several F32x16 computed in step: each operation is applied to all of them before the next, so
// that the instruction stream alternates between independent chains. A polynomial's latency then
// hides within the processor's window. The functions of vector_math.h take it as a vector type.
// Included after an f32x16.h, only by files compiled for one instruction set.
#pragma once

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

template <int kCount>
struct Wide {
  F32x16 v[kCount];

  static Wide broadcast(float x) {
    return each([x](int) { return F32x16::broadcast(x); });
  }
  // {f(0), f(1), ...}
  template <class F>
  static Wide each(F f) {
    Wide wide;
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) {
      wide.v[i] = f(i);
    }
    return wide;
  }
};

template <int kCount>
inline Wide<kCount> operator+(const Wide<kCount>& a, const Wide<kCount>& b) {
  return Wide<kCount>::each([&](int i) { return a.v[i] + b.v[i]; });
}
template <int kCount>
inline Wide<kCount> operator-(const Wide<kCount>& a, const Wide<kCount>& b) {
  return Wide<kCount>::each([&](int i) { return a.v[i] - b.v[i]; });
}
template <int kCount>
inline Wide<kCount> operator*(const Wide<kCount>& a, const Wide<kCount>& b) {
  return Wide<kCount>::each([&](int i) { return a.v[i] * b.v[i]; });
}
template <int kCount>
inline Wide<kCount> fma(const Wide<kCount>& a, const Wide<kCount>& b, const Wide<kCount>& c) {
  return Wide<kCount>::each([&](int i) { return fma(a.v[i], b.v[i], c.v[i]); });
}
template <int kCount>
inline Wide<kCount> maximum(const Wide<kCount>& a, const Wide<kCount>& b) {
  return Wide<kCount>::each([&](int i) { return maximum(a.v[i], b.v[i]); });
}
template <int kCount>
inline Wide<kCount> minimum(const Wide<kCount>& a, const Wide<kCount>& b) {
  return Wide<kCount>::each([&](int i) { return minimum(a.v[i], b.v[i]); });
}
template <int kCount>
inline Wide<kCount> add_exponent(const Wide<kCount>& a, const Wide<kCount>& n) {
  return Wide<kCount>::each([&](int i) { return add_exponent(a.v[i], n.v[i]); });
}

}  // namespace
}  // namespace qe::kernels
