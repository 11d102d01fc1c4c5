// The product as a convolution: gemm with taps, of every instruction set, against a plain direct
// convolution and a plain epilogue written here. Integers and floats must be equal to the last bit,
// and nothing may be read or written beyond what kernel_table.h allows: inputs and outputs lie
// against guard pages on either side. QE_TEST_SHAPES sets the number of random shapes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "tests/kernels/conv_shape.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20261120;
constexpr std::size_t kCapacity = 1 << 21;

// One convolution with all its operands and its expected result.
class Problem {
 public:
  void make(ShapeRandom& random, const ConvShape& shape, const ConvEpilogue& epilogue) {
    shape_ = shape;
    epilogue_ = epilogue;
    make_input(random);
    make_weights(random);
    make_terms(random);
    expect(random);
  }

  void check(ShapeRandom& random, const KernelTable& table) {
    const std::size_t bytes = initial_.size();
    const std::span<std::uint8_t> out = out_arena_.place<std::uint8_t>(bytes, random.side());
    std::copy(initial_.begin(), initial_.end(), out.begin());
    table.gemm(args(out.data()));
    CHECK_MESSAGE((std::memcmp(out.data(), expected_.data(), bytes) == 0 || same_reals(out)),
                  table.name << ": " << describe(shape_) << " u8 " << epilogue_.u8 << " residual "
                             << epilogue_.residual << " table " << epilogue_.table);
    CHECK(out_arena_.margin_intact());
  }

 private:
  void make_input(ShapeRandom& random) {
    const ConvShape& s = shape_;
    const int pixels = s.batch * s.height * s.width;
    // The last piece ends with the group of four that the contract lets a kernel read.
    const int last = s.row_taps ? s.channels + kDepthGroup : round_up(s.channels, kDepthGroup);
    x_ = x_arena_.place<std::uint8_t>((pixels - 1) * s.pixel_stride + last, random.side());
    random.fill(x_);
    // The same for all neighbours of a row.
    const int row_step = s.row_step();
    padding_ =
        padding_arena_.place<std::uint8_t>(padding_bytes(s.tap_bytes(), row_step), random.side());
    random.fill(padding_);
    for (std::size_t i = row_step; row_step > 0 && i < padding_.size(); ++i) {
      padding_[i] = padding_[i - row_step];
    }
    offsets_.clear();
    for (int y = 0; y < s.out_height; ++y) {
      for (int x = 0; x < s.out_width; ++x) {
        for (int tap = 0; tap < s.taps(); ++tap) {
          const int i = s.row_taps ? tap : tap / s.kernel_width;
          const int j = s.row_taps ? 0 : tap % s.kernel_width;
          const std::optional<int> at = pixel(y, x, i, j);
          offsets_.push_back(at ? *at * s.pixel_stride : kPaddingTap);
        }
      }
    }
    taps_ = {.count = s.taps(),
             .offset = offsets_.data(),
             .pixels = s.out_height * s.out_width,
             .first_row = s.first_row,
             .image_stride = s.image_stride(),
             .padding = padding_.data()};
    taps_.out_width = s.out_width;
    taps_.row_step = s.row_step();
    if (!s.row_taps && s.dilation == 1) {
      taps_.kernel_width = s.kernel_width;
      taps_.stride = s.stride;
    }
  }

  // The pixel under element (i, j) of the kernel; nothing outside the image.
  std::optional<int> pixel(int y, int x, int i, int j) const {
    const int row = y * shape_.stride - shape_.pad_top + i * shape_.dilation;
    const int col = x * shape_.stride - shape_.pad_left + j * shape_.dilation;
    if (row < 0 || row >= shape_.height || col < 0 || col >= shape_.width) {
      return std::nullopt;
    }
    return row * shape_.width + col;
  }

  // Weights as [columns][taps][bytes of a tap], packed by one of the instruction sets.
  void make_weights(ShapeRandom& random) {
    const ConvShape& s = shape_;
    w_.resize(static_cast<std::size_t>(s.columns) * s.depth());
    random.fill(std::span(w_));
    for (std::size_t i = 0; i < w_.size(); ++i) {
      if (static_cast<int>(i) % s.tap_depth() >= s.tap_bytes()) w_[i] = 0;
    }
    packed_ = packed_arena_.place<std::int8_t>(packed_bytes(s.columns, s.depth()), Side::kBack);
    const std::vector<const KernelTable*> tables = all_tables();
    tables[random.integer(0, static_cast<int>(tables.size()) - 1)]->pack_weights(
        {.w = w_.data(),
         .ldw = s.depth(),
         .n = s.columns,
         .k = s.depth(),
         .first_panel = 0,
         .last_panel = panel_count(s.columns),
         .packed = packed_.data(),
         .column_sum = nullptr});
  }

  std::vector<float> reals(ShapeRandom& random, int count, float deviation) {
    std::vector<float> values(count);
    for (float& value : values) {
      value = random.chance(200) ? 1e30F * random.normal() : deviation * random.normal();
    }
    return values;
  }

