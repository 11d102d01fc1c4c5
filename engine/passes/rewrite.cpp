// Plain scans over the node list: graphs have a few hundred nodes and passes run once.
#include "engine/passes/rewrite.h"

#include <algorithm>

namespace qe {

std::vector<int> producers(const Graph& graph) {
  std::vector<int> made_by(graph.values.size(), -1);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) {
      if (id != kNoValue) made_by[static_cast<std::size_t>(id)] = static_cast<int>(i);
    }
  }
  return made_by;
}

std::vector<int> consumers(const Graph& graph, ValueId id) {
  std::vector<int> readers;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& inputs = graph.nodes[i].inputs;
    if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) {
      readers.push_back(static_cast<int>(i));
    }
  }
  return readers;
}

const Node* maker_of(const Graph& graph, ValueId id) {
  if (id == kNoValue) return nullptr;
  const int maker = producers(graph)[static_cast<std::size_t>(id)];
  return maker < 0 ? nullptr : &graph.nodes[static_cast<std::size_t>(maker)];
}

const Node* only_reader_of(const Graph& graph, ValueId id) {
  const std::vector<int> readers = consumers(graph, id);
  if (readers.size() != 1 || graph.output == id) return nullptr;
  return &graph.nodes[static_cast<std::size_t>(readers[0])];
}

const ImageOp* image_read_by(const Graph& graph, const Node& node) {
  for (const Node& maker : graph.nodes) {
    const auto* const image = std::get_if<ImageOp>(&maker.op);
    if (image != nullptr && maker.outputs[0] == node.inputs[0]) return image;
  }
  return nullptr;
}

bool moves_bytes(const Op& op) {
  return std::holds_alternative<MaxPoolOp>(op) || std::holds_alternative<ConcatOp>(op) ||
         std::holds_alternative<PadChannelsOp>(op);
}

void replace_uses(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) {
    std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  }
  if (graph.output == from) graph.output = to;
}

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> read(graph.values.size(), false);
  read[static_cast<std::size_t>(graph.output)] = true;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    const bool live = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) {
      return id != kNoValue && read[static_cast<std::size_t>(id)];
    });
    if (!live) {
      graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) read[static_cast<std::size_t>(id)] = true;
    }
  }
}

}  // namespace qe
