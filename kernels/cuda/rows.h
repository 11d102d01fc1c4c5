// What stands between the integer products of a network, for the rows of a batch on a GPU: sums of
// embeddings, layer normalization, quantization, a choice of rows. The arguments are those of the
// CPU's kernels (kernels/kernel_table.h) with pointers to device memory, the results the same bits.
// Rows are counted in device memory: `rows` or `tokens` of the arguments is a capacity, *count the
// rows of this run, and what lies beyond them is not touched. Nothing is checked, allocated or
// waited for; the result is a cudaError_t, 0 for success.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/launch_stream.h"
#include "kernels/kernel_table.h"

namespace qe::kernels::cuda {

// Whether the code that the current device takes waits for the launches before it
// (ptx/launch_order.h): a GPU that is newer than the code it was given may run code that does not.
int waits_for_launches(bool& waits) noexcept;

int launch_embed(const EmbedArgs& args, const std::int32_t* count, LaunchStream stream) noexcept;

int launch_layer_norm(const LayerNormArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept;

int launch_quantize_rows(const QuantizeRowsArgs& args, const std::int32_t* count,
                         LaunchStream stream) noexcept;

// y[i] = x[rows[i]].
template <class T>
struct SelectRows {
  const T* x;
  std::ptrdiff_t ldx;
  const std::int32_t* rows;
  int count, cols;  // count: of rows, a capacity
  T* y;
  std::ptrdiff_t ldy;
};
using SelectRowsArgs = SelectRows<float>;
int launch_select_rows(const SelectRowsArgs& args, const std::int32_t* count,
                       LaunchStream stream) noexcept;

}  // namespace qe::kernels::cuda
