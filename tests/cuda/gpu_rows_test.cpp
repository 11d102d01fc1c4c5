// The GPU's row kernels against the CPU reference, bit for bit: random shapes, strides and
// alignments, rows of special values, counts below the capacity. Results start as a pattern that
// must stay where nothing is to be written. QE_TEST_SHAPES sets the number of random cases of
// each kernel, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/rows.h"
#include "tests/cuda/gpu_support.h"
#include "tests/kernels/kernel_test.h"
#include "tests/kernels/shape_random.h"

namespace {

using namespace qe::kernels;  // NOLINT(google-build-using-namespace)
using qe::test::DeviceArray;
using qe::test::Random;
using qe::test::reference_table;
using qe::test::require;
using qe::test::same_floats;

constexpr std::uint8_t kPattern = 0xA7;
constexpr float kPatternFloat = -12345.0F;

// A matrix somewhere in an array: rows `ld` apart, the first `start` elements in.
struct Place {
  int rows, cols, start;
  std::ptrdiff_t ld;

  std::size_t extent() const { return static_cast<std::size_t>(start + rows * ld); }
};

Place random_place(int rows, int cols, Random& random) {
  if (random.integer(0, 2) != 0) return {rows, cols, 0, round_up(cols, 16)};
  return {rows, cols, random.integer(0, 5), cols + random.integer(0, 7)};
}

int random_cols(Random& random) {
  static constexpr int kUsual[] = {384, 768, 1024, 1536, 3072, 4096};
  switch (random.integer(0, 5)) {
    case 0:
      return kUsual[random.integer(0, 5)];
    case 1:
      return kUsual[random.integer(0, 5)] + random.integer(-1, 1);
    case 2:
      return random.integer(4097, 5000);
    default:
      return std::min(random.integer(1, 1100), random.integer(1, 1100));
  }
}

std::vector<float> random_matrix(const Place& place, Random& random) {
  std::vector<float> x(place.extent());
  random.fill(x, random.integer(0, 3) == 0 ? 30.0F : 1.0F);
  if (random.integer(0, 2) == 0) {
    qe::test::plant_special_rows(std::span(x).subspan(static_cast<std::size_t>(place.start)),
                                 place.rows, place.cols, place.ld);
  }
  return x;
}

// Capacity and rows of a run, as the kernels get them.
struct Count {
  int capacity, rows;
  DeviceArray<std::int32_t> device;

  explicit Count(Random& random)
      : capacity(random.integer(1, 14)),
        rows(random.integer(0, 3) == 0 ? random.integer(0, capacity) : capacity),
        device(std::vector<std::int32_t>{rows}) {}
};

// What a kernel writes: the reference's copy here and one on the device.
template <class T>
class Output {
 public:
  Output(std::size_t size, T pattern) : expected(size, pattern), device(expected) {}

  std::vector<T> expected;
  DeviceArray<T> device;
};
using Floats = Output<float>;
using Bytes = Output<std::uint8_t>;

void check(const Floats& output) { REQUIRE(same_floats(output.device.read(), output.expected)); }
void check(const Bytes& output) { REQUIRE(output.device.read() == output.expected); }

template <class Check>
void for_random_cases(std::uint64_t kernel, Check check_one) {
  const auto seed = qe::test::test_seed(20250926);
  const int cases = qe::test::shape_count(3000);
  MESSAGE("seed " << seed << ", " << cases << " cases");
  Random random(seed + kernel);
  for (int i = 0; i < cases; ++i) {
    CAPTURE(i);
    check_one(random);
  }
}

}  // namespace

