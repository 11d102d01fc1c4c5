// Graph rewrites, each void(Graph&), run in the one order that all_passes() shows. There is no
// fixpoint and no cost model: a pass either applies wherever its pattern stands or not at all. The
// first three and the last keep every number, bit for bit in integer models; the others decide
// where and how values are quantized.
#pragma once

#include <span>
#include <string_view>

#include <qe/graph.h>

namespace qe {

struct Pass {
  std::string_view name;
  std::string_view purpose;
  void (*run)(Graph&);
};

// Row-wise work after the last attention is done for the first token of each sequence alone, since
// the classifier reads no other row.
void select_first_early(Graph& graph);
// Query, key and value projections of one input become one wider product.
void fuse_attention_inputs(Graph& graph);
// Batch norms become weights and bias of the convolutions before them.
void fold_batch_norm(Graph& graph);
// Activation and residual addition move into the epilogue of the linear or convolution before them.
void fuse_post_ops(Graph& graph);
// An integer convolution of the image reads the pixels' bytes, with their border around them.
void read_pixels(Graph& graph);
// What max pooling, concatenation and option A shortcuts read takes the annotation of their result.
void propagate_quant(Graph& graph);
// Attention between integer linears runs in integers as well.
void mark_integer_attention(Graph& graph);
// Dynamically quantized outputs of GELU and ReLU use all 256 steps above the function's minimum.
void bound_activations(Graph& graph);
// Annotated inputs of quantized linears get a quantize node.
void insert_quantize(Graph& graph);
// Quantization moves into the layer norm that makes the value; static outputs are stored as bytes.
void fuse_quantize(Graph& graph);

// All passes, in order.
std::span<const Pass> all_passes();
// Those of a calibration run: every value that is to be observed still exists by its own name.
std::span<const Pass> calibration_passes();

}  // namespace qe
