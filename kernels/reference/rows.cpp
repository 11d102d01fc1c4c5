// The plain rendering of the row kernels of kernel_table.h, element by element: the specification
// the other instruction sets are tested against, with the steps of docs/numerics.md in their order.
// It refuses nothing and is tuned for nothing.
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "kernels/isa_tables.h"
#include "kernels/reference/math.h"
#include "kernels/reference/quantize.h"

namespace qe::kernels::reference {
namespace {

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

  float absolute_maximum() const {
    float largest = 0.0F;
    for (int i = 0; i < args_.cols; ++i) {
      largest = maximum(std::fabs(value(i)), largest);
    }
    return largest;
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

void quantize_bounded(const QuantizeRowsArgs& args, const float* x, std::uint8_t* q, float* scale) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int i = 0; i < args.cols; ++i) {
    largest = maximum(x[i], largest);
  }
  const DynamicScale dynamic = bounded_scale(largest - args.floor);
  *scale = dynamic.scale;
  for (int i = 0; i < args.cols; ++i) {
    q[i] = round_to_u8(std::fma(x[i], dynamic.inv, -args.floor * dynamic.inv));
  }
}

}  // namespace

void quantize_rows(const QuantizeRowsArgs& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.ldx;
    std::uint8_t* q = args.q + row * args.ldq;
    if (args.scale == nullptr) {
      for (int i = 0; i < args.cols; ++i) {
        q[i] = round_to_u8(std::fma(x[i], args.inv_scale, args.zero_point));
      }
      continue;
    }
    if (args.bounded) {
      quantize_bounded(args, x, q, args.scale + row);
      continue;
    }
    const DynamicScale dynamic = dynamic_scale(absolute_maximum(x, args.cols));
    args.scale[row] = dynamic.scale;
    for (int i = 0; i < args.cols; ++i) {
      q[i] = quantize(x[i], dynamic.inv);
    }
  }
}

// y may be x, so every element is read before it is written.
void layer_norm(const LayerNormArgs& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    const RowNormalizer normalizer(args, args.x + row * args.ldx);
    DynamicScale dynamic{};
    if (args.q && args.scale) {
      dynamic = dynamic_scale(normalizer.absolute_maximum());
      args.scale[row] = dynamic.scale;
    }
    for (int i = 0; i < args.cols; ++i) {
      const float y = normalizer.value(i);
      if (args.q) {
        args.q[row * args.ldq + i] =
            args.scale ? quantize(y, dynamic.inv)
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