  void make_terms(ShapeRandom& random) {
    const int columns = round_up(shape_.columns, kColumnGroup);
    column_offset_.resize(columns);
    for (std::int32_t& offset : column_offset_) offset = random.integer(-30000, 30000);
    column_scale_ = reals(random, columns, 0.004F);
    weight_sum_ = reals(random, columns, 10.0F);
    bias_ = reals(random, columns, 100.0F);
    row_scale_ = reals(random, shape_.rows, 1.0F);
    row_floor_ = reals(random, shape_.rows, 1.0F);
    residual_scale_ = random.normal();
    table_ = table_arena_.place<std::uint8_t>(256, random.side());
    random.fill(table_);
  }

  std::int32_t sum(int row, int column) const {
    const ConvShape& s = shape_;
    const int at = s.first_row + row;
    const int image = at / (s.out_height * s.out_width);
    const int y = at / s.out_width % s.out_height;
    const int x = at % s.out_width;
    std::int32_t total = epilogue_.offset ? column_offset_[column] : 0;
    for (int i = 0; i < s.kernel_height; ++i) {
      for (int j = 0; j < s.kernel_width; ++j) {
        const int within = s.row_taps ? j * s.channels : 0;
        const int tap = s.row_taps ? i : i * s.kernel_width + j;
        const std::optional<int> from = pixel(y, x, i, j);
        const std::uint8_t* bytes =
            from ? &x_[image * s.image_stride() + *from * s.pixel_stride] : &padding_[within];
        const std::int8_t* w = &w_[column * s.depth() + tap * s.tap_depth() + within];
        for (int c = 0; c < s.channels; ++c) {
          total += bytes[c] * w[c];
        }
      }
    }
    return total;
  }

  float real(int row, int column) const {
    const auto acc = static_cast<float>(sum(row, column));
    const float bias = epilogue_.bias ? bias_[column] : -0.0F;
    float y = 0;
    if (epilogue_.row_terms) {
      const float addend = std::fma(row_floor_[row], weight_sum_[column], bias);
      y = std::fma(acc, row_scale_[row] * column_scale_[column], addend);
    } else {
      y = std::fma(acc, column_scale_[column], bias);
    }
    return epilogue_.activation == Activation::kRelu ? (y > 0.0F ? y : 0.0F) : y;
  }

  // The memory of the result before and after: rows of bytes or floats, gaps included.
  void expect(ShapeRandom& random) {
    const ConvShape& s = shape_;
    const int size = epilogue_.u8 ? 1 : sizeof(float);
    const int padded = round_up(s.columns, kColumnGroup);
    const int row_end = epilogue_.in_place ? padded : s.columns;
    ld_out_ = row_end + (random.chance(2) ? 0 : random.integer(0, 20));
    initial_.assign(static_cast<std::size_t>((s.rows - 1) * ld_out_ + row_end) * size,
                    GuardedArena::kPattern);
    if (epilogue_.in_place) random.fill(std::span(initial_));
    residual_u8_.resize(static_cast<std::size_t>(s.rows) * padded);
    random.fill(std::span(residual_u8_));
    if (!epilogue_.u8) residual_f32_ = reals(random, s.rows * s.columns, 10.0F);
    expected_ = initial_;
    const int first = s.first_panel * kPanelWidth;
    for (int row = 0; row < s.rows; ++row) {
      for (int column = first; column < s.columns; ++column) {
        const std::size_t at = static_cast<std::size_t>(row) * ld_out_ + column;
        const float y = real(row, column);
        if (epilogue_.u8) {
          expected_[at] = byte(row, column, y);
        } else {
          const float out = epilogue_.residual ? y + residual_f32_[row * s.columns + column] : y;
          std::memcpy(&expected_[at * sizeof(float)], &out, sizeof(float));
        }
      }
    }
  }

  std::uint8_t byte(int row, int column, float y) const {
    float t = y;
    if (epilogue_.activation != Activation::kNone) {
      t = std::fma(y, kOutInvScale, kOutZeroPoint);
    } else if (epilogue_.residual) {
      const std::uint8_t r =
          epilogue_.in_place ? initial_[static_cast<std::size_t>(row) * ld_out_ + column]
                             : residual_u8_[row * round_up(shape_.columns, kColumnGroup) + column];
      t = std::fma(static_cast<float>(r), residual_scale_, y);
    }
    const std::uint8_t q = expected_u8(t);
    return epilogue_.table ? table_[q] : q;
  }

  // Whether floats are equal but for the sign and payload of NaN.
  bool same_reals(std::span<const std::uint8_t> out) const {
    if (epilogue_.u8) return false;
    std::vector<float> a(out.size() / sizeof(float));
    std::vector<float> b(a.size());
    std::memcpy(a.data(), out.data(), out.size());
    std::memcpy(b.data(), expected_.data(), out.size());
    return same_floats(a, b);
  }

