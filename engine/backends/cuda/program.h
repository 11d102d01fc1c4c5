// The GPU's backend as compile.cpp sees it, in a build with CUDA and in one without.
#pragma once

#include "engine/runtime/program.h"

namespace qe::cuda {

// Uploads the weights to input.options.device. Throws UnsupportedError naming the node without a
// kernel; ResourceError before anything is allocated, with the needed and the free bytes;
// DeviceError, UsageError as usable_device().
Compiled compile_program(const ProgramInput& input);

}  // namespace qe::cuda
