// The warp group's integer matrix instruction, wgmma.mma_async.m64nNk32, for the widths and operand
// types that kernels use. The text of an assembly statement must be written out: a macro stands for
// each width's list of registers, because the three combinations of types share it.
#pragma once

#include <cstdint>

#include "kernels/cuda/product.h"

namespace qe::kernels::cuda {

// d (+)= a b: 16 columns; zero where `accumulate` is 0.
#define QE_WGMMA_16(TYPES)                                                                  \
  asm volatile(                                                                             \
      "{.reg .pred p; setp.ne.b32 p, %10, 0; "                                              \
      "wgmma.mma_async.sync.aligned.m64n16k32.s32." TYPES                                   \
      " {"                                                                                  \
      "%0, %1, %2, %3, %4, %5, %6, %7"                                                      \
      "}, %8, %9, p;}"                                                                      \
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]), \
        "+r"(d[7])                                                                          \
      : "l"(a), "l"(b), "r"(accumulate))
template <Signs kSigns>
__device__ __forceinline__ void wgmma(int (&d)[8], std::uint64_t a, std::uint64_t b,
                                      int accumulate) {
  if constexpr (kSigns == Signs::kU8S8) {
    QE_WGMMA_16("u8.s8");
  } else if constexpr (kSigns == Signs::kS8S8) {
    QE_WGMMA_16("s8.s8");
  } else {
    QE_WGMMA_16("s8.u8");
  }
}
#undef QE_WGMMA_16

// d (+)= a b: 32 columns; zero where `accumulate` is 0.
#define QE_WGMMA_32(TYPES)                                                                      \
  asm volatile(                                                                                 \
      "{.reg .pred p; setp.ne.b32 p, %18, 0; "                                                  \
      "wgmma.mma_async.sync.aligned.m64n32k32.s32." TYPES                                       \
      " {"                                                                                      \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"                    \
      "}, %16, %17, p;}"                                                                        \
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]),     \
        "+r"(d[7]), "+r"(d[8]), "+r"(d[9]), "+r"(d[10]), "+r"(d[11]), "+r"(d[12]), "+r"(d[13]), \
        "+r"(d[14]), "+r"(d[15])                                                                \
      : "l"(a), "l"(b), "r"(accumulate))
template <Signs kSigns>
__device__ __forceinline__ void wgmma(int (&d)[16], std::uint64_t a, std::uint64_t b,
                                      int accumulate) {
  if constexpr (kSigns == Signs::kU8S8) {
    QE_WGMMA_32("u8.s8");
  } else if constexpr (kSigns == Signs::kS8S8) {
    QE_WGMMA_32("s8.s8");
  } else {
    QE_WGMMA_32("s8.u8");
  }
}
#undef QE_WGMMA_32

// d (+)= a b: 64 columns; zero where `accumulate` is 0.
#define QE_WGMMA_64(TYPES)                                                                         \
  asm volatile(                                                                                    \
      "{.reg .pred p; setp.ne.b32 p, %34, 0; "                                                     \
      "wgmma.mma_async.sync.aligned.m64n64k32.s32." TYPES                                          \
      " {"                                                                                         \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "                \
      "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"                  \
      "}, %32, %33, p;}"                                                                           \
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]),        \
        "+r"(d[7]), "+r"(d[8]), "+r"(d[9]), "+r"(d[10]), "+r"(d[11]), "+r"(d[12]), "+r"(d[13]),    \
        "+r"(d[14]), "+r"(d[15]), "+r"(d[16]), "+r"(d[17]), "+r"(d[18]), "+r"(d[19]), "+r"(d[20]), \
        "+r"(d[21]), "+r"(d[22]), "+r"(d[23]), "+r"(d[24]), "+r"(d[25]), "+r"(d[26]), "+r"(d[27]), \
        "+r"(d[28]), "+r"(d[29]), "+r"(d[30]), "+r"(d[31])                                         \
      : "l"(a), "l"(b), "r"(accumulate))
