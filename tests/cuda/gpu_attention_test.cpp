// The GPU's attention against the CPU's: batches of sequences of random lengths, widths, strides
// and alignments, dynamic and static, all queries or the first of each sequence; then every path of
// the kernel. QE_TEST_SHAPES sets the number of random batches, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "tests/cuda/attention_problem.h"
#include "tests/kernels/shape_random.h"

namespace {

namespace cuda = qe::kernels::cuda;
using namespace qe::test;  // NOLINT(google-build-using-namespace)
using Batch = AttentionBatch;

void check(const Batch& batch, Random& random) {
  CAPTURE(batch.heads);
  CAPTURE(batch.head_dim);
  CAPTURE(batch.first_query_only);
  CAPTURE(batch.start);
  CAPTURE(batch.ld);
  CAPTURE(batch.sequences());
  CAPTURE(batch.longest);
  if (random.integer(0, 1) == 0) {
    check_dynamic(batch, random);
  } else if (batch.out_bytes) {
    check_static<std::uint8_t>(batch, random);
  } else {
    check_static<float>(batch, random);
  }
}

}  // namespace

TEST_CASE("GPU: attention over random batches") {
  const auto seed = qe::test::test_seed(20250926);
  const int batches = qe::test::shape_count(3000);
  MESSAGE("seed " << seed << ", " << batches << " batches");
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  Random random(seed);
  for (int i = 0; i < batches; ++i) {
    CAPTURE(i);
    check(random_batch(random), random);
  }
}

TEST_CASE("GPU: attention at the edges of groups, blocks and heads") {
  Random random(5);
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  for (const int length : {1, 31, 32, 33, 63, 64, 65, 128}) {
    for (const int head_dim : {1, 32, 33, 64, 128}) {
      CAPTURE(length);
      Batch batch = batch_of({length}, 1, head_dim);
      make_work(batch, random);
      check_dynamic(batch, random);
      check_static<std::uint8_t>(batch, random);
    }
  }
}

// Every tail of the last group and every shape of launch, on heads of whole steps, of pieces and of
// elements, with results in pairs and in single elements.
TEST_CASE("GPU: attention over sequences that end anywhere in a group of tokens") {
  Random random(7);
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  for (const int whole : {0, 64, 128}) {
    for (const int head_dim : {64, 60, 62, 63}) {
      CAPTURE(whole);
      CAPTURE(head_dim);
      std::vector<int> lengths;
      const int step = head_dim == 64 ? 1 : 5;
      for (int tail = 1; tail <= cuda::kTokenGroup; tail += step) lengths.push_back(whole + tail);
      Batch batch = batch_of(lengths, 1, head_dim);
      if (head_dim == 60) batch.ld_out += 1;
      batch.first_query_only = head_dim == 64 && whole == 64;
      make_work(batch, random);
      check_dynamic(batch, random);
      check_static<std::uint8_t>(batch, random);
      check_static<float>(batch, random);
    }
  }
}

namespace {

// One element of a row of each kind, from a column on.
Edit plant(float value, int part) {
  return [=](const Batch& batch, std::span<float> rows) {
    for (int token = 0; token < batch.offsets.back(); token += 3) {
      rows[static_cast<std::size_t>(token * batch.ld + part * batch.width() + token % 7)] = value;
    }
  };
}
// Rows of one part a power of two larger or smaller, each by another, down to ranges that count as
// zero and up to the largest floats.
Edit spread(int part) {
  return [=](const Batch& batch, std::span<float> rows) {
    for (int token = 0; token < batch.offsets.back(); ++token) {
      const float factor = std::ldexp(1.0F, token * 37 % 240 - 116);
      for (int column = 0; column < batch.width(); ++column) {
        rows[static_cast<std::size_t>(token * batch.ld + part * batch.width() + column)] *= factor;
      }
    }
  };
}

}  // namespace

TEST_CASE("GPU: attention on values that are not finite, and of all magnitudes") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  Random random(8);
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  for (const std::vector<int>& lengths :
       {std::vector{1, 5, 33}, std::vector{70, 128}, std::vector{131}}) {
    Batch batch = batch_of(lengths, 1, 64);
    make_work(batch, random);
    for (const int part : {0, 1, 2}) {
      CAPTURE(batch.longest);
      CAPTURE(part);
      for (const float value : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN(),
                                std::numeric_limits<float>::max(), 0x1p-126F}) {
        CAPTURE(value);
        check_dynamic(batch, random, plant(value, part));
      }
      check_dynamic(batch, random, spread(part));
    }
  }
}

TEST_CASE("GPU: attention over as many tokens as fit, and one group more") {
  Random random(6);
  REQUIRE(cuda::prepare_attention() == cudaSuccess);
  int device = 0;
  int most = 0;
  require(cudaGetDevice(&device));
  require(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  int tokens = 0;
  while (cuda::attention_shared_bytes(tokens + 1, 64) <= static_cast<std::size_t>(most)) ++tokens;
  Batch batch = batch_of({tokens}, 1, 64);
  batch.work = {{0, 0}, {0, (tokens - 1) / cuda::kQueryBlock * cuda::kQueryBlock}};
  const DeviceBatch device_batch(batch);
  const std::vector<float> qkv(batch.in_size());
  const DeviceArray device_qkv(qkv);
  const DeviceArray out(std::vector<float>(batch.out_size(), 1.0F));
  cuda::AttentionLaunch launch = device_batch.launch(batch, {});
  launch.q_f32 = device_qkv.data();
  launch.k_f32 = device_qkv.data() + 64;
  launch.v_f32 = device_qkv.data() + 128;
  launch.out_f32 = out.data();
  run(launch);
  CHECK(out.read().front() == 0.0F);
  CHECK(out.read().back() == 0.0F);
  launch.max_tokens = tokens + 1;
  CHECK(cuda::launch_attention(launch) != cudaSuccess);
  static_cast<void>(cudaGetLastError());
}

TEST_CASE("GPU: attention over nothing") { CHECK(cuda::launch_attention({}) == cudaSuccess); }
