// Float models of texts on a GPU keep their activations as halves (binary16).
#pragma once

#include <qe/graph.h>

namespace qe {

// Makes every activation but the graph's output F16, in a graph that all passes have seen. A graph
// with quantized values or feature maps stays as it is.
void store_halves(Graph& graph);

}  // namespace qe
