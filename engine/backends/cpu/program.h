// A program for the CPU: steps in groups, packed weights. Its executor walks them with a team of
// threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/backends/cpu/lower.h"
#include "engine/backends/cpu/step.h"
#include "engine/runtime/program.h"

namespace qe::cpu {

class CpuProgram : public Program {
 public:
  // What an observer sees after each step: name and buffer of its f32 output, if it has one.
  struct Tap {
    std::string value;
    BufferRef buffer;
    int cols = 0;
  };

  std::unique_ptr<Executor> make_executor(const SessionOptions& options) const override;
  std::size_t weight_bytes() const override { return weights.bytes() + library_weight_bytes; }

  std::vector<std::unique_ptr<Step>> steps;
  std::vector<StepGroup> groups;
  std::vector<Tap> taps;
  WeightStore weights;
  std::size_t library_weight_bytes = 0;  // beside them: reordered weights of float convolutions
  const kernels::KernelTable* table = nullptr;
  BufferRef logits;
  int label_count = 0;
  std::size_t arena_bytes = 0;
  int max_tokens = 0;  // of a run
  int max_sequences = 0;
  std::size_t scratch_bytes = 0;  // per part of a step
  // Float convolutions run on the float library's own threads; the session then has but one.
  bool library_team = false;
};

// Throws UnsupportedError naming the node, GraphError, ResourceError.
Compiled compile_program(const ProgramInput& input);

}  // namespace qe::cpu
