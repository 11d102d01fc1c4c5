// The classifier reads the first token's row alone, and every op but attention's keys and values
// works row by row. So the selection moves up: from the last value back through row-wise nodes that
// nothing else reads, to where all rows are needed.
#include <algorithm>
#include <set>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {
namespace {

// Which inputs of a node have the same rows as its output.
std::vector<std::size_t> row_inputs(const Node& node) {
  if (std::holds_alternative<LinearOp>(node.op)) return {0, 3};
  if (std::holds_alternative<LayerNormOp>(node.op)) return {0};
  if (std::holds_alternative<ActivationOp>(node.op)) return {0};
  if (std::holds_alternative<AddOp>(node.op)) return {0, 1};
  if (std::holds_alternative<AttentionOp>(node.op)) return {0};
  return {};
}

// Whether `node` reads `id` for those rows alone, not also for other tokens' (query, key and value
// may be one value).
bool reads_own_rows(const Node& node, ValueId id) {
  if (std::holds_alternative<SelectFirstOp>(node.op)) return true;
  const std::vector<std::size_t> rows = row_inputs(node);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == id && std::count(rows.begin(), rows.end(), i) == 0) return false;
  }
  return true;
}

class EarlySelection {
 public:
  explicit EarlySelection(Graph& graph) : graph_(graph), made_by_(producers(graph)) {}

  void run() {
    const auto select = std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [](const Node& n) {
      return std::holds_alternative<SelectFirstOp>(n.op);
    });
    if (select == graph_.nodes.end()) return;
    const ValueId all_rows = select->inputs[0];
    const ValueId first_rows = select->outputs[0];
    nodes_.insert(static_cast<int>(select - graph_.nodes.begin()));
    grow(all_rows);
    if (frontier_.contains(all_rows)) return;  // nothing to gain
    rewrite(all_rows, first_rows);
  }

 private:
  // Claims the node that makes `id` if only claimed nodes read its rows; else `id` is a frontier.
  void grow(ValueId id) {
    const int maker = made_by_[static_cast<std::size_t>(id)];
    const auto inputs = maker < 0 ? std::vector<std::size_t>{} : row_inputs(node_at(maker));
    const std::vector<int> readers = consumers(graph_, id);
    const bool claimed = std::all_of(readers.begin(), readers.end(), [&](int reader) {
      return nodes_.contains(reader) && reads_own_rows(node_at(reader), id);
    });
    if (inputs.empty() || !claimed) {
      frontier_.insert(id);
      return;
    }
    nodes_.insert(maker);
    frontier_.erase(id);
    const Node& node = node_at(maker);
    for (const std::size_t i : inputs) {
      if (node.inputs.size() > i && node.inputs[i] != kNoValue) grow(node.inputs[i]);
    }
    // A frontier all of whose readers are claimed by now may move up as well.
    for (const ValueId other : std::set<ValueId>(frontier_)) {
      if (frontier_.contains(other) && other != id) retry(other);
    }
  }

  const Node& node_at(int i) const { return graph_.nodes[static_cast<std::size_t>(i)]; }

  void retry(ValueId id) {
    frontier_.erase(id);
    grow(id);
  }

  void rewrite(ValueId all_rows, ValueId first_rows) {
    // One selection for each frontier value, right after the node that makes it.
    for (const ValueId id : frontier_) {
      Value selected;
      selected.name = graph_.value(id).name + ".first";
      selected.shape = {kSequences, graph_.value(id).shape[1]};
      selected.quant = graph_.value(id).quant;
      const ValueId out = graph_.add_value(selected);
      for (const int i : nodes_) {
        Node& node = graph_.nodes[static_cast<std::size_t>(i)];
        for (const std::size_t input : row_inputs(node)) {
          if (node.inputs.size() > input && node.inputs[input] == id) node.inputs[input] = out;
        }
      }
      added_.push_back({selected.name, SelectFirstOp{}, {id}, {out}});
    }
    for (const int i : nodes_) {
      for (const ValueId id : graph_.nodes[static_cast<std::size_t>(i)].outputs) {
        graph_.value(id).shape[0] = kSequences;
      }
    }
    // Its rows are the selected ones by now, read as those were.
    graph_.value(all_rows).quant = graph_.value(first_rows).quant;
    replace_uses(graph_, first_rows, all_rows);
    for (Node& node : added_) {
      const ValueId source = node.inputs[0];
      const auto maker = std::find_if(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& n) {
        return std::find(n.outputs.begin(), n.outputs.end(), source) != n.outputs.end();
      });
      graph_.nodes.insert(maker + 1, node);
    }
    remove_dead_nodes(graph_);
  }

  Graph& graph_;
  std::vector<int> made_by_;
  std::set<int> nodes_;         // the selection and the row-wise nodes it moves above
  std::set<ValueId> frontier_;  // values that stay whole and are selected from
  std::vector<Node> added_;
};

}  // namespace

void select_first_early(Graph& graph) { EarlySelection(graph).run(); }

}  // namespace qe