  GemmArgs args(std::uint8_t* out) {
    const ConvShape& s = shape_;
    GemmArgs args{};
    args.a = x_.data();
    args.taps = &taps_;
    args.b = packed_.data();
    args.m = s.rows;
    args.n = s.columns;
    args.k = s.tap_bytes();
    args.first_panel = s.first_panel;
    args.last_panel = s.last_panel;
    args.column_offset = epilogue_.offset ? column_offset_.data() : nullptr;
    args.column_scale = column_scale_.data();
    args.bias = epilogue_.bias ? bias_.data() : nullptr;
    args.activation = epilogue_.activation;
    if (epilogue_.row_terms) {
      args.row_scale = row_scale_.data();
      args.row_floor = row_floor_.data();
      args.column_weight_sum = weight_sum_.data();
    }
    if (epilogue_.u8) {
      args.out_u8 = out;
      args.ld_out_u8 = ld_out_;
      args.out_inv_scale = kOutInvScale;
      args.out_zero_point = kOutZeroPoint;
      args.table = epilogue_.table ? table_.data() : nullptr;
      if (epilogue_.residual) {
        args.residual_u8 = epilogue_.in_place ? out : residual_u8_.data();
        args.ld_residual_u8 = epilogue_.in_place ? ld_out_ : round_up(s.columns, kColumnGroup);
        args.residual_scale = residual_scale_;
      }
    } else {
      args.out_f32 = reinterpret_cast<float*>(out);
      args.ld_out_f32 = ld_out_;
      if (epilogue_.residual) {
        args.residual = residual_f32_.data();
        args.ld_residual = s.columns;
      }
    }
    return args;
  }

  static constexpr float kOutInvScale = 0.7F;
  static constexpr float kOutZeroPoint = 3.0F;

  ConvShape shape_{};
  ConvEpilogue epilogue_{};
  GuardedArena x_arena_{kCapacity}, padding_arena_{4096}, packed_arena_{kCapacity},
      table_arena_{4096}, out_arena_{kCapacity};
  std::span<std::uint8_t> x_, padding_, table_;
  std::span<std::int8_t> packed_;
  std::vector<std::int32_t> offsets_, column_offset_;
  Taps taps_;
  std::vector<std::int8_t> w_;
  std::vector<float> column_scale_, weight_sum_, bias_, row_scale_, row_floor_, residual_f32_;
  std::vector<std::uint8_t> residual_u8_, initial_, expected_;
  float residual_scale_ = 0;
  std::ptrdiff_t ld_out_ = 0;
};

}  // namespace

TEST_CASE("random convolutions on every instruction set") {
  const int count = shape_count(100'000);
  MESSAGE("seed " << kSeed << ", " << count << " shapes");
  ShapeRandom random(kSeed);
  Problem problem;
  for (int i = 0; i < count; ++i) {
    problem.make(random, random_conv_shape(random), random_conv_epilogue(random));
    for (const KernelTable* table : all_tables()) {
      problem.check(random, *table);
    }
  }
}

TEST_CASE("every width of a panel with rows beyond one tile, few and many taps") {
  ShapeRandom random(kSeed + 1);
  Problem problem;
  for (const int columns : {8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 144, 192}) {
    for (const int kernel : {1, 3, 5}) {
      for (const int channels : {3, 4, 16, 17, 24, 40}) {
        ConvShape s{};
        s.batch = 2;
        s.height = s.width = 7;
        s.channels = channels;
        s.columns = columns;
        s.kernel_height = s.kernel_width = kernel;
        s.stride = s.dilation = 1;
        s.pad_top = s.pad_left = kernel / 2;
        s.out_height = s.out_width = 7;
        s.pixel_stride = round_up(channels, kColumnGroup);
        s.rows = 2 * 7 * 7;
        s.last_panel = panel_count(columns);
        problem.make(random, s, random_conv_epilogue(random));
        for (const KernelTable* table : all_tables()) {
          problem.check(random, *table);
        }
      }
    }
  }
}

TEST_CASE("pieces that need several sections of the depth, and more than is gathered") {
  ShapeRandom random(kSeed + 2);
  Problem problem;
  for (const int channels : {28, 64, 130, 512, 520}) {
    ConvShape s{};
    s.batch = 2;
    s.height = s.width = 5;
    s.channels = channels;
    s.columns = 72;
    s.kernel_height = s.kernel_width = 3;
    s.stride = s.dilation = 1;
    s.pad_top = s.pad_left = 1;
    s.out_height = s.out_width = 5;
    s.pixel_stride = round_up(channels, kColumnGroup);
    s.rows = 2 * 5 * 5;
    s.last_panel = panel_count(s.columns);
    problem.make(random, s, random_conv_epilogue(random));
    for (const KernelTable* table : all_tables()) {
      problem.check(random, *table);
    }
  }
}

}  // namespace qe::test
