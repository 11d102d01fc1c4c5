// Type-checks a graph: ids and order, shapes, element types and annotations of every node. Builders
// and passes are checked with it after each step, so a fault is named where it was made.
#include <algorithm>
#include <unordered_set>

#include <qe/error.h>
#include <qe/graph.h>

namespace qe {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
      if (!graph.values[i].constant.empty()) defined_.insert(static_cast<ValueId>(i));
    }
  }

  void run() {
    for (const Node& node : graph_.nodes) {
      node_ = &node;
      for (const ValueId id : node.inputs) {
        if (id == kNoValue) continue;
        require(defined_.contains(id), "input is used before it is made", "",
                graph_.value(id).name);
      }
      std::visit([this](const auto& op) { check(op); }, node.op);
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        require(defined_.insert(id).second, "value is made twice", "", graph_.value(id).name);
      }
    }
    if (graph_.nodes.empty() || !defined_.contains(graph_.output)) {
      throw GraphError({.problem = "the graph's output is made by no node"});
    }
  }

 private:
  void require(bool condition, const char* problem, const std::string& expected,
               const std::string& actual) const {
    if (condition) return;
    throw GraphError(
        {.problem = problem, .name = node_->name, .expected = expected, .actual = actual});
  }
  void arity(std::size_t low, std::size_t high, std::size_t outputs) const {
    require(node_->inputs.size() >= low && node_->inputs.size() <= high, "wrong number of inputs",
            std::to_string(high), std::to_string(node_->inputs.size()));
    require(!node_->outputs.empty() && node_->outputs.size() <= outputs, "wrong number of outputs",
            std::to_string(outputs), std::to_string(node_->outputs.size()));
  }
  const Value& in(std::size_t i) const { return graph_.value(node_->inputs[i]); }
  bool has(std::size_t i) const { return node_->inputs.size() > i && node_->inputs[i] != kNoValue; }
  const Value& out(std::size_t i = 0) const { return graph_.value(node_->outputs[i]); }

  void same_shape(const Value& a, const Value& b) const {
    require(a.shape == b.shape, "shapes differ", a.name + " " + to_string(a.shape),
            b.name + " " + to_string(b.shape));
  }
  void matrix(const Value& v) const {
    require(v.shape.size() == 2 && v.shape[1] > 0, "an activation has rows and a width",
            "[rows, n]", v.name + " " + to_string(v.shape));
  }
  void quantized(const Value& v) const {
    require(v.dtype == DType::kU8 && v.quant.has_value(), "value is not quantized",
            "U8 with annotation", v.name);
  }

  void check(const EmbeddingOp&) const {
    arity(2, 3, 1);
    matrix(out());
    for (const ValueId id : node_->inputs) {
      const Value& table = graph_.value(id);
      require(
          !table.constant.empty() && table.shape.size() == 2 && table.shape[1] == out().shape[1],
          "embedding table has the wrong shape", "[rows, " + std::to_string(out().shape[1]) + "]",
          table.name + " " + to_string(table.shape));
    }
  }
  void check(const LayerNormOp& op) const {
    arity(3, 3, 2);
    matrix(in(0));
    require(op.epsilon > 0, "epsilon must be positive", "> 0", std::to_string(op.epsilon));
    for (std::size_t i = 1; i < 3; ++i) {
      require(in(i).shape == Shape{in(0).shape[1]}, "wrong shape", to_string(Shape{in(0).shape[1]}),
              in(i).name + " " + to_string(in(i).shape));
    }
    for (const ValueId id : node_->outputs) {
      if (id != kNoValue) same_shape(in(0), graph_.value(id));
    }
    if (node_->outputs.size() == 2) quantized(out(1));
  }
  void map(const Value& v) const {
    require(
        is_map(v) && v.shape[0] == kSequences && v.shape[1] > 0 && v.shape[2] > 0 && v.shape[3] > 0,
        "not a feature map", "[sequences, height, width, channels]",
        v.name + " " + to_string(v.shape));
  }
  void output_shape(const Shape& expected) const {
    require(out().shape == expected, "wrong output shape", to_string(expected),
            to_string(out().shape));
  }
  // Windows of `kernel` pixels along one side; ONNX's formula without rounding up.
  std::int64_t windows(std::int64_t size, int before, int after, std::int64_t kernel, int stride,
                       int dilation) const {
    require(stride >= 1 && dilation >= 1 && before >= 0 && after >= 0,
            "stride, dilation or padding out of range", "stride >= 1, dilation >= 1, padding >= 0",
            std::to_string(stride) + ", " + std::to_string(dilation) + ", " +
                std::to_string(std::min(before, after)));
    const std::int64_t room = size + before + after - dilation * (kernel - 1) - 1;
    require(room >= 0, "the kernel is larger than its padded input", std::to_string(kernel),
            std::to_string(size));
    return room / stride + 1;
  }
  void channels(std::size_t i, std::int64_t count) const {
    require(element_count(in(i).shape) == count && !in(i).constant.empty(), "wrong shape",
            std::to_string(count) + " elements", in(i).name + " " + to_string(in(i).shape));
  }

  void check(const ImageOp& op) const {
    arity(0, 0, 1);
    map(out());
    require(out().shape[3] == (op.bytes ? 4 : 3), "an image has three channels",
            op.bytes ? "4 bytes a pixel" : "3", std::to_string(out().shape[3]));
    for (const float std : op.std) {
      require(std > 0, "deviation must be positive", "> 0", std::to_string(std));
    }
    if (op.bytes) quantized(out());
  }
  void check(const ConvOp& op) const {
    arity(2, 4, 1);
    map(in(0));
    const Value& weight = in(1);
    require(weight.shape.size() == 4, "weight has the wrong shape",
            "[out, in / groups, height, width]", weight.name + " " + to_string(weight.shape));
    const std::int64_t in_channels = in(0).shape[3];
    const std::int64_t out_channels = weight.shape[0];
    require(op.groups >= 1 && in_channels % op.groups == 0 && out_channels % op.groups == 0,
            "groups must divide the channels",
            "a divisor of " + std::to_string(in_channels) + " and " + std::to_string(out_channels),
            std::to_string(op.groups));
    // The four-byte pixels of the first layer carry three channels.
    const bool pixels = in(0).dtype == DType::kU8 && in_channels == 4 && weight.shape[1] == 3;
    require(weight.shape[1] == in_channels / op.groups || pixels, "weight has the wrong shape",
            std::to_string(in_channels / op.groups) + " input channels", to_string(weight.shape));
    output_shape({kSequences,
                  windows(in(0).shape[1], op.padding.top, op.padding.bottom, weight.shape[2],
                          op.stride, op.dilation),
                  windows(in(0).shape[2], op.padding.left, op.padding.right, weight.shape[3],
                          op.stride, op.dilation),
                  out_channels});
    if (has(2)) channels(2, out_channels);
    if (has(3)) same_shape(in(3), out());
    if (in(0).dtype == DType::kU8) {
      quantized(in(0));
      require(weight.quant.has_value(), "quantized input with a float weight", "", weight.name);
      if (has(3)) quantized(in(3));
    }
  }
  void check(const BatchNormOp& op) const {
    arity(5, 5, 1);
    map(in(0));
    same_shape(in(0), out());
    require(op.epsilon > 0, "epsilon must be positive", "> 0", std::to_string(op.epsilon));
    for (std::size_t i = 1; i < 5; ++i) channels(i, in(0).shape[3]);
  }
  void check(const MaxPoolOp& op) const {
    arity(1, 1, 1);
    map(in(0));
    const Padding& p = op.padding;
    // Every window holds a pixel of the image.
    require(op.kernel >= 1 && std::max({p.top, p.left, p.bottom, p.right}) < op.kernel,
            "padding must be smaller than the window", std::to_string(op.kernel), "");
    output_shape({kSequences, windows(in(0).shape[1], p.top, p.bottom, op.kernel, op.stride, 1),
                  windows(in(0).shape[2], p.left, p.right, op.kernel, op.stride, 1),
                  in(0).shape[3]});
  }
  void check(const GlobalAveragePoolOp&) const {
    arity(1, 1, 1);
    map(in(0));
    output_shape({kSequences, in(0).shape[3]});
  }
  void check(const ConcatOp&) const {
    arity(2, 16, 1);
    Shape expected = in(0).shape;
    expected[3] = 0;
    for (std::size_t i = 0; i < node_->inputs.size(); ++i) {
      map(in(i));
      require(in(i).shape[1] == expected[1] && in(i).shape[2] == expected[2], "sizes differ",
              to_string(in(0).shape), to_string(in(i).shape));
      expected[3] += in(i).shape[3];
    }
    output_shape(expected);
  }
  void check(const ScaleChannelsOp&) const {
    arity(2, 2, 1);
    map(in(0));
    same_shape(in(0), out());
    require(in(1).shape == (Shape{kSequences, in(0).shape[3]}), "one gate a channel",
            std::to_string(in(0).shape[3]), to_string(in(1).shape));
  }
  void check(const PadChannelsOp& op) const {
    arity(1, 1, 1);
    map(in(0));
    require(op.stride >= 1 && op.before >= 0 && op.after >= 0, "stride or channels out of range",
            ">= 1, >= 0", std::to_string(op.stride));
    output_shape({kSequences, (in(0).shape[1] + op.stride - 1) / op.stride,
                  (in(0).shape[2] + op.stride - 1) / op.stride,
                  op.before + in(0).shape[3] + op.after});
  }
  void check(const PatchTokensOp&) const {
    arity(3, 3, 1);
    map(in(0));
    const std::int64_t width = in(0).shape[3];
    output_shape({kTokens, width});
    channels(1, width);
    channels(2, (1 + in(0).shape[1] * in(0).shape[2]) * width);
  }
  void check(const LinearOp&) const {
    arity(2, 4, 1);
    matrix(in(0));
    matrix(out());
    const Shape expected = {out().shape[1], in(0).shape[1]};
    require(in(1).shape == expected, "weight has the wrong shape", to_string(expected),
            to_string(in(1).shape));
    require(in(0).shape[0] == out().shape[0], "rows change", "", out().name);
    if (has(2)) {
      require(in(2).shape == Shape{out().shape[1]}, "bias has the wrong shape",
              to_string(Shape{out().shape[1]}), to_string(in(2).shape));
    }
    if (has(3)) same_shape(in(3), out());
    if (in(0).dtype == DType::kU8) {
      quantized(in(0));
      require(in(1).quant.has_value(), "quantized input with a float weight", "", in(1).name);
    }
  }
  void check(const ActivationOp&) const {
    arity(1, 1, 1);
    same_shape(in(0), out());
  }
  void check(const AddOp&) const {
    arity(2, 2, 1);
    same_shape(in(0), in(1));
    same_shape(in(0), out());
  }
  void check(const AttentionOp& op) const {
    arity(3, 3, 1);
    require(op.heads > 0 && op.width > 0 && op.width % op.heads == 0,
            "width is not divisible by the number of heads", std::to_string(op.heads) + " heads",
            std::to_string(op.width));
    const std::int64_t columns[] = {op.q_column, op.k_column, op.v_column};
    for (std::size_t i = 0; i < 3; ++i) {
      matrix(in(i));
      require(columns[i] >= 0 && columns[i] + op.width <= in(i).shape[1], "columns out of range",
              std::to_string(in(i).shape[1]), std::to_string(columns[i] + op.width));
    }
    require(out().shape == (Shape{in(0).shape[0], op.width}), "wrong output shape", "",
            to_string(out().shape));
    require(in(1).shape[0] == kTokens && in(2).shape[0] == kTokens, "keys and values are per token",
            "", in(1).name);
  }
  void check(const SelectFirstOp&) const {
    arity(1, 1, 1);
    matrix(in(0));
    require(in(0).shape[0] == kTokens && out().shape == (Shape{kSequences, in(0).shape[1]}),
            "selects one row a sequence from one row a token", "", to_string(out().shape));
  }
  void check(const QuantizeOp&) const {
    arity(1, 1, 1);
    same_shape(in(0), out());
    quantized(out());
  }

  const Graph& graph_;
  const Node* node_ = nullptr;
  std::unordered_set<ValueId> defined_;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph).run(); }

}  // namespace qe
