// The emulation finds what it is there to find: kernels here are wrong on purpose.
#include <doctest/doctest.h>

#include <cuda_runtime.h>

#include <numeric>
#include <string>
#include <vector>

#include "kernels/cuda/ptx/hopper.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/mma.h"
#include "kernels/cuda/ptx/shared.h"
#include "tests/cuda/simt/grid.h"

namespace {

using qe::kernels::cuda::copy_async;
using qe::kernels::cuda::dynamic_shared;
using qe::kernels::cuda::shared_address;
using qe::kernels::cuda::wait_for_launches_before;
using qe::simt::Failure;
using qe::simt::GridShape;
using qe::simt::run_grid;

constexpr int kThreads = 128;
const GridShape kOneBlock{{1, 1, 1}, {kThreads, 1, 1}, 1, 4096};

std::string failure_of(const GridShape& shape, const std::function<void()>& kernel) {
  try {
    run_grid(shape, 1, kernel);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

constexpr int kBlocks = 4;
const GridShape kOverlapping{{kBlocks, 1, 1}, {kThreads, 1, 1}, 2, 64, true};

int thread() { return static_cast<int>(threadIdx.x); }

// Every thread reads what its neighbour in the next warp wrote. How many read the right value, over
// many orders of threads.
template <class Barrier>
int right_neighbours(const Barrier& barrier) {
  int right = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    run_grid(kOneBlock, seed, [&] {
      auto* const values = reinterpret_cast<int*>(dynamic_shared());
      values[thread()] = thread();
      barrier();
      const int neighbour = (thread() + 32) % kThreads;
      right += values[neighbour] == neighbour ? 1 : 0;
    });
  }
  return right;
}

// How many threads of a launch find what the launch before it wrote: `read` gives the value, and
// waits for the launch before.
template <class Read>
int found_after_launch(const Read& read) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<int> values(kBlocks * kThreads, 0);
    const auto own = [&]() -> int& { return values[blockIdx.x * kThreads + threadIdx.x]; };
    qe::simt::Grid second(kOverlapping, seed, [&] { found += read(own()) == 1 ? 1 : 0; });
    second.begin();
    run_grid(kOverlapping, seed, [&] {
      wait_for_launches_before();
      own() = 1;
    });
    second.finish();
  }
  return found;
}

}  // namespace

TEST_CASE("a missing barrier of a block shows") {
  CHECK(right_neighbours([] { __syncthreads(); }) == 20 * kThreads);
  CHECK(right_neighbours([] { __syncwarp(); }) < 20 * kThreads);
}

TEST_CASE("shuffles take from the lane they name") {
  std::vector<int> found(3 * kThreads);
  run_grid(kOneBlock, 3, [&] {
    const int at = thread();
    found[at] = __shfl_sync(0xFFFFFFFFU, at, 5, 16);
    found[kThreads + at] = __shfl_xor_sync(0xFFFFFFFFU, at, 3);
    found[2 * kThreads + at] = __shfl_down_sync(0xFFFFFFFFU, at, 4, 8);
  });
  for (int at = 0; at < kThreads; ++at) {
    CHECK(found[at] == at / 16 * 16 + 5);
    CHECK(found[kThreads + at] == (at ^ 3));
    CHECK(found[2 * kThreads + at] == (at % 8 < 4 ? at + 4 : at));
  }
}

TEST_CASE("threads that wait for ever are named") {
  const std::string text = failure_of(kOneBlock, [] {
    const std::uint32_t barrier = shared_address(dynamic_shared() + 16);
    if (thread() == 0) qe::kernels::cuda::init_barrier(barrier, 2);
    __syncthreads();
    if (thread() == 0) qe::kernels::cuda::arrive(barrier);  // the second arrival never comes
    qe::kernels::cuda::wait_barrier(barrier, 0);
  });
  CHECK(text.find("nobody can go on") != std::string::npos);
  CHECK(text.find("thread 96 of block (0, 0) waits for a barrier") != std::string::npos);
}

TEST_CASE("lanes that part in a warp's instruction are an error") {
  const std::string text = failure_of(kOneBlock, [] {
    if (thread() % 2 == 0) {
      __syncwarp();
    } else {
      static_cast<void>(__shfl_sync(0xFFFFFFFFU, 1, 0));
    }
  });
  CHECK(text.find("lanes of a warp part") != std::string::npos);
}

