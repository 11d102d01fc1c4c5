// Which nodes run in integers: a question about annotations that several passes ask.
#pragma once

#include <cstddef>
#include <vector>

#include <qe/graph.h>

namespace qe {

// One filter a channel: groups, input and output channels are equal.
bool is_depthwise(const Graph& graph, const Node& node);

// Whether an integer convolution applies the activation by a table of 256 bytes, so that the sum
// before it needs a range of its own.
bool by_table(Activation activation);

// The inputs that `node` reads as bytes where it runs in integers.
std::vector<std::size_t> byte_inputs(const Graph& graph, const Node& node);

// Whether the node is a matrix product that runs in floats, in a graph that all passes have seen.
bool is_float_product(const Graph& graph, const Node& node);

// For each node of the graph, whether it runs in integers. Products do where their weights are
// quantized and their inputs annotated; ops on feature maps do where both sides are annotated and
// every reader of their result takes bytes.
std::vector<bool> integer_nodes(const Graph& graph);

}  // namespace qe
