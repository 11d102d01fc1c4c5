// The one visible order of passes.
#include "engine/passes/passes.h"

namespace qe {
namespace {

constexpr Pass kFusePostOps = {
    "fuse_post_ops", "activation and residual move into the linear's epilogue", fuse_post_ops};

constexpr Pass kPasses[] = {
    {"select_first_early", "row-wise work after the last attention for first tokens alone",
     select_first_early},
    {"fuse_attention_inputs", "query, key and value projections become one product",
     fuse_attention_inputs},
    kFusePostOps,
    {"mark_integer_attention", "attention between integer linears runs in integers",
     mark_integer_attention},
    {"bound_activations", "outputs of GELU and ReLU are quantized above their minimum",
     bound_activations},
    {"insert_quantize", "annotated inputs of integer nodes are quantized", insert_quantize},
    {"fuse_quantize", "quantization moves to where the value is made", fuse_quantize},
};

constexpr Pass kCalibrationPasses[] = {kFusePostOps};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }
std::span<const Pass> calibration_passes() { return kCalibrationPasses; }

}  // namespace qe