TEST_CASE("addresses outside the shared memory of the launch are an error") {
  const std::string text = failure_of(kOneBlock, [] {
    std::uint32_t registers[4];
    qe::kernels::cuda::load_matrices(registers, shared_address(dynamic_shared()) + 4096);
  });
  CHECK(text.find("shared memory") != std::string::npos);
}

TEST_CASE("misaligned copies are an error") {
  const std::vector<std::byte> memory(64);
  const std::string text = failure_of(
      kOneBlock, [&] { copy_async(shared_address(dynamic_shared()) + 8, memory.data(), 16); });
  CHECK(text.find("aligned") != std::string::npos);
}

TEST_CASE("what an asynchronous copy brings is there after the wait and not surely before") {
  alignas(16) std::byte memory[16];
  std::fill(std::begin(memory), std::end(memory), std::byte{7});
  int before = 0;
  int after = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    run_grid({{1, 1, 1}, {32, 1, 1}, 1, 512}, seed, [&] {
      std::byte* const own = dynamic_shared() + thread() * 16;
      copy_async(shared_address(own), memory, 16);
      qe::kernels::cuda::commit_copies();
      before += *own == std::byte{7} ? 1 : 0;
      qe::kernels::cuda::wait_copies<0>();
      after += *own == std::byte{7} ? 1 : 0;
    });
  }
  CHECK(before < 20 * 32);
  CHECK(after == 20 * 32);
}

TEST_CASE("blocks of a cluster reach each other's barriers") {
  int met = 0;
  run_grid({{4, 1, 1}, {32, 1, 1}, 2, 64}, 5, [&] {
    const std::uint32_t barrier = shared_address(dynamic_shared() + 16);
    if (thread() == 0) qe::kernels::cuda::init_barrier(barrier, 2);
    qe::kernels::cuda::wait_for_cluster();
    if (thread() < 2) qe::kernels::cuda::arrive_at(static_cast<std::uint32_t>(thread()), barrier);
    qe::kernels::cuda::wait_barrier(barrier, 0);
    met += thread() == 0 ? 1 : 0;
    qe::kernels::cuda::wait_for_cluster();
  });
  CHECK(met == 4);
}

TEST_CASE("blocks wait for each other where all have their place") {
  GridShape shape{{kBlocks, 1, 1}, {kThreads, 1, 1}, 2, 64};
  unsigned int arrived = 0;
  const auto meet = [&] {
    if (thread() == 0) {
      ++arrived;
      qe::simt::wait_until("another block", [&] { return arrived == kBlocks; });
    }
    qe::simt::meet_cluster();
  };
  CHECK(failure_of(shape, meet).find("waits for another block") != std::string::npos);
  arrived = 0;
  shape.all_resident = true;
  CHECK(failure_of(shape, meet).empty());
  CHECK(arrived == kBlocks);
}

TEST_CASE("what is read before the wait for the launch before is old") {
  const int late = found_after_launch([](const int& value) {
    wait_for_launches_before();
    return value;
  });
  CHECK(late == 20 * kBlocks * kThreads);
  const int early = found_after_launch([](const int& value) {
    const int read = value;
    wait_for_launches_before();
    return read;
  });
  CHECK(early == 20 * (kBlocks - 2) * kThreads);  // but in the cluster that began
}

TEST_CASE("a launch that has begun goes on where it waited") {
  int met = 0;
  qe::simt::Grid grid(kOverlapping, 1, [&] {
    __syncthreads();
    qe::kernels::cuda::wait_for_cluster();
    wait_for_launches_before();
    if (thread() < 32) return;
    __syncthreads();
    ++met;
  });
  grid.begin();
  CHECK(met == 0);
  grid.finish();
  CHECK(met == kBlocks * (kThreads - 32));
}

TEST_CASE("a thread of an overlapping launch that does not wait is found") {
  const auto forgets = [](int forgetful) {
    return failure_of(kOverlapping, [forgetful] {
      if (thread() != forgetful) wait_for_launches_before();
    });
  };
  CHECK(forgets(77).find("thread 77 of block") != std::string::npos);
  CHECK(forgets(77).find("without having waited") != std::string::npos);
  CHECK(forgets(kThreads).empty());
  CHECK(failure_of(kOneBlock, [] {}).empty());  // an ordinary launch need not
}

TEST_CASE("allowing the next launch before the wait is found") {
  const std::string text = failure_of(kOverlapping, [] {
    qe::kernels::cuda::allow_next_launch();
    wait_for_launches_before();
  });
  CHECK(text.find("allows the next launch before") != std::string::npos);
}
