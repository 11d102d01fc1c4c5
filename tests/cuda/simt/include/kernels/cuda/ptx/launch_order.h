// The order of launches on the host, written from the PTX ISA ("griddepcontrol"). The next launch
// begins as early as it ever may, whether or not it is allowed to.
#pragma once

#include "tests/cuda/simt/grid.h"

namespace qe::kernels::cuda {

inline void wait_for_launches_before() { simt::wait_for_launches_before(); }
inline void allow_next_launch() { simt::allow_next_launch(); }

}  // namespace qe::kernels::cuda