template <Signs kSigns>
__device__ __forceinline__ void wgmma(int (&d)[32], std::uint64_t a, std::uint64_t b,
                                      int accumulate) {
  if constexpr (kSigns == Signs::kU8S8) {
    QE_WGMMA_64("u8.s8");
  } else if constexpr (kSigns == Signs::kS8S8) {
    QE_WGMMA_64("s8.s8");
  } else {
    QE_WGMMA_64("s8.u8");
  }
}
#undef QE_WGMMA_64

// d (+)= a b: 128 columns; zero where `accumulate` is 0.
#define QE_WGMMA_128(TYPES)                                                                        \
  asm volatile(                                                                                    \
      "{.reg .pred p; setp.ne.b32 p, %66, 0; "                                                     \
      "wgmma.mma_async.sync.aligned.m64n128k32.s32." TYPES                                         \
      " {"                                                                                         \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "                \
      "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                \
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, "                \
      "%47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "                \
      "%62, %63"                                                                                   \
      "}, %64, %65, p;}"                                                                           \
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]),        \
        "+r"(d[7]), "+r"(d[8]), "+r"(d[9]), "+r"(d[10]), "+r"(d[11]), "+r"(d[12]), "+r"(d[13]),    \
        "+r"(d[14]), "+r"(d[15]), "+r"(d[16]), "+r"(d[17]), "+r"(d[18]), "+r"(d[19]), "+r"(d[20]), \
        "+r"(d[21]), "+r"(d[22]), "+r"(d[23]), "+r"(d[24]), "+r"(d[25]), "+r"(d[26]), "+r"(d[27]), \
        "+r"(d[28]), "+r"(d[29]), "+r"(d[30]), "+r"(d[31]), "+r"(d[32]), "+r"(d[33]), "+r"(d[34]), \
        "+r"(d[35]), "+r"(d[36]), "+r"(d[37]), "+r"(d[38]), "+r"(d[39]), "+r"(d[40]), "+r"(d[41]), \
        "+r"(d[42]), "+r"(d[43]), "+r"(d[44]), "+r"(d[45]), "+r"(d[46]), "+r"(d[47]), "+r"(d[48]), \
        "+r"(d[49]), "+r"(d[50]), "+r"(d[51]), "+r"(d[52]), "+r"(d[53]), "+r"(d[54]), "+r"(d[55]), \
        "+r"(d[56]), "+r"(d[57]), "+r"(d[58]), "+r"(d[59]), "+r"(d[60]), "+r"(d[61]), "+r"(d[62]), \
        "+r"(d[63])                                                                                \
      : "l"(a), "l"(b), "r"(accumulate))
template <Signs kSigns>
__device__ __forceinline__ void wgmma(int (&d)[64], std::uint64_t a, std::uint64_t b,
                                      int accumulate) {
  if constexpr (kSigns == Signs::kU8S8) {
    QE_WGMMA_128("u8.s8");
  } else if constexpr (kSigns == Signs::kS8S8) {
    QE_WGMMA_128("s8.s8");
  } else {
    QE_WGMMA_128("s8.u8");
  }
}
#undef QE_WGMMA_128

