// Another pretended machine for a while.
#pragma once

#include <cuda_runtime_api.h>

namespace qe::test {

// Puts everything back as it was.
struct MachineScope {
  qe::simt::Machine before = qe::simt::machine();
  qe::simt::Machine& machine = qe::simt::machine();
  MachineScope() = default;
  ~MachineScope() { qe::simt::machine() = before; }
  MachineScope(const MachineScope&) = delete;
  MachineScope& operator=(const MachineScope&) = delete;
};

}  // namespace qe::test
