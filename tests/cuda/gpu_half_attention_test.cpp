// The GPU's attention on halves against double precision on the same halves: batches of sequences
// of random lengths, widths, strides and alignments, all queries or the first of each sequence.
// Bounds are those of rounding probabilities and results to halves. QE_TEST_SHAPES sets the number
// of random batches, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/cuda/half_attention.h"
#include "tests/cuda/half_matrix.h"

namespace {

namespace cuda = qe::kernels::cuda;
using cuda::Half;
using qe::test::cases;
using qe::test::check_halves;
using qe::test::count_of;
using qe::test::DeviceArray;
using qe::test::half_bits;
using qe::test::HalfMatrix;
using qe::test::place;
using qe::test::Random;
using qe::test::random_matrix;
using qe::test::require;

// One launch for a batch of mixed lengths.
void check_attention(int head_dim, bool first_query_only, Random& random) {
  std::vector<std::int32_t> offsets = {0};
  const int sequences = random.integer(1, 3);
  for (int s = 0; s < sequences; ++s) {
    offsets.push_back(offsets.back() + random.integer(1, random.integer(0, 2) == 0 ? 200 : 70));
  }
  const int heads = random.integer(1, 2);
  const int width = heads * head_dim;
  const int tokens = offsets.back();
  const HalfMatrix qkv = random_matrix(tokens, 3 * width, 1.0F, random);
  const HalfMatrix own = random_matrix(sequences, width, 1.0F, random);
  const HalfMatrix out = place(first_query_only ? sequences : tokens, width, random);
  std::vector<cuda::AttentionWork> work;
  std::vector<std::int32_t> sequence_of;  // of each row of results
  for (int s = 0; s < sequences; ++s) {
    const auto at = static_cast<std::size_t>(s);
    const int queries = first_query_only ? 1 : offsets[at + 1] - offsets[at];
    for (int first = 0; first < queries; first += cuda::kQueryBlock) work.push_back({s, first});
    sequence_of.insert(sequence_of.end(), static_cast<std::size_t>(queries), s);
  }
  const DeviceArray device_qkv(qkv.elements);
  const DeviceArray device_own(own.elements);
  const DeviceArray device_offsets(offsets);
  const DeviceArray device_work(work);
  const DeviceArray device(out.elements);
  const auto count = count_of(static_cast<int>(work.size()));
  cuda::HalfAttentionLaunch launch;
  launch.q = first_query_only ? device_own.data() + own.start : device_qkv.data() + qkv.start;
  launch.k = device_qkv.data() + qkv.start + width;
  launch.v = launch.k + width;
  launch.ld_q = first_query_only ? own.ld : qkv.ld;
  launch.ld_kv = qkv.ld;
  launch.heads = heads;
  launch.head_dim = head_dim;
  launch.out = device.data() + out.start;
  launch.ld_out = out.ld;
  launch.first_query_only = first_query_only;
  launch.offsets = device_offsets.data();
  launch.work = device_work.data();
  launch.work_count = count.data();
  launch.work_capacity = static_cast<int>(work.size()) + random.integer(0, 3);
  REQUIRE(cuda::launch_attention(launch) == cudaSuccess);
  require(cudaDeviceSynchronize());

  const auto query = [&](int row, int column) {
    return first_query_only ? own(row, column) : qkv(row, column);
  };
  const auto context = [&](int row, int col) {
    const auto s = static_cast<std::size_t>(sequence_of[static_cast<std::size_t>(row)]);
    const int first_column = col / head_dim * head_dim;
    std::vector<double> scores;
    for (int t = offsets[s]; t < offsets[s + 1]; ++t) {
      double score = 0;
      for (int d = 0; d < head_dim; ++d) {
        score += query(row, first_column + d) * qkv(t, width + first_column + d);
      }
      scores.push_back(score / std::sqrt(static_cast<double>(head_dim)));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    double y = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double p = std::exp(scores[i] - largest);
      sum += p;
      y += p * qkv(offsets[s] + static_cast<int>(i), 2 * width + col);
    }
    return y / sum;
  };
  double most = 0;
  for (int t = 0; t < tokens; ++t) {
    for (int c = 2 * width; c < 3 * width; ++c) most = std::max(most, std::fabs(qkv(t, c)));
  }
  // Rounded probabilities, and those too small for a half's full precision.
  const double bound = most * (qe::test::kHalfUnit + 200 * 0x1p-25 + 1e-5);
  check_halves(device, out, out.rows, context, [&](int, int) { return bound; });
}

}  // namespace

TEST_CASE("attention of halves") {
  Random random(qe::test::test_seed(15));
  static constexpr int kDims[] = {64, 32, 16, 1, 7, 24, 80, 128};
  for (int i = 0; i < cases(); ++i) {
    const int head_dim = i < 8 ? kDims[i] : random.integer(1, cuda::kMaxHeadDim);
    CAPTURE(head_dim);
    check_attention(head_dim, random.integer(0, 2) == 0, random);
  }
}

TEST_CASE("an overflow of halves shows in the result of attention") {
  std::vector<Half> qkv(3 * 16, Half{half_bits(INFINITY)});
  std::fill(qkv.begin() + 32, qkv.end(), Half{half_bits(1.0F)});
  const DeviceArray device_qkv(qkv);
  const DeviceArray offsets(std::vector<std::int32_t>{0, 1});
  const DeviceArray work(std::vector<cuda::AttentionWork>{{0, 0}});
  const DeviceArray out(std::vector<Half>(16, Half{0}));
  const auto count = count_of(1);
  cuda::HalfAttentionLaunch launch;
  launch.q = device_qkv.data();
  launch.k = device_qkv.data() + 16;
  launch.v = device_qkv.data() + 32;
  launch.ld_q = launch.ld_kv = 48;
  launch.heads = 1;
  launch.head_dim = 16;
  launch.out = out.data();
  launch.ld_out = 16;
  launch.offsets = offsets.data();
  launch.work = work.data();
  launch.work_count = count.data();
  launch.work_capacity = 1;
  REQUIRE(cuda::launch_attention(launch) == cudaSuccess);
  require(cudaDeviceSynchronize());
  for (const Half y : out.read()) CHECK(std::isnan(qe::test::half_value(y.bits)));
}
