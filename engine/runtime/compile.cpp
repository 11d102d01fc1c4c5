// From model to plan: run the passes in order, checking the graph after each; plan memory; let the
// device's backend make the program.
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/backends/cpu/program.h"
#include "engine/backends/cuda/program.h"
#include "engine/passes/integer_nodes.h"
#include "engine/passes/store_halves.h"
#include "engine/runtime/memory_plan.h"
#include "engine/runtime/plan_impl.h"
#include "kernels/cache.h"

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

// Images come in whole numbers: their count sets the tokens.
CompileOptions capacity(const Model& model, CompileOptions options) {
  check_options(options);
  if (model.image) {
    const std::int64_t tokens =
        std::int64_t{options.max_sequences} * std::max(model.max_positions, 1);
    if (tokens > std::numeric_limits<int>::max() / 2) {
      throw UsageError({.problem = "too many images at once",
                        .name = "max_sequences",
                        .actual = std::to_string(options.max_sequences)});
    }
    options.max_tokens = static_cast<int>(tokens);
  }
  return options;
}

// So many images that their maps fit the second-level caches of the threads: more would meet every
// layer in memory, fewer would read the weights more often.
int images_at_once(const Graph& graph, CompileOptions options) {
  const int capacity = options.max_sequences;
  options.max_sequences = 1;
  const std::size_t image = std::max<std::size_t>(plan_memory(graph, options).arena_bytes, 1);
  const std::size_t cache = kernels::l2_cache_bytes() * static_cast<std::size_t>(options.threads);
  return static_cast<int>(
      std::min((cache + image - 1) / image, static_cast<std::size_t>(capacity)));
}

Compiled compile_program(const ProgramInput& input) {
  return input.options.device.kind == DeviceSpec::Kind::kCuda ? cuda::compile_program(input)
                                                              : cpu::compile_program(input);
}

}  // namespace

std::shared_ptr<const Plan> compile_with(Model model, const CompileOptions& given,
                                         std::span<const Pass> passes) {
  CompileOptions options = capacity(model, given);
  auto impl = std::make_unique<Plan::Impl>();
  impl->options = options;
  impl->label_count = static_cast<int>(model.labels.size());
  impl->vocab_size = model.vocab_size;
  impl->type_vocab_size = model.type_vocab_size;
  impl->max_positions = model.max_positions;
  if (model.image) {
    impl->image_bytes = static_cast<std::size_t>(model.image->height) *
                        static_cast<std::size_t>(model.image->width) * 3;
  }

  Graph& graph = model.graph;
  verify(graph);
  impl->passes = run_passes(graph, passes, false);
  if (options.device.kind == DeviceSpec::Kind::kCuda) store_halves(graph);
  const auto is_float = [&](const Node& node) { return is_float_product(graph, node); };
  impl->integer = std::none_of(graph.nodes.begin(), graph.nodes.end(), is_float);
  if (model.image && impl->integer) {
    options.max_sequences = images_at_once(graph, options);
    options = capacity(model, options);
  }
  impl->images_at_once = options.max_sequences;
  MemoryPlan memory = plan_memory(graph, options);
  Compiled compiled = compile_program({.graph = graph,
                                       .options = options,
                                       .memory = memory,
                                       .label_count = impl->label_count,
                                       .max_positions = impl->max_positions});
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    StepInfo& info = compiled.infos[i];
    const auto* attention = std::get_if<AttentionOp>(&node.op);
    const ValueId made = node.outputs[0] == kNoValue ? node.outputs[1] : node.outputs[0];
    info.name = node.name;
    info.per_sequence = graph.value(made).shape[0] == kSequences;
    info.attention_width = attention == nullptr ? 0 : attention->width;
  }
  impl->program = std::move(compiled.program);
  impl->infos = std::move(compiled.infos);
  impl->observed = std::move(compiled.observed);
  impl->buffers = std::move(memory.buffers);
  impl->arena_bytes = memory.arena_bytes;
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
int Plan::images_at_once() const { return impl_->images_at_once; }
int Plan::label_count() const { return impl_->label_count; }
std::size_t Plan::image_bytes() const { return impl_->image_bytes; }
Isa Plan::isa() const { return impl_->options.isa; }
DeviceSpec Plan::device() const { return impl_->options.device; }
bool Plan::integer() const { return impl_->integer; }
std::size_t Plan::arena_bytes() const { return impl_->arena_bytes; }
std::size_t Plan::weight_bytes() const { return impl_->program->weight_bytes(); }
const std::vector<ArenaBuffer>& Plan::buffers() const { return impl_->buffers; }
const std::vector<StepInfo>& Plan::steps() const { return impl_->infos; }
const std::vector<PassTrace>& Plan::passes() const { return impl_->passes; }

std::int64_t Plan::macs(int tokens_per_sequence, int sequences) const {
  if (impl_->image_bytes > 0) tokens_per_sequence = impl_->max_positions;
  const std::int64_t tokens = static_cast<std::int64_t>(tokens_per_sequence) * sequences;
  std::int64_t total = 0;
  for (const StepInfo& info : impl_->infos) {
    const std::int64_t rows = info.per_sequence ? sequences : tokens;
    total += rows * (info.macs_per_row + 2 * info.attention_width * tokens_per_sequence);
  }
  return total;
}

}  // namespace qe
