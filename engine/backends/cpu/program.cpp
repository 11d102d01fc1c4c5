// Lowers node by node; packs weights with all threads.
#include "engine/backends/cpu/program.h"

#include <algorithm>
#include <utility>

#include "engine/passes/integer_nodes.h"
#include "engine/runtime/thread_pool.h"

namespace qe::cpu {
namespace {

CpuProgram::Tap tap_of(const Graph& graph, const Node& node, const MemoryPlan& memory) {
  const ValueId id = node.outputs[0];
  if (id == kNoValue || graph.value(id).dtype != DType::kF32) return {};
  const Shape& shape = graph.value(id).shape;
  const std::int64_t cols = element_count(Shape(shape.begin() + 1, shape.end()));
  return {graph.value(id).name, memory.values.at(id), static_cast<int>(cols)};
}

bool is_convolution(const Node& node) { return std::holds_alternative<ConvOp>(node.op); }

// Integer convolutions beside float ones keep the session's own threads.
bool library_convolutions(const Graph& graph) {
  const auto floats = [&](const Node& node) {
    return !is_convolution(node) || is_float_product(graph, node);
  };
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), is_convolution) &&
         std::all_of(graph.nodes.begin(), graph.nodes.end(), floats);
}

}  // namespace

Compiled compile_program(const ProgramInput& input) {
  const MemoryPlan& memory = input.memory;
  auto program = std::make_unique<CpuProgram>();
  program->table = &kernels::kernel_table(input.options.isa);
  ThreadPool pool(input.options.threads, false);
  LoweringContext context{.graph = input.graph,
                          .options = input.options,
                          .table = *program->table,
                          .weights = program->weights,
                          .pool = pool,
                          .buffer = [&](ValueId id) { return memory.values.at(id); },
                          .scale_buffer = [&](ValueId id) { return memory.scales.at(id); },
                          .floor_buffer = [&](ValueId id) { return memory.floors.at(id); },
                          .max_sequence = std::min(input.options.max_tokens, input.max_positions)};
  program->library_team = library_convolutions(input.graph);
  Compiled compiled;
  for (const Node& node : input.graph.nodes) {
    LoweredStep lowered = lower(node, context);
    CpuProgram::Tap tap = tap_of(input.graph, node, memory);
    if (tap.cols > 0) compiled.observed.push_back(tap.value);
    program->taps.push_back(std::move(tap));
    program->steps.push_back(std::move(lowered.step));
    compiled.infos.push_back(std::move(lowered.info));
  }
  program->logits = memory.values.at(input.graph.output);
  program->label_count = input.label_count;
  program->max_tokens = input.options.max_tokens;
  program->max_sequences = input.options.max_sequences;
  program->groups = memory.groups;
  program->arena_bytes = memory.arena_bytes;
  program->scratch_bytes = context.scratch_bytes;
  program->library_weight_bytes = context.library_weight_bytes;
  compiled.program = std::move(program);
  return compiled;
}

}  // namespace qe::cpu
