// Attention over queries and keys that are bytes with a scale each, against attention over the
// floats they were made of: the same bits. QE_TEST_SHAPES sets the number of random batches,
// QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "tests/cuda/attention_problem.h"
#include "tests/cuda/byte_rows.h"
#include "tests/cuda/gpu_support.h"
#include "tests/kernels/shape_random.h"

namespace {

using namespace qe::test;  // NOLINT(google-build-using-namespace)
namespace cuda = qe::kernels::cuda;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kPattern = -12345.0F;

// Attention over floats and over the same rows with byte heads.
void check_attention(const AttentionBatch& batch, Random& random, const Edit& edit,
                     const Spare& spare) {
  std::vector<float> qkv(batch.in_size());
  random.fill(qkv, random.integer(0, 3) == 0 ? 8.0F : 1.0F);
  edit(batch, std::span(qkv));
  const cuda::ByteHeads heads{.columns = 2 * batch.width(), .head_dim = batch.head_dim};
  std::vector<float> rows = qkv;
  for (int token = 0; token < batch.offsets.back(); ++token) {
    const auto at = static_cast<std::size_t>(token * batch.ld);
    std::fill_n(rows.begin() + static_cast<std::ptrdiff_t>(at), heads.columns, kNan);
    quantize_heads(qkv.data() + at, heads, rows.data() + at);
  }
  const DeviceArray floats(qkv);
  const DeviceArray bytes(rows);
  const DeviceBatch device(batch);
  const std::vector<float> start(batch.out_size(), kPattern);
  const DeviceArray expected(start);
  const DeviceArray found(start);
  cuda::AttentionLaunch launch = device.launch(batch, spare);
  launch.q_f32 = floats.data();
  launch.k_f32 = floats.data() + batch.width();
  launch.v_f32 = floats.data() + 2 * batch.width();
  launch.out_f32 = expected.data();
  run(launch);
  launch.q_f32 = bytes.data();
  launch.k_f32 = nullptr;
  launch.v_f32 = bytes.data() + 2 * batch.width();
  launch.byte_heads = heads;
  launch.out_f32 = found.data();
  run(launch);
  REQUIRE(same_floats(found.read(), expected.read()));
}

Edit plant_in(float value, int part) {
  return [=](const AttentionBatch& batch, std::span<float> rows) {
    for (int token = 0; token < batch.offsets.back(); token += 3) {
      rows[static_cast<std::size_t>(token * batch.ld + part * batch.width() + token % 7)] = value;
    }
  };
}

}  // namespace

TEST_CASE("GPU: attention over bytes of queries and keys") {
  const auto seed = test_seed(20260118);
  const int count = shape_count(1500) / 2;
  MESSAGE("seed " << seed << ", " << count << " batches");
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    CAPTURE(i);
    std::vector<int> lengths;
    const int most = random.integer(0, 3) == 0 ? 200 : 70;
    for (int s = random.integer(1, 4); s > 0; --s) lengths.push_back(random.integer(1, most));
    AttentionBatch batch =
        batch_of(lengths, random.integer(1, 3), random.integer(0, 1) == 0 ? 32 : 64);
    batch.ld += 16 * random.integer(0, 1);
    make_work(batch, random);
    check_attention(batch, random, [](auto&, auto) {},
                    {.blocks = random.integer(0, 1) * 70, .tokens = random.integer(0, 1) * 60});
  }
}

TEST_CASE("GPU: attention over bytes of queries and keys that were not finite") {
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  Random random(9);
  for (const int head_dim : {32, 64}) {
    for (const std::vector<int>& lengths : {std::vector{1, 5, 33}, std::vector{131, 128}}) {
      AttentionBatch batch = batch_of(lengths, 2, head_dim);
      make_work(batch, random);
      for (const float value : {kInf, -kInf, kNan, std::numeric_limits<float>::max()}) {
        CAPTURE(value);
        check_attention(batch, random, plant_in(value, 0), {});
        check_attention(batch, random, plant_in(value, 1), {.blocks = 70});
      }
    }
  }
}
