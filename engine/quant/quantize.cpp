// Post-training quantization of a checkpoint. The graph says what each tensor is: weights of
// linears and convolutions become s8 per output channel, embedding tables s8 per row, everything
// else stays float. Symmetric weights: real = scale * q, q in [-127, 127], rounded half to even.
#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <utility>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"
#include "engine/quant/map_ranges.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>
#include <qe/quantize.h>

namespace qe {
namespace {

struct RowResult {
  float scale = 0;
  double signal = 0;
  double noise = 0;
};

double row_noise(std::span<const float> row, float scale) {
  const float inverse = 1.0F / scale;
  double noise = 0;
  for (const float x : row) {
    const float q = std::clamp(std::nearbyint(x * inverse), -127.0F, 127.0F);
    const double error = static_cast<double>(x) - static_cast<double>(q) * scale;
    noise += error * error;
  }
  return noise;
}

// Clipping the largest weight a little can cost less than the coarser grid it asks for.
float choose_scale(std::span<const float> row, WeightObserver observer) {
  float absmax = 0;
  for (const float x : row) absmax = std::max(absmax, std::fabs(x));
  const float full = absmax / 127.0F;
  if (observer == WeightObserver::kAbsMax || full < 0x1p-100F) return full;
  constexpr int kCandidates = 20;
  float best = full;
  double best_noise = row_noise(row, full);
  for (int i = 1; i < kCandidates; ++i) {
    const float candidate = full * (1.0F - 0.015F * static_cast<float>(i));
    const double noise = row_noise(row, candidate);
    if (noise < best_noise) {
      best_noise = noise;
      best = candidate;
    }
  }
  return best;
}

RowResult quantize_row(std::span<const float> row, WeightObserver observer,
                       std::span<std::int8_t> out) {
  RowResult result;
  for (const float x : row) result.signal += static_cast<double>(x) * x;
  result.scale = choose_scale(row, observer);
  if (result.scale < 0x1p-100F) {  // all zero, or too small to divide by
    result.scale = 1.0F;
    result.noise = result.signal;
    std::fill(out.begin(), out.end(), std::int8_t{0});
    return result;
  }
  const float inverse = 1.0F / result.scale;
  for (std::size_t i = 0; i < row.size(); ++i) {
    out[i] =
        static_cast<std::int8_t>(std::clamp(std::nearbyint(row[i] * inverse), -127.0F, 127.0F));
  }
  result.noise = row_noise(row, result.scale);
  return result;
}

// Module names that stay float.
class FloatModules {
 public:
  explicit FloatModules(const std::string& pattern) : any_(!pattern.empty()) {
    if (!any_) return;
    try {
      pattern_ = std::regex(pattern, std::regex::ECMAScript);
    } catch (const std::regex_error& e) {
      throw UsageError({.problem = "not a regular expression",
                        .name = "keep_float",
                        .expected = "ECMAScript syntax",
                        .actual = e.what()});
    }
  }
  bool contains(const std::string& module) {
    const bool matches = any_ && std::regex_match(module, pattern_);
    used_ = used_ || matches;
    return matches;
  }
  void require_use(const std::string& pattern) const {
    if (!any_ || used_) return;
    throw UsageError({.problem = "matches no module that could be quantized",
                      .name = "keep_float",
                      .actual = pattern});
  }

 private:
  bool any_;
  bool used_ = false;
  std::regex pattern_;
};

class Quantizer {
 public:
  Quantizer(const Checkpoint& source, const QuantizeOptions& options,
            const Calibration* calibration, std::vector<TensorReport>* report)
      : source_(source),
        options_(options),
        calibration_(calibration),
        report_(report),
        pool_(options.threads, false),
        keep_float_(options.keep_float),
        result_{
            .config = source.config, .preprocessor = source.preprocessor, .source = source.source} {
  }

  Checkpoint run() {
    const Model model = build_model(source_);
    Graph graph = model.graph;
    fold_batch_norm(graph);
    if (needs_calibration(model)) {
      if (calibration_ == nullptr) {
        throw UsageError({.problem = "convolutions need calibration data",
                          .name = "calibration",
                          .expected = "statistics from calibrate()"});
      }
      map_scales_ = map_scales(graph, *calibration_, options_.ranges);
    }
    for (const Node& node : graph.nodes) {
      if (std::holds_alternative<LinearOp>(node.op)) {
        if (keep_float_.contains(node.name)) continue;
        quantize_tensor(graph.value(node.inputs[1]), options_.weights);
        annotate_input(graph, node);
      } else if (std::holds_alternative<ConvOp>(node.op)) {
        if (keep_float_.contains(node.name)) continue;
        quantize_convolution(graph, node);
      } else if (std::holds_alternative<EmbeddingOp>(node.op)) {
        for (const ValueId id : node.inputs) {
          quantize_tensor(graph.value(id), WeightObserver::kAbsMax);
        }
      }
    }
    keep_float_.require_use(options_.keep_float);
    if (options_.activations == ActivationScheme::kStatic) annotate_attention(graph);
    for (const auto& [value, quant] : map_scales_) {
      if (!read_by_convolution_.contains(value)) result_.activations[value].output = quant;
    }
    keep_the_rest(graph);
    return std::move(result_);
  }

