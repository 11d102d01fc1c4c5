// Model directories for the loader tests: synthetic ones, and quantized checkpoints by the plainest
// rule there is (absmax of each row).
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <qe/checkpoint.h>
#include <qe/load.h>
#include <qe/synthetic.h>

#include "tests/loaders/support.h"

namespace qe::test {

// How the i-th module's activations are quantized; mixed alternates.
enum class Activations { kDynamic, kStatic, kMixed };

inline StoredTensor quantize_rows(const StoredTensor& source, const std::string& name) {
  const std::vector<float> values = to_float(source.tensor, name);
  const auto rows = static_cast<std::size_t>(source.tensor.shape[0]);
  const std::size_t cols = values.size() / rows;
  QuantParams quant{.storage = DType::kI8, .granularity = Granularity::kChannel};
  std::vector<std::int8_t> q(values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    float largest = 0x1p-20F;
    for (std::size_t c = 0; c < cols; ++c) {
      largest = std::max(largest, std::abs(values[r * cols + c]));
    }
    quant.scale.push_back(largest / 127.0F);
    for (std::size_t c = 0; c < cols; ++c) {
      q[r * cols + c] =
          static_cast<std::int8_t>(std::lrint(values[r * cols + c] * (127.0F / largest)));
    }
  }
  return {.tensor = make_tensor(source.tensor.shape, std::move(q)), .quant = quant, .file = {}};
}

// Every matrix to int8, every Linear with an activation scheme; classifiers stay float.
inline Checkpoint quantize_plainly(const Checkpoint& source, Activations activations) {
  Checkpoint out = source;
  int count = 0;
  for (auto& [name, stored] : out.tensors) {
    if (stored.tensor.shape.size() != 2 || name.starts_with("classifier")) continue;
    stored = quantize_rows(stored, name);
    const std::string module = name.substr(0, name.size() - std::string(".weight").size());
    if (module.find("embeddings") != std::string::npos) continue;
    ++count;
    const bool dynamic = activations == Activations::kDynamic ||
                         (activations == Activations::kMixed && count % 3 == 0);
    ActivationQuant& activation = out.activations[module];
    if (dynamic) {
      activation.input =
          QuantParams{.storage = DType::kU8, .granularity = Granularity::kToken, .dynamic = true};
      continue;
    }
    activation.input = QuantParams{
        .storage = DType::kU8, .scale = {0.01F * static_cast<float>(count)}, .zero_point = {count}};
    if (module.find("query") != std::string::npos) {
      activation.output =
          QuantParams{.storage = DType::kU8, .scale = {1.0F / 3.0F}, .zero_point = {255 - count}};
    }
  }
  return out;
}

inline bool same(const QuantParams& a, const QuantParams& b) {
  return a.storage == b.storage && a.granularity == b.granularity && a.dynamic == b.dynamic &&
         a.scale == b.scale && a.zero_point == b.zero_point;
}

inline bool same(const std::optional<QuantParams>& a, const std::optional<QuantParams>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}

}  // namespace qe::test
