// The one visible order of passes.
#include "engine/passes/passes.h"

namespace qe {
namespace {

constexpr Pass kFusePostOps = {
    "fuse_post_ops", "activation and residual move into the product's epilogue", fuse_post_ops};

constexpr Pass kFoldBatchNorm = {
    "fold_batch_norm", "batch norms move into the convolutions before them", fold_batch_norm};

constexpr Pass kPasses[] = {
    kFoldBatchNorm,
    {"select_first_early", "row-wise work after the last attention for first tokens alone",
     select_first_early},
    {"fuse_attention_inputs", "query, key and value projections become one product",
     fuse_attention_inputs},
    kFusePostOps,
    {"read_pixels", "an integer convolution of the image reads its bytes, normalization folded",
     read_pixels},
    {"propagate_quant", "what pooling, concatenation and shortcuts read takes their annotation",
     propagate_quant},
    {"mark_integer_attention", "attention between integer linears runs in integers",
     mark_integer_attention},
    {"bound_activations", "outputs of GELU and ReLU are quantized above their minimum",
     bound_activations},
    {"insert_quantize", "annotated inputs of integer nodes are quantized", insert_quantize},
    {"fuse_quantize", "quantization moves to where the value is made", fuse_quantize},
};

constexpr Pass kCalibrationPasses[] = {kFoldBatchNorm};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }
std::span<const Pass> calibration_passes() { return kCalibrationPasses; }

}  // namespace qe
