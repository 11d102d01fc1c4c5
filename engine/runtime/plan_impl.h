// The inside of a Plan: steps in groups, weights, buffer layout. Built by compile.cpp, run by
// session.cpp, both in this folder.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/backends/cpu/lower.h"
#include "engine/passes/passes.h"
#include "engine/runtime/step.h"

#include <qe/plan.h>

namespace qe {

// Consecutive steps that work row by row over the same rows: they run block of rows after block of
// rows, so that what they hand to each other stays in the L2 cache.
struct StepGroup {
  int first = 0;
  int last = 0;                 // inclusive
  std::int64_t rows = kTokens;  // kTokens or kSequences
  bool blocked = false;
};

struct Plan::Impl {
  CompileOptions options;
  int label_count = 0;
  int vocab_size = 0;
  int type_vocab_size = 0;
  int max_positions = 0;
  std::size_t image_bytes = 0;  // 0: a text model
  bool integer = false;
  int images_at_once = 0;  // what the arena holds
  // Float convolutions run on the float library's own threads; the session then has but one.
  bool library_team = false;

  std::vector<std::unique_ptr<Step>> steps;
  std::vector<StepGroup> groups;
  std::vector<StepInfo> infos;
  std::vector<ArenaBuffer> buffers;
  std::vector<PassTrace> passes;
  // What an observer sees after each step: name and buffer of its f32 output, if it has one.
  struct Tap {
    std::string value;
    BufferRef buffer;
    int cols = 0;
  };
  std::vector<Tap> taps;
  cpu::WeightStore weights;
  std::size_t library_weight_bytes = 0;  // beside them: reordered weights of float convolutions
  const kernels::KernelTable* table = nullptr;
  BufferRef logits;
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;  // per thread
};

// Rows of a block: big enough that streaming the weights again for every block costs little, small
// enough that a block's widest f32 row fits the L2 caches of two cores.
inline constexpr int kBlockRows = 192;

std::shared_ptr<const Plan> compile_with(Model model, const CompileOptions& options,
                                         std::span<const Pass> passes);

}  // namespace qe
