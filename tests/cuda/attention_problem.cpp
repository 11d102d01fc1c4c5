// The comparison, on whole arrays.
#include "tests/cuda/attention_problem.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "tests/kernels/shape_random.h"

namespace qe::test {
namespace {

using kernels::attention_head;
using kernels::attention_scratch_bytes;
using kernels::AttentionArgs;
using kernels::round_up;
using Batch = AttentionBatch;

constexpr float kQueryScale = 0.021F;
constexpr float kKeyScale = 0.017F;
constexpr float kValueScale = 0.013F;
constexpr float kOutInvScale = 55.0F;
constexpr float kOutZeroPoint = 121.0F;

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

}  // namespace

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

DeviceBatch::DeviceBatch(const Batch& batch)
    : offsets(batch.offsets),
      work_count(std::vector<std::int32_t>{static_cast<std::int32_t>(batch.work.size())}),
      work(with_spare(batch.work)) {}

cuda::AttentionLaunch DeviceBatch::launch(const Batch& batch, const Spare& spare) const {
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

void run(const cuda::AttentionLaunch& launch) {
  REQUIRE(cuda::launch_attention(launch) == cudaSuccess);
  require(cudaDeviceSynchronize());
}

void check_dynamic(const Batch& batch, Random& random, const Edit& edit) {
  std::vector<float> qkv(batch.in_size());
  std::vector<float> q(batch.query_size());
  random.fill(qkv, random.integer(0, 3) == 0 ? 8.0F : 1.0F);
  random.fill(q, 1.0F);
  if (random.integer(0, 2) == 0) {
    plant_special_rows(std::span(qkv).subspan(static_cast<std::size_t>(batch.start)),
                       batch.offsets.back(), random.integer(1, 3 * batch.width()), batch.ld);
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

template void check_static<std::uint8_t>(const Batch&, Random&);
template void check_static<float>(const Batch&, Random&);

}  // namespace qe::test
