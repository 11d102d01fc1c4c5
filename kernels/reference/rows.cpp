// The plain rendering of the row kernels of kernel_table.h, element by element: the specification
// the other instruction sets are tested against, with the steps of docs/numerics.md in their order.
// It refuses nothing and is tuned for nothing.
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "kernels/isa_tables.h"
#include "kernels/reference/math.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::reference {
namespace {

using scalar::DynamicScale;

constexpr int kPartials = 16;

// The sums of docs/numerics.md: element i goes to partial i mod 16, the partials fold pairwise.
class PartialSums {
 public:
  void add(int i, float x) { partial_[i % kPartials] += x; }
  void add_square(int i, float x) {
    float& partial = partial_[i % kPartials];
    partial = std::fma(x, x, partial);
  }
  float fold() {
    for (int half = kPartials / 2; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) {
        partial_[j] += partial_[j + half];
      }
    }
    return partial_[0];
  }

 private:
  std::array<float, kPartials> partial_{};
};

// Bytes that count from a floor: real = floor + scale q.
struct FlooredRow {
  float floor;
  DynamicScale dynamic;

  std::uint8_t byte(float x) const { return scalar::quantize_floored(x, floor, dynamic.inv); }
};

// The floor is the least of value(0) ... value(cols - 1), NaN passed over, and never -0.
template <class Value>
FlooredRow floored_row(int cols, Value value) {
  float least = std::numeric_limits<float>::infinity();
  float largest = -least;
  for (int i = 0; i < cols; ++i) {
    least = minimum(value(i), least);
    largest = maximum(value(i), largest);
  }
  const float floor = least + 0.0F;
  return {floor, scalar::floored_scale(largest - floor)};
}

// The normalized value of any element of one row.
class RowNormalizer {
 public:
  RowNormalizer(const LayerNormArgs& args, const float* x) : args_(args), x_(x) {
    const float inv_cols = 1.0F / static_cast<float>(args.cols);
    PartialSums sum;
    for (int i = 0; i < args.cols; ++i) {
      sum.add(i, x[i]);
    }
    mean_ = sum.fold() * inv_cols;
    PartialSums squares;
    for (int i = 0; i < args.cols; ++i) {
      squares.add_square(i, x[i] - mean_);
    }
    r_ = 1.0F / std::sqrt(std::fma(squares.fold(), inv_cols, args.epsilon));
  }

  float value(int i) const { return std::fma((x_[i] - mean_) * r_, args_.gamma[i], args_.beta[i]); }

  FlooredRow floored() const {
    return floored_row(args_.cols, [this](int i) { return value(i); });
  }

 private:
  const LayerNormArgs& args_;
  const float* x_;
  float mean_;
  float r_;
};

float activate_precise(Activation activation, float x) {
  switch (activation) {
    case Activation::kRelu:
      return maximum(x, 0.0F);
    case Activation::kRelu6:
      return minimum(maximum(x, 0.0F), 6.0F);
    case Activation::kGeluErf:
      return gelu_erf_precise(x);
    case Activation::kGeluTanh:
      return gelu_tanh_precise(x);
    case Activation::kTanh:
      return tanh(x);
    case Activation::kSilu:
      return silu(x);
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kNone:
      break;
  }
  return x;
}

void quantize_symmetric_row(const QuantizeRowsArgs& args, int row, const float* x,
                            std::uint8_t* q) {
  const DynamicScale dynamic = scalar::symmetric_scale(absolute_maximum(x, args.cols));
  args.scale[row] = dynamic.scale;
  for (int i = 0; i < args.cols; ++i) {
    q[i] = scalar::quantize_symmetric(x[i], dynamic.inv);
  }
}

void quantize_floored_row(const QuantizeRowsArgs& args, int row, const float* x, std::uint8_t* q) {
  FlooredRow floored{};
  if (args.scheme == RowScheme::kKnownFloor) {
    floored = {args.known_floor,
               scalar::floored_scale(largest_of(x, args.cols) - args.known_floor)};
  } else {
    floored = floored_row(args.cols, [x](int i) { return x[i]; });
    args.floor[row] = floored.floor;
  }
  args.scale[row] = floored.dynamic.scale;
  for (int i = 0; i < args.cols; ++i) {
    q[i] = floored.byte(x[i]);
  }
}

}  // namespace

void quantize_rows(const QuantizeRowsArgs& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.ldx;
    std::uint8_t* q = args.q + row * args.ldq;
    switch (args.scheme) {
      case RowScheme::kStatic:
        for (int i = 0; i < args.cols; ++i) {
          q[i] = round_to_u8(std::fma(x[i], args.inv_scale, args.zero_point));
        }
        break;
      case RowScheme::kSymmetric:
        quantize_symmetric_row(args, row, x, q);
        break;
      case RowScheme::kOwnFloor:
      case RowScheme::kKnownFloor:
        quantize_floored_row(args, row, x, q);
        break;
    }
  }
}

// y may be x, so every element is read before it is written.
void layer_norm(const LayerNormArgs& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    const RowNormalizer normalizer(args, args.x + row * args.ldx);
    FlooredRow floored{};
    if (args.q && args.scale) {
      floored = normalizer.floored();
      args.scale[row] = floored.dynamic.scale;
      args.floor[row] = floored.floor;
    }
    for (int i = 0; i < args.cols; ++i) {
      const float y = normalizer.value(i);
      if (args.q) {
        args.q[row * args.ldq + i] =
            args.scale ? floored.byte(y)
                       : round_to_u8(std::fma(y, args.inv_scale, args.zero_point));
      }
      if (args.y) {
        args.y[row * args.ldy + i] = y;
      }
    }
  }
}

void embed(const EmbedArgs& args) noexcept {
  for (int token = 0; token < args.tokens; ++token) {
    for (int i = 0; i < args.cols; ++i) {
      const auto value = [&](const EmbeddingTable& table, std::int32_t id) {
        return static_cast<float>(table.rows[static_cast<std::ptrdiff_t>(id) * args.cols + i]);
      };
      const std::int32_t word = args.word_ids[token];
      float sum = value(args.word, word) * args.word.scale[word];
      if (args.position.rows) {
        const std::int32_t position = args.position_ids[token];
        sum = std::fma(value(args.position, position), args.position.scale[position], sum);
      }
      if (args.type.rows) {
        const std::int32_t type = args.type_ids[token];
        sum = std::fma(value(args.type, type), args.type.scale[type], sum);
      }
      args.out[token * args.ld_out + i] = sum;
    }
  }
}

void bias_activation(const BiasActivationArgs& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    for (int i = 0; i < args.cols; ++i) {
      float& x = args.x[row * args.ldx + i];
      const float y = activate_precise(args.activation, args.bias ? x + args.bias[i] : x);
      x = args.residual ? y + args.residual[row * args.ld_residual + i] : y;
    }
  }
}

void softmax_f32(const SoftmaxF32Args& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    float* x = args.x + row * args.ldx;
    const float largest = largest_of(x, args.cols);
    PartialSums sum;
    for (int i = 0; i < args.cols; ++i) {
      x[i] = exp((x[i] - largest) * args.scale);
      sum.add(i, x[i]);
    }
    const float inv_sum = 1.0F / sum.fold();
    for (int i = 0; i < args.cols; ++i) {
      x[i] *= inv_sum;
    }
  }
}

}  // namespace qe::kernels::reference
