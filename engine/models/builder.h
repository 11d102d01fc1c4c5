// ModelBuilder: the words in which an architecture is written down. Each call takes the module's
// name as the checkpoint spells it, checks its tensors against the shapes that the config promises,
// and adds one node. finish() refuses tensors that no node uses.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <qe/checkpoint.h>
#include <qe/model.h>

namespace qe {

class ModelBuilder {
 public:
  explicit ModelBuilder(const Checkpoint& checkpoint);

  const Config& config() const { return checkpoint_.config; }

  // `name` with `prefix` before it if the checkpoint's tensors carry that prefix ("bert.").
  std::string scoped(std::string_view prefix, std::string_view name) const;

  struct Table {
    std::string module;
    std::int64_t rows;
  };
  // Sum of the tables' rows, [tokens, width]: word, position and, if the model has them, token
  // type.
  ValueId embedding(const std::string& name, const std::vector<Table>& tables, std::int64_t width);
  // Accepts weight/bias and the legacy gamma/beta.
  ValueId layer_norm(ValueId x, const std::string& module, double epsilon);
  ValueId linear(ValueId x, const std::string& module, std::int64_t out_features);
  ValueId activation(ValueId x, const std::string& name, Activation kind);
  ValueId add(ValueId a, ValueId b, const std::string& name);
  ValueId attention(ValueId q, ValueId k, ValueId v, const std::string& name, int heads);
  // The same with q, k and v side by side in one value, [tokens, 3 width].
  ValueId self_attention(ValueId qkv, const std::string& name, int heads);
  ValueId select_first(ValueId x, const std::string& name);

  const Shape& shape(ValueId x) const { return model_.graph.value(x).shape; }

  // Rows of a linear or 1x1 convolution's weight: the number of labels is what the head has, or in
  // an outline what `num_classes` says.
  std::int64_t head_rows(const std::string& module) const;

  // Tensors of this name may be present without being used (buffers that some versions save).
  void ignore(const std::string& tensor) { used_.insert(tensor); }

  // The finished model: labels and problem type from the config, parameter count, all tensors used
  // exactly as declared. Throws LoadError.
  Model finish(ValueId logits);

 protected:
  const Checkpoint& checkpoint() const { return checkpoint_; }
  // A tensor of the checkpoint with exactly this shape. `as`: the shape the graph sees it in, with
  // as many elements (a 1x1 convolution as a matrix).
  ValueId constant(const std::string& tensor, const Shape& shape);
  ValueId constant(const std::string& tensor, const Shape& shape, Shape as);
  // A node for `module`, its input and output annotated as the checkpoint declares.
  ValueId add_module(const std::string& module, Op op, std::vector<ValueId> inputs, Shape shape);
  Graph& graph() { return model_.graph; }

 private:
  const StoredTensor& find(const std::string& tensor, const Shape& shape);
  void annotate(ValueId value, const std::optional<QuantParams>& quant, const std::string& module);
  void annotate_outputs();
  std::vector<std::string> labels(std::int64_t head) const;
  std::vector<std::string> label_table(std::int64_t head) const;
  void require_labels(const char* key, std::int64_t count, std::int64_t head) const;
  ProblemType problem_type() const;

  const Checkpoint& checkpoint_;
  Model model_;
  std::set<std::string, std::less<>> used_;
};

// The activation named by a Hugging Face config key. Throws UnsupportedError naming those
// supported.
Activation parse_activation(const Config& config, std::string_view key);

}  // namespace qe
