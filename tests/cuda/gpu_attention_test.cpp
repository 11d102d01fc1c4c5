// The GPU's attention against the CPU's on the reference kernels, bit for bit: batches of sequences
// of random lengths, widths, strides and alignments, dynamic and static, all queries or the first
// of each sequence. Results start as a pattern that must stay where nothing is to be written.
// QE_TEST_SHAPES sets the number of random batches, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/cuda/attention.h"
#include "tests/cuda/gpu_support.h"
#include "tests/kernels/kernel_test.h"
#include "tests/kernels/shape_random.h"

namespace {

using namespace qe::kernels;  // NOLINT(google-build-using-namespace)
using cuda::AttentionWork;
using qe::test::DeviceArray;
using qe::test::Random;
using qe::test::reference_table;
using qe::test::require;
using qe::test::same_floats;

constexpr float kQueryScale = 0.021F;
constexpr float kKeyScale = 0.017F;
constexpr float kValueScale = 0.013F;
constexpr float kOutInvScale = 55.0F;
constexpr float kOutZeroPoint = 121.0F;

struct Batch {
  int heads, head_dim;
  bool first_query_only, out_bytes;
  int start;  // elements before the first row
  std::ptrdiff_t ld, ld_out;
  std::vector<std::int32_t> offsets;
  std::vector<AttentionWork> work;
  int longest = 0;

  int width() const { return heads * head_dim; }
  int sequences() const { return static_cast<int>(offsets.size()) - 1; }
  int out_rows() const { return first_query_only ? sequences() : offsets.back(); }
  // Queries, keys and values lie side by side, as one product writes them.
  std::size_t in_size() const { return static_cast<std::size_t>(start + offsets.back() * ld); }
  std::size_t out_size() const { return static_cast<std::size_t>(start + out_rows() * ld_out); }
  // Queries of their own: a row a sequence.
  std::size_t query_size() const { return static_cast<std::size_t>(start + sequences() * ld); }
};

Batch batch_of(const std::vector<int>& lengths, int heads, int head_dim) {
  Batch batch{.heads = heads,
              .head_dim = head_dim,
              .first_query_only = false,
              .out_bytes = false,
              .start = 0,
              .ld = round_up(3 * heads * head_dim, 16),
              .ld_out = round_up(heads * head_dim, 16),
              .offsets = {0},
              .work = {}};
  for (const int length : lengths) {
    batch.offsets.push_back(batch.offsets.back() + length);
    batch.longest = std::max(batch.longest, length);
  }
  return batch;
}

// As the engine makes it: every block of queries of every sequence, in no promised order.
void make_work(Batch& batch, Random& random) {
  for (int s = 0; s < batch.sequences(); ++s) {
    const std::size_t at = static_cast<std::size_t>(s);
    const int queries = batch.first_query_only ? 1 : batch.offsets[at + 1] - batch.offsets[at];
    for (int first = 0; first < queries; first += cuda::kQueryBlock) {
      batch.work.push_back({s, first});
    }
  }
  std::swap(batch.work.front(), batch.work[static_cast<std::size_t>(
                                    random.integer(0, static_cast<int>(batch.work.size()) - 1))]);
}

Batch random_batch(Random& random) {
  static constexpr int kUsual[] = {32, 64, 64, 80, 96, 128};
  std::vector<int> lengths;
  const int sequences = random.integer(1, 4);
  const int most = random.integer(0, 3) == 0 ? 200 : 70;
  for (int s = 0; s < sequences; ++s) lengths.push_back(random.integer(1, most));
  const int head_dim = random.integer(0, 2) == 0 ? random.integer(1, cuda::kMaxHeadDim)
                                                 : kUsual[random.integer(0, 5)];
  Batch batch = batch_of(lengths, random.integer(1, 3), head_dim);
  batch.first_query_only = random.integer(0, 3) == 0;
  batch.out_bytes = random.integer(0, 1) == 0;
  if (random.integer(0, 2) == 0) {
    batch.start = random.integer(0, 5);
    batch.ld = 3 * batch.width() + random.integer(0, 7);
    batch.ld_out = batch.width() + random.integer(0, 7);
  }
  make_work(batch, random);
  return batch;
}

// The operands on either side: `q` is where queries are taken from, which may be rows of their own.
template <class T>
struct Operands {
  const T* q;
  const T* qkv;
};

template <class Out>
void expect(const Batch& batch, AttentionArgs args, auto set_operands, std::vector<Out>& out) {
  std::vector<std::byte> memory(attention_scratch_bytes(batch.longest, batch.head_dim) + 64);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  args.scratch = memory.data() + (64 - address % 64) % 64;
  args.ld_q = batch.ld;
  args.ld_kv = batch.ld;
  args.head_dim = batch.head_dim;
  args.ld_out = batch.ld_out;
  for (int s = 0; s < batch.sequences(); ++s) {
    const std::int32_t first = batch.offsets[static_cast<std::size_t>(s)];
    args.tokens = batch.offsets[static_cast<std::size_t>(s) + 1] - first;
    args.queries = batch.first_query_only ? 1 : args.tokens;
    const int query = batch.first_query_only ? s : first;
    for (int head = 0; head < batch.heads; ++head) {
      const int column = head * batch.head_dim;
      set_operands(args, query * batch.ld + column, first * batch.ld + column);
      Out* const to = out.data() + batch.start + query * batch.ld_out + column;
      if constexpr (sizeof(Out) == 1) {
        args.out_u8 = to;
      } else {
        args.out_f32 = to;
      }
      attention_head(reference_table(), args);
    }
  }
}

// What a launch allows for beyond its batch: that is what its shape is chosen by.
struct Spare {
  int blocks = 0;
  int tokens = 0;
};
constexpr int kManyBlocks = 130;  // of all heads

Spare random_spare(const Batch& batch, Random& random) {
  static constexpr int kBlocks[] = {0, 3, 70, kManyBlocks, kManyBlocks};
  const bool any_length = random.integer(0, 2) == 0;
  return {.blocks = (kBlocks[random.integer(0, 4)] + batch.heads - 1) / batch.heads,
          .tokens = any_length ? std::max(0, cuda::kHeldTokens + 1 - batch.longest)
                               : random.integer(0, 3)};
}

// Items that nothing may come of.
std::vector<AttentionWork> with_spare(std::vector<AttentionWork> work) {
  work.resize(work.size() + kManyBlocks, {.sequence = 1 << 30, .first_query = 1 << 30});
  return work;
}

// What both kinds of launches share, its arrays in device memory.
struct DeviceBatch {
  DeviceArray<std::int32_t> offsets, work_count;
  DeviceArray<AttentionWork> work;

