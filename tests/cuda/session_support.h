// Models for tests of sessions on a GPU: the embedded classifier and tiny random ones, quantized in
// memory; what the CPU answers; bits compared.
#pragma once

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/quantize.h>
#include <qe/session.h>

#include "tests/cuda/gpu_support.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/float_models.h"
#include "tests/support/source_dir.h"

namespace qe::test {

inline constexpr DeviceSpec kGpu{.kind = DeviceSpec::Kind::kCuda, .index = 0};

// Mixed lengths: the shortest, whole and broken blocks of queries, and the longest.
inline const std::vector<int> kMixedLengths = {1, 7, 40, 2, 33, 64, 5, 65, 128, 3};

inline Checkpoint quantized(const Checkpoint& checkpoint, ActivationScheme scheme) {
  if (scheme == ActivationScheme::kDynamic) return quantize(checkpoint, {}, nullptr);
  const Model model = build_model(checkpoint);
  std::vector<CalibrationText> texts;
  for (unsigned seed = 100; seed < 110; ++seed) {
    const TinyBatch batch({static_cast<int>(3 + seed % 30)}, model.vocab_size, seed);
    texts.push_back({batch.ids, {}});
  }
  const Calibration calibration = calibrate(model, texts, 1);
  return quantize(checkpoint, {.activations = scheme}, &calibration);
}

inline Checkpoint embedded_model() { return load_checkpoint(source_path("models/tiny-emotion")); }

inline std::shared_ptr<const Plan> compile_for(const Checkpoint& checkpoint, DeviceSpec device,
                                               int max_tokens = 512, int max_sequences = 16) {
  return Plan::compile(
      build_model(checkpoint),
      {.max_tokens = max_tokens, .max_sequences = max_sequences, .device = device});
}

inline TextBatch view(const TinyBatch& batch) {
  return {.token_ids = batch.ids, .type_ids = batch.types, .offsets = batch.offsets};
}

inline std::vector<float> run(Session& session, const TinyBatch& batch) {
  const std::span<const float> logits = session.run(view(batch));
  return {logits.begin(), logits.end()};
}

inline std::vector<float> run(const std::shared_ptr<const Plan>& plan, const TinyBatch& batch) {
  Session session(plan, {});
  return run(session, batch);
}

inline std::size_t free_bytes() {
  std::size_t available = 0;
  std::size_t total = 0;
  require(cudaMemGetInfo(&available, &total));
  return available;
}

// Whether as much memory is free as before. A driver keeps some for itself, though far less than
// 1000 sessions take; on the host, where nothing is kept, every byte counts.
inline bool as_free(std::size_t bytes, std::size_t before) {
  constexpr std::size_t kKept = std::size_t{8} << 20U;
  return emulated() ? bytes == before : bytes + kKept >= before;
}

// Kernels and libraries are loaded at their first use, which takes memory once and for all.
inline void load_kernels(const Checkpoint& checkpoint) {
  run(compile_for(checkpoint, kGpu), TinyBatch({3, 5}, build_model(checkpoint).vocab_size, 1));
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace qe::test
