// The row kernels of kernel_table.h over 16-lane vectors, included once by the rows.cpp of each
// x86 instruction set after its f32x16.h. The steps and their order are those of docs/numerics.md.
// The latency of the 16-partial sums (one vector is all sixteen) is hidden by working on several
// rows at once. Everything is in an anonymous namespace, so no body is shared between folders.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/x86/vector_loops.h"
#include "kernels/x86/vector_math.h"

namespace qe::kernels {
namespace {

// rows_at_once(row, count) for blocks of kRows rows, then for the rest one by one.
template <int kRows>
struct RowCount {};

template <int kRows, class Body>
inline void for_row_blocks(int rows, Body body) {
  int row = 0;
  for (; row + kRows <= rows; row += kRows) {
    body(row, RowCount<kRows>{});
  }
  for (; row < rows; ++row) {
    body(row, RowCount<1>{});
  }
}

inline constexpr int kRowsAtOnce = 4;

// to_u8(fma(x, inv_scale, zero_point)) of one row.
inline void quantize_row(const float* x, int cols, float inv_scale, float zero_point,
                         std::uint8_t* q) {
  const F32x16 inv = F32x16::broadcast(inv_scale);
  const F32x16 zero = F32x16::broadcast(zero_point);
  for_vectors(cols, [&](int i, auto lanes) {
    store_bytes(clamp_to_u8(fma(load(x + i, lanes), inv, zero)), q + i, lanes);
  });
}

inline void quantize_symmetric_row(const QuantizeRowsArgs& args, int row, const float* x,
                                   std::uint8_t* q) {
  const DynamicScale dynamic =
      symmetric_scale(fold_maximum(absolute_maximum(x, args.cols, F32x16::broadcast(0.0F))));
  args.scale[row] = dynamic.scale;
  const F32x16 inv = F32x16::broadcast(dynamic.inv);
  for_vectors(args.cols, [&](int i, auto lanes) {
    store_bytes(quantize_symmetric(load(x + i, lanes), inv), q + i, lanes);
  });
}

// What to_u8(fma(x, inv, offset)) needs for bytes above a floor; stores the row's scale.
struct FlooredRow {
  float inv;
  float offset;
};
inline FlooredRow floored_row(float floor, float largest, float* scale) {
  const DynamicScale dynamic = floored_scale(largest - floor);
  *scale = dynamic.scale;
  return {dynamic.inv, -floor * dynamic.inv};
}

// Likewise of a row's own range, whose floor is stored too; + 0 turns -0 into 0.
inline FlooredRow floored_row(const RangeLanes& range, float* floor, float* scale) {
  *floor = fold_minimum(range.least) + 0.0F;
  return floored_row(*floor, fold_maximum(range.largest), scale);
}

inline void quantize_rows_body(const QuantizeRowsArgs& args) {
  for (int row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.ldx;
    std::uint8_t* q = args.q + row * args.ldq;
    if (args.scheme == RowScheme::kStatic) {
      quantize_row(x, args.cols, args.inv_scale, args.zero_point, q);
    } else if (args.scheme == RowScheme::kSymmetric) {
      quantize_symmetric_row(args, row, x, q);
    } else {
      const FlooredRow floored =
          args.scheme == RowScheme::kKnownFloor
              ? floored_row(args.known_floor, row_maximum(x, args.cols), args.scale + row)
              : floored_row(row_range(x, args.cols), args.floor + row, args.scale + row);
      quantize_row(x, args.cols, floored.inv, floored.offset, q);
    }
  }
}

// What the second half of a layer normalization does with y.
enum class NormOutput : std::uint8_t { kFloat, kStatic, kDynamic };

struct Moments {
  F32x16 mean;
  F32x16 r;  // 1 / standard deviation
};

template <int kRows>
inline void row_moments(const LayerNormArgs& args, int row, Moments (&moments)[kRows]) {
  const float inv_cols = 1.0F / static_cast<float>(args.cols);
  const float* x = args.x + row * args.ldx;
  F32x16 sum[kRows];
  F32x16 squares[kRows];
  for (int j = 0; j < kRows; ++j) {
    sum[j] = squares[j] = F32x16::broadcast(0.0F);
  }
  for_vectors(args.cols, [&](int i, auto lanes) {
    for (int j = 0; j < kRows; ++j) {
      sum[j] = sum[j] + load(x + j * args.ldx + i, lanes);
    }
  });
  for (int j = 0; j < kRows; ++j) {
    moments[j].mean = F32x16::broadcast(fold_sum(sum[j]) * inv_cols);
  }
  for_vectors(args.cols, [&](int i, auto lanes) {
    for (int j = 0; j < kRows; ++j) {
      const F32x16 mean = moments[j].mean;
      const F32x16 d = load(x + j * args.ldx + i, lanes, mean) - mean;
      squares[j] = fma(d, d, squares[j]);
    }
  });
  // One division and square root for all rows.
  float r[kLanes] = {};
  for (int j = 0; j < kRows; ++j) {
    r[j] = fold_sum(squares[j]);
  }
  const F32x16 variance =
      fma(F32x16::load(r), F32x16::broadcast(inv_cols), F32x16::broadcast(args.epsilon));
  (F32x16::broadcast(1.0F) / square_root(variance)).store(r);
  for (int j = 0; j < kRows; ++j) {
    moments[j].r = F32x16::broadcast(r[j]);
  }
}

// y of one vector of a row.
template <class Lanes>
inline F32x16 normalized(const LayerNormArgs& args, const float* x, const Moments& moments, int i,
                         Lanes lanes) {
  return fma((load(x + i, lanes) - moments.mean) * moments.r, load(args.gamma + i, lanes),
             load(args.beta + i, lanes));
}

// Stores y where wanted; returns the range of y for a dynamic output.
template <NormOutput kOutput>
inline RangeLanes write_normalized(const LayerNormArgs& args, int row, const Moments& moments) {
  const float* x = args.x + row * args.ldx;
  RangeLanes range;
  for_vectors(args.cols, [&](int i, auto lanes) {
    const F32x16 y = normalized(args, x, moments, i, lanes);
    if (args.y) {
      store(y, args.y + row * args.ldy + i, lanes);
    }
    if constexpr (kOutput == NormOutput::kStatic) {
      const F32x16 t =
          fma(y, F32x16::broadcast(args.inv_scale), F32x16::broadcast(args.zero_point));
      store_bytes(clamp_to_u8(t), args.q + row * args.ldq + i, lanes);
    }
    if constexpr (kOutput == NormOutput::kDynamic) {
      range.add(y, lanes);
    }
  });
  return range;
}

// Quantizes y, read back where it was stored and computed again otherwise.
inline void quantize_normalized(const LayerNormArgs& args, int row, const Moments& moments,
                                const RangeLanes& range) {
  const FlooredRow floored = floored_row(range, args.floor + row, args.scale + row);
  std::uint8_t* q = args.q + row * args.ldq;
  if (args.y) {
    quantize_row(args.y + row * args.ldy, args.cols, floored.inv, floored.offset, q);
    return;
  }
  const F32x16 inv = F32x16::broadcast(floored.inv);
  const F32x16 offset = F32x16::broadcast(floored.offset);
  const float* x = args.x + row * args.ldx;
  for_vectors(args.cols, [&](int i, auto lanes) {
    const F32x16 y = normalized(args, x, moments, i, lanes);
    store_bytes(clamp_to_u8(fma(y, inv, offset)), q + i, lanes);
  });
}

template <NormOutput kOutput>
inline void layer_norm_body(const LayerNormArgs& args) {
  for_row_blocks<kRowsAtOnce>(args.rows, [&]<int kRows>(int row, RowCount<kRows>) {
    Moments moments[kRows];
    row_moments(args, row, moments);
    for (int j = 0; j < kRows; ++j) {
      const RangeLanes range = write_normalized<kOutput>(args, row + j, moments[j]);
      if constexpr (kOutput == NormOutput::kDynamic) {
        quantize_normalized(args, row + j, moments[j], range);
      }
    }
  });
}

inline void layer_norm_body(const LayerNormArgs& args) {
  if (!args.q) {
    layer_norm_body<NormOutput::kFloat>(args);
  } else if (args.scale) {
    layer_norm_body<NormOutput::kDynamic>(args);
  } else {
    layer_norm_body<NormOutput::kStatic>(args);
  }
}

inline void embed_body(const EmbedArgs& args) {
  const auto row_of = [&](const EmbeddingTable& table, std::int32_t id) {
    return table.rows + static_cast<std::ptrdiff_t>(id) * args.cols;
  };
  for (int token = 0; token < args.tokens; ++token) {
    const std::int32_t word_id = args.word_ids[token];
    const std::int32_t position_id = args.position.rows ? args.position_ids[token] : 0;
    const std::int32_t type_id = args.type.rows ? args.type_ids[token] : 0;
    const F32x16 word_scale = F32x16::broadcast(args.word.scale[word_id]);
    const F32x16 position_scale =
        F32x16::broadcast(args.position.rows ? args.position.scale[position_id] : 0.0F);
    const F32x16 type_scale = F32x16::broadcast(args.type.rows ? args.type.scale[type_id] : 0.0F);
    const std::int8_t* word = row_of(args.word, word_id);
    float* out = args.out + token * args.ld_out;
    for_vectors(args.cols, [&](int i, auto lanes) {
      F32x16 sum = F32x16::from_s8(load_bytes(word + i, lanes)) * word_scale;
      if (args.position.rows) {
        const std::int8_t* position = row_of(args.position, position_id);
        sum = fma(F32x16::from_s8(load_bytes(position + i, lanes)), position_scale, sum);
      }
      if (args.type.rows) {
        const std::int8_t* type = row_of(args.type, type_id);
        sum = fma(F32x16::from_s8(load_bytes(type + i, lanes)), type_scale, sum);
      }
      store(sum, out + i, lanes);
    });
  }
}

// The float path's activation: exact to float, unlike the epilogue's of the integer product.
template <Activation kActivation>
inline F32x16 activate_precise(F32x16 x) {
  if constexpr (kActivation == Activation::kGeluErf) {
    return gelu_erf_precise(x);
  } else if constexpr (kActivation == Activation::kGeluTanh) {
    return gelu_tanh_precise(x);
  } else {
    return activate<kActivation>(x);
  }
}

template <Activation kActivation>
inline void bias_activation_body(const BiasActivationArgs& args) {
  for (int row = 0; row < args.rows; ++row) {
    float* x = args.x + row * args.ldx;
    for_vectors(args.cols, [&](int i, auto lanes) {
      F32x16 y = load(x + i, lanes);
      if (args.bias) {
        y = y + load(args.bias + i, lanes);
      }
      y = activate_precise<kActivation>(y);
      if (args.residual) {
        y = y + load(args.residual + row * args.ld_residual + i, lanes);
      }
      store(y, x + i, lanes);
    });
  }
}

inline void bias_activation_body(const BiasActivationArgs& args) {
  switch (args.activation) {
    case Activation::kNone:
      return bias_activation_body<Activation::kNone>(args);
    case Activation::kRelu:
      return bias_activation_body<Activation::kRelu>(args);
    case Activation::kGeluErf:
      return bias_activation_body<Activation::kGeluErf>(args);
    case Activation::kGeluTanh:
      return bias_activation_body<Activation::kGeluTanh>(args);
    case Activation::kTanh:
      return bias_activation_body<Activation::kTanh>(args);
    case Activation::kRelu6:
      return bias_activation_body<Activation::kRelu6>(args);
    case Activation::kSilu:
      return bias_activation_body<Activation::kSilu>(args);
    case Activation::kSigmoid:
      return bias_activation_body<Activation::kSigmoid>(args);
  }
}

inline void softmax_f32_body(const SoftmaxF32Args& args) {
  const F32x16 scale = F32x16::broadcast(args.scale);
  for_row_blocks<kRowsAtOnce>(args.rows, [&]<int kRows>(int row, RowCount<kRows>) {
    float* x = args.x + row * args.ldx;
    F32x16 largest[kRows];
    F32x16 sum[kRows];
    for (int j = 0; j < kRows; ++j) {
      largest[j] = F32x16::broadcast(row_maximum(x + j * args.ldx, args.cols));
      sum[j] = F32x16::broadcast(0.0F);
    }
    for_vectors(args.cols, [&](int i, auto lanes) {
      for (int j = 0; j < kRows; ++j) {
        float* at = x + j * args.ldx + i;
        const F32x16 e = exp((load(at, lanes) - largest[j]) * scale);
        store(e, at, lanes);
        sum[j] = sum[j] + keep(e, lanes);
      }
    });
    for (int j = 0; j < kRows; ++j) {
      const F32x16 inv_sum = F32x16::broadcast(1.0F / fold_sum(sum[j]));
      float* to = x + j * args.ldx;
      for_vectors(args.cols,
                  [&](int i, auto lanes) { store(load(to + i, lanes) * inv_sum, to + i, lanes); });
    }
  });
}

}  // namespace
}  // namespace qe::kernels
