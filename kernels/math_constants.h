// Coefficients of the float functions of docs/numerics.md, shared by the scalar specification and
// every instruction set. Constants only: an inline function here could link compiled for the wrong
// instruction set. Minimax fits (Remez exchange, 40 digits), then rounded to binary32.
#pragma once

namespace qe::kernels {

// exp(r) = 1 + r (c0 + r (c1 + ...)) on |r| <= ln(2) / 2, relative error 4.4e-7.
inline constexpr float kExp[] = {0x1.ffff2ep-1F, 0x1.fffe5cp-2F, 0x1.55c36p-3F, 0x1.570adp-5F,
                                 0x1.c7b1a8p-8F};
// 255 exp(r) = 255 + r (c0 + r (c1 + ...)), likewise: softmax bytes before rounding.
inline constexpr float kExp255[] = {0x1.fdff2ep+7F, 0x1.fdfe5ep+6F, 0x1.546d9cp+5F, 0x1.55b3c6p+3F,
                                    0x1.c5e9f6p+0F};
inline constexpr float kLog2E = 0x1.715476p+0F;
inline constexpr float kMinusLn2 = -0x1.62e43p-1F;
inline constexpr float kExpLow = -87.0F;  // arguments are clamped to [low, high]
inline constexpr float kExpHigh = 88.0F;
inline constexpr float kRoundMagic = 0x1.8p+23F;  // adding it rounds to an integer

// tanh(x) = x + x u (c0 + u (c1 + ...)), u = x^2, on |x| <= kTanhSplit.
inline constexpr float kTanh[] = {-0x1.555532p-2F, 0x1.110726p-3F, -0x1.b83c5ap-5F, 0x1.52269ep-6F,
                                  -0x1.75e1d2p-8F};
inline constexpr float kTanhSplit = 0.625F;

// Normal distribution function Phi(x) = 1/2 + x (c0 + v (c1 + ...)), v = x^2 - center, clamped to
// [0, 1]; the fit covers v <= center, above it the clamp is reached. The quick one is for results
// that become bytes: |x Phi(x) - gelu(x)| <= 2.7e-5, far below a quantization step.
inline constexpr float kPhiQuick[] = {0x1.4ab7ccp-3F,   -0x1.0f43f4p-7F,  0x1.3e5eb2p-11F,
                                      -0x1.80bab4p-15F, 0x1.ac5856p-19F,  -0x1.a967a2p-23F,
                                      0x1.e1d812p-27F,  -0x1.1c465cp-30F, 0x1.49e14ep-35F};
inline constexpr float kPhiQuickCenter = 0x1.318ce8p+3F;

// The same for the float path: error 5.4e-7 max(1, |x|).
inline constexpr float kPhi[] = {
    0x1.1bdd16p-3F,   -0x1.5bba44p-8F,  0x1.3ad864p-12F,  -0x1.32c5c2p-16F, 0x1.29a15ep-20F,
    -0x1.15475ep-24F, 0x1.f02ab8p-29F,  -0x1.a442b2p-33F, 0x1.26fab4p-37F,  -0x1.55b326p-42F,
    0x1.38f96cp-46F,  -0x1.396488p-50F, 0x1.01cfd6p-55F};
inline constexpr float kPhiCenter = 0x1.a028f6p+3F;

// Likewise (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 for bytes.
inline constexpr float kTanhPhiQuick[] = {0x1.53ed46p-3F,   -0x1.25759ap-7F,  0x1.669156p-11F,
                                          -0x1.bc54c8p-15F, 0x1.f4a00ap-19F,  -0x1.f2c6a6p-23F,
                                          0x1.253dap-26F,   -0x1.78cb7ep-30F, 0x1.d8f2eap-35F};
inline constexpr float kTanhPhiQuickCenter = 0x1.21p+3F;

// sqrt(2 / pi) and 0.044715 sqrt(2 / pi) for the float path.
inline constexpr float kGeluTanhLinear = 0x1.988454p-1F;
inline constexpr float kGeluTanhCubic = 0x1.2444f2p-5F;

// Dynamic quantization: steps on either side of zero, steps above a floor, and the range below
// which a row counts as constant.
inline constexpr float kSymmetricSteps = 127.0F;
inline constexpr float kFlooredSteps = 255.0F;
inline constexpr float kSmallestRange = 0x1p-100F;

}  // namespace qe::kernels
