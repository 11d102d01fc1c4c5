// The row kernels of kernels/x86/rows_body.h for AVX2.
#include "kernels/x86/avx2/f32x16.h"
// The body is written in the types of f32x16.h.
#include "kernels/x86/rows_body.h"

#include "kernels/isa_tables.h"

namespace qe::kernels::avx2 {

void quantize_rows(const QuantizeRowsArgs& args) noexcept { quantize_rows_body(args); }
void layer_norm(const LayerNormArgs& args) noexcept { layer_norm_body(args); }
void embed(const EmbedArgs& args) noexcept { embed_body(args); }
void bias_activation(const BiasActivationArgs& args) noexcept { bias_activation_body(args); }
void softmax_f32(const SoftmaxF32Args& args) noexcept { softmax_f32_body(args); }

}  // namespace qe::kernels::avx2