  explicit DeviceBatch(const Batch& batch)
      : offsets(batch.offsets),
        work_count(std::vector<std::int32_t>{static_cast<std::int32_t>(batch.work.size())}),
        work(with_spare(batch.work)) {}

  cuda::AttentionLaunch launch(const Batch& batch, const Spare& spare) const {
    cuda::AttentionLaunch launch;
    launch.ld_q = batch.ld;
    launch.ld_kv = batch.ld;
    launch.heads = batch.heads;
    launch.head_dim = batch.head_dim;
    launch.ld_out = batch.ld_out;
    launch.first_query_only = batch.first_query_only;
    launch.offsets = offsets.data();
    launch.work = work.data();
    launch.work_count = work_count.data();
    launch.work_capacity = static_cast<int>(batch.work.size()) + spare.blocks;
    launch.max_tokens = batch.longest + spare.tokens;
    return launch;
  }
};

void run(const cuda::AttentionLaunch& launch) {
  REQUIRE(cuda::launch_attention(launch) == cudaSuccess);
  require(cudaDeviceSynchronize());
}

// `edit` changes rows of queries, keys and values that are side by side, as many as tokens.
void check_dynamic(
    const Batch& batch, Random& random,
    const std::function<void(const Batch&, std::span<float>)>& edit = [](auto&, auto) {}) {
  std::vector<float> qkv(batch.in_size());
  std::vector<float> q(batch.query_size());
  random.fill(qkv, random.integer(0, 3) == 0 ? 8.0F : 1.0F);
  random.fill(q, 1.0F);
  if (random.integer(0, 2) == 0) {
    qe::test::plant_special_rows(std::span(qkv).subspan(static_cast<std::size_t>(batch.start)),
                                 batch.offsets.back(), random.integer(1, 3 * batch.width()),
                                 batch.ld);
  }
  edit(batch, std::span(qkv).subspan(static_cast<std::size_t>(batch.start)));
  const bool own_queries = batch.first_query_only;
  std::vector<float> expected(batch.out_size(), -12345.0F);
  const DeviceArray out(expected);
  const float* k = qkv.data() + batch.start + batch.width();
  const auto set = [&](AttentionArgs& args, std::ptrdiff_t query, std::ptrdiff_t token) {
    args.q_f32 = (own_queries ? q : qkv).data() + batch.start + query;
    args.k_f32 = k + token;
    args.v_f32 = k + batch.width() + token;
  };
  expect(batch, {}, set, expected);
  const DeviceBatch device(batch);
  const DeviceArray device_qkv(qkv);
  const DeviceArray device_q(q);
  cuda::AttentionLaunch launch = device.launch(batch, random_spare(batch, random));
  launch.q_f32 = (own_queries ? device_q : device_qkv).data() + batch.start;
  launch.k_f32 = device_qkv.data() + batch.start + batch.width();
  launch.v_f32 = launch.k_f32 + batch.width();
  launch.out_f32 = out.data() + batch.start;
  run(launch);
  REQUIRE(same_floats(out.read(), expected));
}

// Bytes in; bytes or floats out.
template <class Out>
void check_static(const Batch& batch, Random& random) {
  // The CPU reads queries up to a multiple of four.
  std::vector<std::uint8_t> qkv(batch.in_size() + 4);
  std::vector<std::uint8_t> q(batch.query_size() + 4);
  random.fill_bytes(std::span(qkv));
  random.fill_bytes(std::span(q));
  const bool own_queries = batch.first_query_only;
  std::vector<Out> expected(batch.out_size(), static_cast<Out>(77));
  const DeviceArray out(expected);
  const std::uint8_t* k = qkv.data() + batch.start + batch.width();
  const auto set = [&](AttentionArgs& args, std::ptrdiff_t query, std::ptrdiff_t token) {
    args.q_u8 = (own_queries ? q : qkv).data() + batch.start + query;
    args.k_u8 = k + token;
    args.v_u8 = k + batch.width() + token;
  };
  expect(batch,
         {.q_scale = kQueryScale,
          .k_scale = kKeyScale,
          .v_scale = kValueScale,
          .out_inv_scale = kOutInvScale,
          .out_zero_point = kOutZeroPoint},
         set, expected);
  const DeviceBatch device(batch);
  const DeviceArray device_qkv(std::span<const std::uint8_t>(qkv).first(batch.in_size()));
  const DeviceArray device_q(std::span<const std::uint8_t>(q).first(batch.query_size()));
  cuda::AttentionLaunch launch = device.launch(batch, random_spare(batch, random));
  launch.q_u8 = (own_queries ? device_q : device_qkv).data() + batch.start;
  launch.k_u8 = device_qkv.data() + batch.start + batch.width();
  launch.v_u8 = launch.k_u8 + batch.width();
  launch.q_scale = kQueryScale;
  launch.k_scale = kKeyScale;
  launch.v_scale = kValueScale;
  launch.out_inv_scale = kOutInvScale;
  launch.out_zero_point = kOutZeroPoint;
  if constexpr (sizeof(Out) == 1) {
    launch.out_u8 = out.data() + batch.start;
    run(launch);
    REQUIRE(out.read() == expected);
  } else {
    launch.out_f32 = out.data() + batch.start;
    run(launch);
    REQUIRE(same_floats(out.read(), expected));
  }
}

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

using Edit = std::function<void(const Batch&, std::span<float>)>;

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
