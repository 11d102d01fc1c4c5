// The inside of a Plan: what is common to all backends, and the program of one. Built by
// compile.cpp, run by session.cpp, both in this folder.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/runtime/program.h"

#include <qe/plan.h>

namespace qe {

struct Plan::Impl {
  CompileOptions options;
  int label_count = 0;
  int vocab_size = 0;
  int type_vocab_size = 0;
  int max_positions = 0;
  std::size_t image_bytes = 0;  // 0: a text model
  bool integer = false;
  int images_at_once = 0;  // what the arena holds

  std::unique_ptr<const Program> program;
  std::vector<StepInfo> infos;
  std::vector<std::string> observed;
  std::vector<ArenaBuffer> buffers;
  std::vector<PassTrace> passes;
  std::size_t arena_bytes = 0;
};

std::shared_ptr<const Plan> compile_with(Model model, const CompileOptions& options,
                                         std::span<const Pass> passes);

}  // namespace qe