TEST_CASE("GPU: quantization of rows") {
  for_random_cases(1, [](Random& random) {
    const Count count(random);
    const int cols = random_cols(random);
    const Place in = random_place(count.capacity, cols, random);
    const Place out = random_place(count.capacity, cols, random);
    CAPTURE(cols);
    CAPTURE(in.ld);
    CAPTURE(out.ld);
    const std::vector<float> x = random_matrix(in, random);
    const DeviceArray device_x(x);
    Bytes q(out.extent(), kPattern);
    Floats scale(static_cast<std::size_t>(count.capacity), kPatternFloat);
    Floats floor(static_cast<std::size_t>(count.capacity), kPatternFloat);
    QuantizeRowsArgs args{.x = x.data() + in.start,
                          .ldx = in.ld,
                          .rows = count.rows,
                          .cols = cols,
                          .q = q.expected.data() + out.start,
                          .ldq = out.ld,
                          .scheme = static_cast<RowScheme>(random.integer(0, 3)),
                          .scale = scale.expected.data(),
                          .floor = floor.expected.data(),
                          .known_floor = -0.17005F,
                          .inv_scale = 31.5F,
                          .zero_point = 117.0F};
    CAPTURE(static_cast<int>(args.scheme));
    reference_table().quantize_rows(args);
    args.x = device_x.data() + in.start;
    args.rows = count.capacity;
    args.q = q.device.data() + out.start;
    args.scale = scale.device.data();
    args.floor = floor.device.data();
    REQUIRE(cuda::launch_quantize_rows(args, count.device.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    check(q);
    check(scale);
    check(floor);
  });
}

TEST_CASE("GPU: layer normalization") {
  for_random_cases(2, [](Random& random) {
    const Count count(random);
    const int cols = random_cols(random);
    const Place in = random_place(count.capacity, cols, random);
    const Place bytes = random_place(count.capacity, cols, random);
    const bool in_place = random.integer(0, 2) == 0;
    const Place out = in_place ? in : random_place(count.capacity, cols, random);
    const int results = random.integer(0, 4);  // y; y and q, static or not; q alone, likewise
    const bool has_y = results < 3;
    const bool has_q = results > 0;
    const bool is_static = results % 2 == 0;
    CAPTURE(cols);
    CAPTURE(in.ld);
    CAPTURE(results);
    CAPTURE(in_place);
    std::vector<float> gamma(static_cast<std::size_t>(cols));
    std::vector<float> beta(gamma.size());
    random.fill(gamma, 1.0F);
    random.fill(beta, 1.0F);
    if (random.integer(0, 9) == 0) {  // all results zero, of either sign
      std::fill(gamma.begin(), gamma.end(), 0.0F);
      std::fill(beta.begin(), beta.end(), -0.0F);
    }
    const DeviceArray device_gamma(gamma);
    const DeviceArray device_beta(beta);
    Floats x(0, 0.0F);
    const std::vector<float> values = random_matrix(in, random);
    x.expected = values;
    const DeviceArray device_x(values);
    Floats y(out.extent(), kPatternFloat);
    Bytes q(bytes.extent(), kPattern);
    Floats scale(static_cast<std::size_t>(count.capacity), kPatternFloat);
    Floats floor(static_cast<std::size_t>(count.capacity), kPatternFloat);
    LayerNormArgs args{};
    args.x = x.expected.data() + in.start;
    args.ldx = in.ld;
    args.rows = count.rows;
    args.cols = cols;
    args.gamma = gamma.data();
    args.beta = beta.data();
    args.epsilon = 1e-12F;
    args.ldy = out.ld;
    args.ldq = bytes.ld;
    args.inv_scale = 40.0F;
    args.zero_point = 130.0F;
    if (has_y) args.y = (in_place ? x : y).expected.data() + out.start;
    if (has_q) args.q = q.expected.data() + bytes.start;
    if (has_q && !is_static) {
      args.scale = scale.expected.data();
      args.floor = floor.expected.data();
    }
    reference_table().layer_norm(args);
    args.x = device_x.data() + in.start;
    args.rows = count.capacity;
    args.gamma = device_gamma.data();
    args.beta = device_beta.data();
    if (has_y) args.y = (in_place ? device_x : y.device).data() + out.start;
    if (has_q) args.q = q.device.data() + bytes.start;
    if (has_q && !is_static) {
      args.scale = scale.device.data();
      args.floor = floor.device.data();
    }
    REQUIRE(cuda::launch_layer_norm(args, count.device.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    REQUIRE(same_floats(device_x.read(), x.expected));
    check(y);
    check(q);
    check(scale);
    check(floor);
  });
}

namespace {

// A table of embeddings and the rows that tokens take from it, on both sides.
struct Table {
  int count;
  std::vector<std::int8_t> rows;
  std::vector<float> scale;
  std::vector<std::int32_t> ids;
  DeviceArray<std::int8_t> device_rows;
  DeviceArray<float> device_scale;
  DeviceArray<std::int32_t> device_ids;

  Table(int cols, int tokens, Random& random)
      : count(random.integer(1, 20)),
        rows(bytes(count * cols, random)),
        scale(scales(count, random)),
        ids(choices(tokens, count, random)),
        device_rows(rows),
        device_scale(scale),
        device_ids(ids) {}

  static std::vector<std::int8_t> bytes(int size, Random& random) {
    std::vector<std::int8_t> values(static_cast<std::size_t>(size));
    random.fill_bytes(std::span(values));
    return values;
  }
  static std::vector<float> scales(int size, Random& random) {
    std::vector<float> values(static_cast<std::size_t>(size));
    random.fill(values, 0.01F);
    return values;
  }
  static std::vector<std::int32_t> choices(int size, int count, Random& random) {
    std::vector<std::int32_t> values;
    for (int i = 0; i < size; ++i) values.push_back(random.integer(0, count - 1));
    return values;
  }

  EmbeddingTable host() const { return {rows.data(), scale.data()}; }
  EmbeddingTable on_device() const { return {device_rows.data(), device_scale.data()}; }
};

}  // namespace

TEST_CASE("GPU: sums of embeddings") {
  for_random_cases(3, [](Random& random) {
    const Count count(random);
    const int cols = random_cols(random);
    const Place out = random_place(count.capacity, cols, random);
    const Table word(cols, count.rows, random);  // ids for no more tokens than there are
    const Table position(cols, count.rows, random);
    const Table type(cols, count.rows, random);
    const bool has_position = random.integer(0, 3) != 0;
    const bool has_type = random.integer(0, 1) != 0;
    CAPTURE(cols);
    CAPTURE(out.ld);
    Floats y(out.extent(), kPatternFloat);
    EmbedArgs args{};
    args.word = word.host();
    args.word_ids = word.ids.data();
    if (has_position) args.position = position.host();
    args.position_ids = position.ids.data();
    if (has_type) args.type = type.host();
    args.type_ids = type.ids.data();
    args.tokens = count.rows;
    args.cols = cols;
    args.out = y.expected.data() + out.start;
    args.ld_out = out.ld;
    reference_table().embed(args);
    args.word = word.on_device();
    args.word_ids = word.device_ids.data();
    if (has_position) args.position = position.on_device();
    args.position_ids = position.device_ids.data();
    if (has_type) args.type = type.on_device();
    args.type_ids = type.device_ids.data();
    args.tokens = count.capacity;
    args.out = y.device.data() + out.start;
    REQUIRE(cuda::launch_embed(args, count.device.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    check(y);
  });
}

TEST_CASE("GPU: a choice of rows") {
  for_random_cases(4, [](Random& random) {
    const Count count(random);
    const int cols = random_cols(random);
    const Place in = random_place(random.integer(1, 9), cols, random);
    const Place out = random_place(count.capacity, cols, random);
    CAPTURE(cols);
    CAPTURE(in.ld);
    CAPTURE(out.ld);
    const std::vector<float> x = random_matrix(in, random);
    const DeviceArray device_x(x);
    const std::vector<std::int32_t> rows = Table::choices(count.rows, in.rows, random);
    const DeviceArray device_rows(rows);
    Floats y(out.extent(), kPatternFloat);
    for (int i = 0; i < count.rows; ++i) {
      const std::int32_t row = rows[static_cast<std::size_t>(i)];
      std::copy_n(x.data() + in.start + row * in.ld, cols,
                  y.expected.data() + out.start + i * out.ld);
    }
    REQUIRE(cuda::launch_select_rows({.x = device_x.data() + in.start,
                                      .ldx = in.ld,
                                      .rows = device_rows.data(),
                                      .count = count.capacity,
                                      .cols = cols,
                                      .y = y.device.data() + out.start,
                                      .ldy = out.ld},
                                     count.device.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    check(y);
  });
}

TEST_CASE("GPU: no capacity, no launch") {
  CHECK(cuda::launch_embed({}, nullptr, nullptr) == cudaSuccess);
  CHECK(cuda::launch_layer_norm({}, nullptr, nullptr) == cudaSuccess);
  CHECK(cuda::launch_quantize_rows({}, nullptr, nullptr) == cudaSuccess);
  CHECK(cuda::launch_select_rows({}, nullptr, nullptr) == cudaSuccess);
}
