// What attention's kernels need to know of the op, whatever the device.
#pragma once

#include <cstdint>

#include <qe/graph.h>

namespace qe {

struct AttentionShape {
  int heads = 1;
  int head_dim = 1;
  std::int64_t q_column = 0, k_column = 0, v_column = 0;
  bool first_query_only = false;  // q has one row a sequence
};

AttentionShape attention_shape(const Graph& graph, const Node& node);

// Scales of static bytes; a dynamic model quantizes inside the kernel.
struct AttentionScales {
  bool in_bytes = false;
  float q = 0, k = 0, v = 0;
  bool out_bytes = false;
  float out_inv_scale = 0, out_zero_point = 0;
};

// Throws UnsupportedError for queries, keys or values of bytes that are not symmetric.
AttentionScales attention_scales(const Graph& graph, const Node& node);

}  // namespace qe
