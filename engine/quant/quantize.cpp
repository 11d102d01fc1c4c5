// Post-training quantization of a checkpoint. The graph says what each tensor is: weights of
// linears become s8 per output channel, embedding tables s8 per row, everything else stays float.
// Symmetric weights: real = scale * q, q in [-127, 127], rounded half to even.
#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

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

class Quantizer {
 public:
  Quantizer(const Checkpoint& source, const QuantizeOptions& options,
            const Calibration* calibration, std::vector<TensorReport>* report)
      : source_(source),
        options_(options),
        calibration_(calibration),
        report_(report),
        pool_(options.threads, false),
        result_{.config = source.config, .source = source.source} {}

  Checkpoint run() {
    const Model model = build_model(source_);
    for (const Node& node : model.graph.nodes) {
      if (std::holds_alternative<LinearOp>(node.op)) {
        quantize_matrix(model.graph.value(node.inputs[1]), MatrixUse::kLinear);
        annotate_input(model.graph, node);
      } else if (std::holds_alternative<EmbeddingOp>(node.op)) {
        for (const ValueId id : node.inputs) {
          quantize_matrix(model.graph.value(id), MatrixUse::kEmbedding);
        }
      }
    }
    if (options_.activations == ActivationScheme::kStatic) annotate_attention(model.graph);
    keep_the_rest(model.graph);
    return std::move(result_);
  }

 private:
  enum class MatrixUse : std::uint8_t { kLinear, kEmbedding };

  void quantize_matrix(const Value& value, MatrixUse use) {
    const Tensor& tensor = value.constant.at(0);
    const auto rows = static_cast<std::size_t>(tensor.shape[0]);
    const auto columns = static_cast<std::size_t>(tensor.shape[1]);
    const WeightObserver observer =
        use == MatrixUse::kLinear ? options_.weights : WeightObserver::kAbsMax;
    std::vector<std::int8_t> q(rows * columns);
    std::vector<RowResult> results(rows);
    pool_.run([&](int thread) noexcept {
      const Part part = split(static_cast<int>(rows), pool_.size(), thread, 1);
      std::vector<float> row(columns);
      for (auto r = static_cast<std::size_t>(part.begin); r < static_cast<std::size_t>(part.end);
           ++r) {
        std::fill(row.begin(), row.end(), 0.0F);
        add_row_to(tensor, static_cast<std::int64_t>(r), 1.0F, row);
        results[r] = quantize_row(row, observer, std::span(q).subspan(r * columns, columns));
      }
    });
    QuantParams quant{.storage = DType::kI8, .granularity = Granularity::kChannel};
    double signal = 0;
    double noise = 0;
    for (const RowResult& result : results) {
      quant.scale.push_back(result.scale);
      signal += result.signal;
      noise += result.noise;
    }
    StoredTensor stored;
    stored.tensor = make_tensor(tensor.shape, std::move(q));
    stored.quant = std::move(quant);
    const auto elements = static_cast<std::int64_t>(rows * columns);
    if (report_ != nullptr) {
      report_->push_back({.name = value.name,
                          .elements = elements,
                          .bytes_before = static_cast<std::int64_t>(tensor.bytes.size()),
                          .bytes_after = elements + static_cast<std::int64_t>(4 * rows),
                          .sqnr_db = noise > 0 ? 10.0 * std::log10(signal / noise) : kExactSqnr});
    }
    result_.tensors[value.name] = std::move(stored);
    done_.insert(value.name);
  }

  QuantParams static_quant(const std::string& value, bool symmetric) const {
    const auto it = calibration_->find(value);
    if (it == calibration_->end() || it->second.count() == 0) {
      throw UsageError({.problem = "the calibration has no statistics of a value", .name = value});
    }
    const Range range = it->second.range(options_.ranges, symmetric);
    const float steps = symmetric ? 254.0F : 255.0F;
    const float step = (range.maximum - range.minimum) / steps;
    const float scale = step >= 0x1p-100F ? step : 1.0F;
    const float zero_point =
        symmetric ? 128.0F : std::clamp(std::nearbyint(-range.minimum / scale), 0.0F, 255.0F);
    return {.storage = DType::kU8,
            .granularity = Granularity::kTensor,
            .scale = {scale},
            .zero_point = {static_cast<std::int32_t>(zero_point)}};
  }

  void annotate_input(const Graph& graph, const Node& node) {
    ActivationQuant& activation = result_.activations[node.name];
    if (options_.activations == ActivationScheme::kDynamic) {
      activation.input =
          QuantParams{.storage = DType::kU8, .granularity = Granularity::kToken, .dynamic = true};
    } else {
      activation.input = static_quant(graph.value(node.inputs[0]).name, false);
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
    for (const Value& value : graph.values) {
      if (value.constant.empty() || done_.contains(value.name)) continue;
      StoredTensor stored;
      stored.tensor = make_tensor(value.shape, to_float(value.constant[0], value.name));
      result_.tensors[value.name] = std::move(stored);
    }
  }

  static constexpr double kExactSqnr = 999.0;  // no error at all; infinity has no JSON form

  const Checkpoint& source_;
  const QuantizeOptions& options_;
  const Calibration* calibration_;
  std::vector<TensorReport>* report_;
  ThreadPool pool_;
  Checkpoint result_;
  std::set<std::string> done_;
};

}  // namespace

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
