// From model to plan: run the passes in order, checking the graph after each; plan memory; lower
// node by node.
#include <algorithm>
#include <utility>

#include "engine/runtime/memory_plan.h"
#include "engine/runtime/plan_impl.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>

namespace qe {
namespace {

void check_options(const CompileOptions& options) {
  const auto positive = [](int value, const char* name) {
    if (value >= 1) return;
    throw UsageError({.problem = "a plan needs a positive capacity",
                      .name = name,
                      .expected = ">= 1",
                      .actual = std::to_string(value)});
  };
  positive(options.max_tokens, "max_tokens");
  positive(options.max_sequences, "max_sequences");
  positive(options.threads, "threads");
}

std::vector<PassTrace> run_passes(Graph& graph, std::span<const Pass> passes, bool with_text) {
  std::vector<PassTrace> traces;
  for (const Pass& pass : passes) {
    PassTrace trace{std::string(pass.name), graph.nodes.size(), 0, {}};
    pass.run(graph);
    verify(graph);
    trace.nodes_after = graph.nodes.size();
    if (with_text) trace.graph = dump(graph);
    traces.push_back(std::move(trace));
  }
  return traces;
}

Plan::Impl::Tap tap_of(const Graph& graph, const Node& node, const MemoryPlan& memory) {
  const ValueId id = node.outputs[0];
  if (id == kNoValue || graph.value(id).dtype != DType::kF32) return {};
  return {graph.value(id).name, memory.values.at(id), static_cast<int>(graph.value(id).shape[1])};
}

}  // namespace

std::shared_ptr<const Plan> compile_with(Model model, const CompileOptions& options,
                                         std::span<const Pass> passes) {
  check_options(options);
  auto impl = std::make_unique<Plan::Impl>();
  impl->options = options;
  impl->label_count = static_cast<int>(model.labels.size());
  impl->vocab_size = model.vocab_size;
  impl->type_vocab_size = model.type_vocab_size;
  impl->max_positions = model.max_positions;
  impl->table = &kernels::kernel_table(options.isa);

  Graph& graph = model.graph;
  verify(graph);
  impl->passes = run_passes(graph, passes, false);
  MemoryPlan memory = plan_memory(graph, options);

  ThreadPool pool(options.threads, false);
  cpu::LoweringContext context{.graph = graph,
                               .options = options,
                               .table = *impl->table,
                               .weights = impl->weights,
                               .pool = pool,
                               .buffer = [&](ValueId id) { return memory.values.at(id); },
                               .scale_buffer = [&](ValueId id) { return memory.scales.at(id); },
                               .floor_buffer = [&](ValueId id) { return memory.floors.at(id); },
                               .max_sequence = std::min(options.max_tokens, model.max_positions)};
  impl->integer = true;
  for (const Node& node : graph.nodes) {
    cpu::LoweredStep lowered = cpu::lower(node, context);
    const bool product = std::holds_alternative<LinearOp>(node.op);
    if (product && graph.value(node.inputs[0]).dtype != DType::kU8) impl->integer = false;
    const auto* attention = std::get_if<AttentionOp>(&node.op);
    if (attention != nullptr && !attention->integer) impl->integer = false;
    const ValueId made = node.outputs[0] == kNoValue ? node.outputs[1] : node.outputs[0];
    lowered.info.per_sequence = graph.value(made).shape[0] == kSequences;
    lowered.info.attention_width = attention == nullptr ? 0 : attention->width;
    impl->taps.push_back(tap_of(graph, node, memory));
    impl->steps.push_back(std::move(lowered.step));
    impl->infos.push_back(std::move(lowered.info));
  }
  impl->logits = memory.values.at(graph.output);
  impl->groups = std::move(memory.groups);
  impl->buffers = std::move(memory.buffers);
  impl->arena_bytes = memory.arena_bytes;
  impl->scratch_bytes = context.scratch_bytes;
  return std::make_shared<const Plan>(std::move(impl));
}

std::shared_ptr<const Plan> Plan::compile(Model model, const CompileOptions& options) {
  return compile_with(std::move(model), options, all_passes());
}

std::vector<PassTrace> trace_passes(const Model& model) {
  Graph graph = model.graph;
  std::vector<PassTrace> traces = {{"built", graph.nodes.size(), graph.nodes.size(), dump(graph)}};
  for (PassTrace& trace : run_passes(graph, all_passes(), true)) traces.push_back(std::move(trace));
  return traces;
}

Plan::Plan(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Plan::~Plan() = default;

int Plan::max_tokens() const { return impl_->options.max_tokens; }
int Plan::max_sequences() const { return impl_->options.max_sequences; }
int Plan::label_count() const { return impl_->label_count; }
Isa Plan::isa() const { return impl_->options.isa; }
bool Plan::integer() const { return impl_->integer; }
std::size_t Plan::arena_bytes() const { return impl_->arena_bytes; }
std::size_t Plan::weight_bytes() const { return impl_->weights.bytes(); }
const std::vector<ArenaBuffer>& Plan::buffers() const { return impl_->buffers; }
const std::vector<StepInfo>& Plan::steps() const { return impl_->infos; }
const std::vector<PassTrace>& Plan::passes() const { return impl_->passes; }

std::int64_t Plan::macs(int tokens_per_sequence, int sequences) const {
  const std::int64_t tokens = static_cast<std::int64_t>(tokens_per_sequence) * sequences;
  std::int64_t total = 0;
  for (const StepInfo& info : impl_->infos) {
    const std::int64_t rows = info.per_sequence ? sequences : tokens;
    total += rows * (info.macs_per_row + 2 * info.attention_width * tokens_per_sequence);
  }
  return total;
}

}  // namespace qe
