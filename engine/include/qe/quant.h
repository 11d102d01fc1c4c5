// QuantParams: how a value's integers stand for real numbers, real = scale * (q - zero_point).
// One annotation is the single truth from which kernels, files and exports are rendered.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <qe/dtype.h>

namespace qe {

enum class Granularity : std::uint8_t {
  kTensor,        // one scale
  kChannel,       // one scale for each index of dimension 0 (output channel, embedding row); of the
                  // image's pixels: for each colour
  kInputChannel,  // one for each pair of output and input channel, [out][in] (first layers)
  kToken,         // one scale for each row of activations, found while running (dynamic)
};

struct QuantParams {
  DType storage = DType::kI8;  // kI8 or kU8
  Granularity granularity = Granularity::kTensor;
  // Dynamic activations: real = floor + scale q, q in [0, 255], with floor = min and scale = (max -
  // min) / 255 of each row, found while running; `scale` and `zero_point` are then empty.
  bool dynamic = false;
  // Dynamic activations that never lie below a known value count from it instead of the row's own
  // minimum. Set by a pass, not by files.
  std::optional<float> floor = {};
  std::vector<float> scale = {};              // 1 or channels
  std::vector<std::int32_t> zero_point = {};  // same length as scale, or empty for all zero
};

// Whether static integers of the two stand for the same reals.
inline bool same_scale(const QuantParams& a, const QuantParams& b) {
  return a.dynamic == b.dynamic && a.scale == b.scale && a.zero_point == b.zero_point;
}

// Whether each row has a floor of its own beside its scale.
inline bool has_row_floors(const QuantParams& quant) { return quant.dynamic && !quant.floor; }

}  // namespace qe
