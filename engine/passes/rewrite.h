// What passes and lowering share: who makes a value, who reads it, kinds of ops, replacing uses,
// dropping dead nodes.
#pragma once

#include <vector>

#include <qe/graph.h>

namespace qe {

// Index of the node that makes each value; -1 for constants.
std::vector<int> producers(const Graph& graph);

// Indices of the nodes that read `id`.
std::vector<int> consumers(const Graph& graph, ValueId id);

// The node that makes `id`; null where none does, for constants and missing values.
const Node* maker_of(const Graph& graph, ValueId id);

// The one node that reads `id`; null where there are more or none, or where it is the graph's
// output.
const Node* only_reader_of(const Graph& graph, ValueId id);

// The image, if it is what `node` reads first; null otherwise.
const ImageOp* image_read_by(const Graph& graph, const Node& node);

// Whether the op moves bytes without computing: its two sides must stand for the same reals.
bool moves_bytes(const Op& op);

// Every node that reads `from` reads `to` instead; so does the graph's output.
void replace_uses(Graph& graph, ValueId from, ValueId to);

// Removes nodes none of whose outputs is read.
void remove_dead_nodes(Graph& graph);

}  // namespace qe
