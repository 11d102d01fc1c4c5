// The float functions of docs/numerics.md, one element at a time: the specification every vector
// version equals bit for bit. They set no errno and no promise holds for the sign or payload of a
// NaN result.
#pragma once

#include <cstdint>

namespace qe::kernels::reference {

// a if a > b, else b (so b when either is NaN); minimum likewise.
float maximum(float a, float b) noexcept;
float minimum(float a, float b) noexcept;

// The argument is clamped to [-87, 88], NaN counting as -87; relative error <= 8e-7.
float exp(float x) noexcept;

// 255 exp(x) for x <= 0, the value of a softmax byte before rounding; below -87 and NaN as exp.
// Relative error <= 8e-7.
float exp_255(float x) noexcept;

// Absolute error <= 3e-7.
float tanh(float x) noexcept;

// 1 / (1 + exp(-x)): relative error <= 8e-7 where x > -87.
float sigmoid(float x) noexcept;

// x / (1 + exp(-x)): error <= 8e-7 max(1, |x|).
float silu(float x) noexcept;

// GELU for results that are quantized to 8 bits (the epilogue of the integer matrix product):
// absolute error <= 3e-5.
float gelu_erf(float x) noexcept;
float gelu_tanh(float x) noexcept;

// GELU for the float path: error <= 7e-7 max(1, |x|).
float gelu_erf_precise(float x) noexcept;
float gelu_tanh_precise(float x) noexcept;

// The largest x[i], elements that are NaN passed over; -inf for none.
float largest_of(const float* x, int count) noexcept;

// The largest |x[i]|, elements that are NaN passed over; 0 for none.
float absolute_maximum(const float* x, int count) noexcept;

// round_half_even(clamp(t, 0, 255)); NaN gives 0.
std::uint8_t round_to_u8(float t) noexcept;

}  // namespace qe::kernels::reference
