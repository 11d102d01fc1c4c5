// Every allocation of a plan, a session and a run made to fail once, on the host's stand-in for
// CUDA.
#pragma once

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <vector>

#include <qe/cuda/session.h>

#include "tests/cuda/session_support.h"

namespace qe::test {

// Each failure is a typed error and leaves nothing behind; the run without one has the bits of
// `expected`. How many allocations there were.
inline int check_failing_allocations(const Checkpoint& checkpoint, const TinyBatch& batch,
                                     const std::vector<float>& expected) {
  const std::size_t bytes = simt::allocated_bytes();
  const int objects = simt::allocated_objects();
  int failed = 0;
  for (bool through = false; !through; ++failed) {
    simt::machine().failing_allocation = failed + 1;
    try {
      const std::vector<float> logits = run(compile_for(checkpoint, kGpu), batch);
      through = true;
      CHECK(same_bits(logits, expected));
    } catch (const ResourceError&) {
    } catch (const DeviceError&) {
    }
    simt::machine().failing_allocation = 0;
    CAPTURE(failed);
    CHECK(simt::allocated_bytes() == bytes);
    CHECK(simt::allocated_objects() == objects);
  }
  return failed - 1;
}

}  // namespace qe::test