// d (+)= a b: 256 columns; zero where `accumulate` is 0.
#define QE_WGMMA_256(TYPES)                                                                        \
  asm volatile(                                                                                    \
      "{.reg .pred p; setp.ne.b32 p, %130, 0; "                                                    \
      "wgmma.mma_async.sync.aligned.m64n256k32.s32." TYPES                                         \
      " {"                                                                                         \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, "                \
      "%17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                \
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, "                \
      "%47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "                \
      "%62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, "                \
      "%77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, "                \
      "%92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, "               \
      "%106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, "                   \
      "%118, %119, %120, %121, %122, %123, %124, %125, %126, %127"                                 \
      "}, %128, %129, p;}"                                                                         \
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]), "+r"(d[4]), "+r"(d[5]), "+r"(d[6]),        \
        "+r"(d[7]), "+r"(d[8]), "+r"(d[9]), "+r"(d[10]), "+r"(d[11]), "+r"(d[12]), "+r"(d[13]),    \
        "+r"(d[14]), "+r"(d[15]), "+r"(d[16]), "+r"(d[17]), "+r"(d[18]), "+r"(d[19]), "+r"(d[20]), \
        "+r"(d[21]), "+r"(d[22]), "+r"(d[23]), "+r"(d[24]), "+r"(d[25]), "+r"(d[26]), "+r"(d[27]), \
        "+r"(d[28]), "+r"(d[29]), "+r"(d[30]), "+r"(d[31]), "+r"(d[32]), "+r"(d[33]), "+r"(d[34]), \
        "+r"(d[35]), "+r"(d[36]), "+r"(d[37]), "+r"(d[38]), "+r"(d[39]), "+r"(d[40]), "+r"(d[41]), \
        "+r"(d[42]), "+r"(d[43]), "+r"(d[44]), "+r"(d[45]), "+r"(d[46]), "+r"(d[47]), "+r"(d[48]), \
        "+r"(d[49]), "+r"(d[50]), "+r"(d[51]), "+r"(d[52]), "+r"(d[53]), "+r"(d[54]), "+r"(d[55]), \
        "+r"(d[56]), "+r"(d[57]), "+r"(d[58]), "+r"(d[59]), "+r"(d[60]), "+r"(d[61]), "+r"(d[62]), \
        "+r"(d[63]), "+r"(d[64]), "+r"(d[65]), "+r"(d[66]), "+r"(d[67]), "+r"(d[68]), "+r"(d[69]), \
        "+r"(d[70]), "+r"(d[71]), "+r"(d[72]), "+r"(d[73]), "+r"(d[74]), "+r"(d[75]), "+r"(d[76]), \
        "+r"(d[77]), "+r"(d[78]), "+r"(d[79]), "+r"(d[80]), "+r"(d[81]), "+r"(d[82]), "+r"(d[83]), \
        "+r"(d[84]), "+r"(d[85]), "+r"(d[86]), "+r"(d[87]), "+r"(d[88]), "+r"(d[89]), "+r"(d[90]), \
        "+r"(d[91]), "+r"(d[92]), "+r"(d[93]), "+r"(d[94]), "+r"(d[95]), "+r"(d[96]), "+r"(d[97]), \
        "+r"(d[98]), "+r"(d[99]), "+r"(d[100]), "+r"(d[101]), "+r"(d[102]), "+r"(d[103]),          \
        "+r"(d[104]), "+r"(d[105]), "+r"(d[106]), "+r"(d[107]), "+r"(d[108]), "+r"(d[109]),        \
        "+r"(d[110]), "+r"(d[111]), "+r"(d[112]), "+r"(d[113]), "+r"(d[114]), "+r"(d[115]),        \
        "+r"(d[116]), "+r"(d[117]), "+r"(d[118]), "+r"(d[119]), "+r"(d[120]), "+r"(d[121]),        \
        "+r"(d[122]), "+r"(d[123]), "+r"(d[124]), "+r"(d[125]), "+r"(d[126]), "+r"(d[127])         \
      : "l"(a), "l"(b), "r"(accumulate))
template <Signs kSigns>
__device__ __forceinline__ void wgmma(int (&d)[128], std::uint64_t a, std::uint64_t b,
                                      int accumulate) {
  if constexpr (kSigns == Signs::kU8S8) {
    QE_WGMMA_256("u8.s8");
  } else if constexpr (kSigns == Signs::kS8S8) {
    QE_WGMMA_256("s8.s8");
  } else {
    QE_WGMMA_256("s8.u8");
  }
}
#undef QE_WGMMA_256

// Brackets of asynchronous matrix instructions: before the first, after the last of a batch, and
// until at most kPending batches are under way.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
// Keeps the compiler from moving accumulators across the brackets.
template <int kSlabs, int kRegisters>
__device__ __forceinline__ void hold(int (&acc)[kSlabs][kRegisters]) {
#pragma unroll
  for (int slab = 0; slab < kSlabs; ++slab) {
#pragma unroll
    for (int i = 0; i < kRegisters; ++i) {
      asm volatile("" : "+r"(acc[slab][i])::"memory");
    }
  }
}

}  // namespace qe::kernels::cuda
