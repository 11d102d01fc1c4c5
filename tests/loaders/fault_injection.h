// Makes the k-th system call or allocation of this test program fail. The program that links
// fault_injection.cpp has its own write, read, fsync, rename and the like, and its own operator
// new. Not for use from several threads at once.
#pragma once

#include <cstddef>

namespace qe::test {

enum class Fault {
  kFailure,      // the call fails: ENOSPC, or EIO for reads
  kInterrupted,  // reads and writes only: EINTR
  kShort,        // reads and writes only: half of the bytes
};

// Arms a fault at the k-th eligible call from now; disarm() says whether it struck.
void arm_fault(Fault fault, int k);
bool disarm_fault();

// The same for a std::bad_alloc at the k-th allocation.
void arm_allocation(std::size_t k);
bool disarm_allocation();

// Runs `call` with the fault armed; whether it struck. What `call` throws passes through.
template <typename Call>
bool with_fault(Fault fault, int k, Call call) {
  arm_fault(fault, k);
  try {
    call();
  } catch (...) {
    disarm_fault();
    throw;
  }
  return disarm_fault();
}

template <typename Call>
bool fail_allocation(std::size_t k, Call call) {
  arm_allocation(k);
  try {
    call();
  } catch (...) {
    disarm_allocation();
    throw;
  }
  return disarm_allocation();
}

}  // namespace qe::test
