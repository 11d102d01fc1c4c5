// The attention kernels of kernels/x86/attention_body.h for AVX2.
#include "kernels/x86/avx2/f32x16.h"
// The body is written in the types of f32x16.h.
#include "kernels/x86/attention_body.h"

#include "kernels/isa_tables.h"

namespace qe::kernels::avx2 {

void pack_keys(const PackKeysArgs& args) noexcept { pack_keys_body(args); }
void pack_values(const PackValuesArgs& args) noexcept { pack_values_body(args); }
void softmax_u8(const SoftmaxU8Args& args) noexcept { softmax_u8_body(args); }

}  // namespace qe::kernels::avx2