 private:
  // One scale a row of dimension 0. `colour_std`, where given: one for each group of columns (an
  // input channel of the image), which the row's scale is multiplied by.
  void quantize_tensor(const Value& value, WeightObserver observer,
                       std::span<const float> colour_std = {}) {
    const Tensor& tensor = value.constant.at(0);
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    const auto columns = static_cast<std::size_t>(tensor.size()) / rows;
    const std::size_t groups = std::max<std::size_t>(colour_std.size(), 1);
    std::vector<std::int8_t> q(rows * columns);
    std::vector<RowResult> results(rows);
    pool_.run([&](int index) noexcept {
      const Part part = split(static_cast<int>(rows), pool_.size(), index, 1);
      std::vector<float> row(columns);
      for (auto r = static_cast<std::size_t>(part.begin); r < static_cast<std::size_t>(part.end);
           ++r) {
        std::fill(row.begin(), row.end(), 0.0F);
        add_row_to(tensor, static_cast<std::int64_t>(r), 1.0F, row);
        for (std::size_t i = 0; i < columns && !colour_std.empty(); ++i) {
          row[i] /= colour_std[i / (columns / groups)];
        }
        results[r] = quantize_row(row, observer, std::span(q).subspan(r * columns, columns));
      }
    });
    StoredTensor stored;
    stored.tensor = make_tensor(tensor.shape, std::move(q));
    stored.quant = QuantParams{
        .storage = DType::kI8,
        .granularity = colour_std.empty() ? Granularity::kChannel : Granularity::kInputChannel};
    double signal = 0;
    double noise = 0;
    for (const RowResult& result : results) {
      for (std::size_t g = 0; g < groups; ++g) {
        stored.quant->scale.push_back(result.scale * (colour_std.empty() ? 1.0F : colour_std[g]));
      }
      signal += result.signal;
      noise += result.noise;
    }
    if (report_ != nullptr) {
      report_->push_back({.name = value.name,
                          .elements = tensor.size(),
                          .bytes_before = static_cast<std::int64_t>(tensor.bytes.size()),
                          .bytes_after = static_cast<std::int64_t>(rows * columns +
                                                                   4 * stored.quant->scale.size()),
                          .sqnr_db = noise > 0 ? 10.0 * std::log10(signal / noise) : kExactSqnr});
    }
    result_.tensors[value.name] = std::move(stored);
    done_.insert(value.name);
  }

  // The first layer reads the image's bytes: its weights take in the normalization of each colour.
  void quantize_convolution(const Graph& graph, const Node& node) {
    const Value& input = graph.value(node.inputs[0]);
    if (const ImageOp* const image = image_read_by(graph, node)) {
      quantize_tensor(graph.value(node.inputs[1]), options_.weights, image->std);
      return;
    }
    quantize_tensor(graph.value(node.inputs[1]), options_.weights);
    result_.activations[node.name].input = map_scales_.at(input.name);
    read_by_convolution_.insert(input.name);
  }

  QuantParams static_quant(const std::string& value, bool symmetric) const {
    return static_params(*calibration_, value, options_.ranges, symmetric);
  }

  // What is pooled from feature maps is one row an image: finding its scale costs nothing.
  void annotate_input(const Graph& graph, const Node& node) {
    ActivationQuant& activation = result_.activations[node.name];
    const Value& input = graph.value(node.inputs[0]);
    const bool pooled = !map_scales_.empty() && input.shape[0] == kSequences;
    if (options_.activations == ActivationScheme::kDynamic || pooled) {
      activation.input =
          QuantParams{.storage = DType::kU8, .granularity = Granularity::kToken, .dynamic = true};
    } else {
      activation.input = static_quant(input.name, false);
    }
  }

  // The integer attention reads symmetric bytes.
  void annotate_attention(const Graph& graph) {
    for (const Node& node : graph.nodes) {
      if (!std::holds_alternative<AttentionOp>(node.op)) continue;
      for (const ValueId id : node.inputs) {
        const std::string& module = graph.value(id).name;
        result_.activations[module].output = static_quant(module, true);
      }
    }
  }

  void keep_the_rest(const Graph& graph) {
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.inputs) {
        if (id == kNoValue || graph.value(id).constant.empty()) continue;
        const Value& value = graph.value(id);
        if (!done_.insert(value.name).second) continue;
        StoredTensor stored;
        const Tensor& tensor = value.constant[0];
        stored.tensor = make_tensor(tensor.shape, to_float(tensor, value.name));
        result_.tensors[value.name] = std::move(stored);
      }
    }
  }

  static constexpr double kExactSqnr = 999.0;  // no error at all; infinity has no JSON form

  const Checkpoint& source_;
  const QuantizeOptions& options_;
  const Calibration* calibration_;
  std::vector<TensorReport>* report_;
  ThreadPool pool_;
  FloatModules keep_float_;
  Checkpoint result_;
  std::map<std::string, QuantParams> map_scales_;
  std::set<std::string> read_by_convolution_;
  std::set<std::string> done_;
};

}  // namespace

bool needs_calibration(const Model& model) {
  const auto& nodes = model.graph.nodes;
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    const auto* const conv = std::get_if<ConvOp>(&node.op);
    return conv != nullptr && image_read_by(model.graph, node) == nullptr;
  });
}

Checkpoint quantize(const Checkpoint& checkpoint, const QuantizeOptions& options,
                    const Calibration* calibration, std::vector<TensorReport>* report) {
  if (checkpoint.quantized()) {
    throw LoadError({.problem = "the model is quantized already",
                     .file = checkpoint.source,
                     .expected = "a float model"});
  }
  if (options.activations == ActivationScheme::kStatic && calibration == nullptr) {
    throw UsageError({.problem = "static activations need calibration data",
                      .name = "calibration",
                      .expected = "statistics from calibrate()"});
  }
  return Quantizer(checkpoint, options, calibration, report).run();
}

}  // namespace qe
