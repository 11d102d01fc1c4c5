// Lifetimes in steps, then greedy placement: largest buffer first, at the lowest offset where it
// overlaps no buffer alive at the same time.
#include "engine/runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "engine/passes/integer_nodes.h"
#include "engine/passes/rewrite.h"

#include <qe/error.h>

namespace qe {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t align(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Attention mixes rows, selection and patches change them; every other op works row by row.
bool row_wise(const Node& node) {
  return !std::holds_alternative<AttentionOp>(node.op) &&
         !std::holds_alternative<SelectFirstOp>(node.op) &&
         !std::holds_alternative<PatchTokensOp>(node.op);
}

std::int64_t rows_of(const Graph& graph, const Node& node) {
  for (const ValueId id : node.outputs) {
    if (id != kNoValue) return graph.value(id).shape[0];
  }
  return kTokens;
}

std::vector<StepGroup> make_groups(const Graph& graph, bool may_block) {
  std::vector<StepGroup> groups;
  for (int i = 0; i < static_cast<int>(graph.nodes.size()); ++i) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    const std::int64_t rows = rows_of(graph, node);
    const bool blocked = may_block && row_wise(node) && rows == kTokens;
    if (!groups.empty() && blocked && groups.back().blocked && groups.back().rows == rows) {
      groups.back().last = i;
    } else {
      groups.push_back({i, i, rows, blocked});
    }
  }
  return groups;
}

struct Lifetime {
  int made = -1;
  int last_use = -1;
};

std::vector<Lifetime> lifetimes(const Graph& graph) {
  std::vector<Lifetime> lives(graph.values.size());
  const int end = static_cast<int>(graph.nodes.size()) - 1;
  for (int i = 0; i <= end; ++i) {
    const Node& node = graph.nodes[static_cast<std::size_t>(i)];
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) lives[static_cast<std::size_t>(id)] = {i, i};
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) lives[static_cast<std::size_t>(id)].last_use = i;
    }
  }
  lives[static_cast<std::size_t>(graph.output)].last_use = end;
  return lives;
}

int group_of(const std::vector<StepGroup>& groups, int step) {
  const auto it = std::find_if(groups.begin(), groups.end(),
                               [step](const StepGroup& g) { return step <= g.last; });
  return static_cast<int>(it - groups.begin());
}

// Elements between two pixels of a feature map: bytes in whole groups of 16 channels, but for the
// four-byte pixels of the image; floats densely, as the float library wants them.
std::int64_t pixel_elements(const Value& value) {
  const std::int64_t channels = value.shape[3];
  if (value.dtype != DType::kU8 || is_pixels(value)) return channels;
  return (channels + 15) / 16 * 16;
}

std::int64_t element_bytes(DType dtype) {
  return dtype == DType::kU8 ? 1 : dtype == DType::kF16 ? 2 : 4;
}

// Images lie one after another without a gap: one pixel stride leads through all of them.
std::int64_t row_elements(const Value& value) {
  if (is_map(value)) return value.shape[1] * value.shape[2] * pixel_elements(value);
  return value.shape[1];
}

// Parts of a concatenation that are written where the whole lies: convolutions store exactly their
// own channels. The part, the whole, and the first channel.
struct Slice {
  ValueId whole;
  std::int64_t channel;
};

std::map<ValueId, Slice> slices(const Graph& graph) {
  std::map<ValueId, Slice> found;
  const std::vector<int> made_by = producers(graph);
  for (const Node& node : graph.nodes) {
    if (!std::holds_alternative<ConcatOp>(node.op)) continue;
    if (graph.value(node.outputs[0]).dtype != DType::kU8) continue;
    std::int64_t channel = 0;
    for (const ValueId part : node.inputs) {
      const int maker = made_by[static_cast<std::size_t>(part)];
      const bool by_conv =
          maker >= 0 &&
          std::holds_alternative<ConvOp>(graph.nodes[static_cast<std::size_t>(maker)].op) &&
          !is_depthwise(graph, graph.nodes[static_cast<std::size_t>(maker)]);
      const bool same = same_scale(*graph.value(part).quant, *graph.value(node.outputs[0]).quant);
      if (by_conv && same && consumers(graph, part).size() == 1) {
        found[part] = {node.outputs[0], channel};
      }
      channel += graph.value(part).shape[3];
    }
  }
  return found;
}

// Rows start at 64-byte boundaries, and not at multiples of 1 KiB, which would crowd a few cache
// sets.
std::ptrdiff_t padded_row(std::int64_t elements, DType dtype) {
  std::size_t bytes = align(static_cast<std::size_t>(elements * element_bytes(dtype)));
  if (bytes >= 1024 && bytes % 1024 == 0) bytes += kAlignment;
  return static_cast<std::ptrdiff_t>(bytes);
}

void place(std::vector<ArenaBuffer>& buffers) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].bytes > buffers[b].bytes;
  });
  std::vector<const ArenaBuffer*> placed;
  for (const std::size_t index : order) {
    ArenaBuffer& buffer = buffers[index];
    std::vector<const ArenaBuffer*> rivals;
    for (const ArenaBuffer* other : placed) {
      const bool together =
          other->first_step <= buffer.last_step && buffer.first_step <= other->last_step;
      if (together) rivals.push_back(other);
    }
    std::sort(rivals.begin(), rivals.end(),
              [](const ArenaBuffer* a, const ArenaBuffer* b) { return a->offset < b->offset; });
    std::size_t offset = 0;
    for (const ArenaBuffer* rival : rivals) {
      if (offset + buffer.bytes <= rival->offset) break;
      offset = std::max(offset, rival->offset + rival->bytes);
    }
    buffer.offset = offset;
    placed.push_back(&buffer);
  }
}

// On a GPU a product and the quantization of its rows may be one launch, which writes the bytes
// while it still reads what the product reads.
void begin_with_products(const Graph& graph, std::vector<Lifetime>& lives) {
  for (const Node& node : graph.nodes) {
    if (!std::holds_alternative<QuantizeOp>(node.op)) continue;
    Lifetime& bytes = lives[static_cast<std::size_t>(node.outputs[0])];
    const int from = lives[static_cast<std::size_t>(node.inputs[0])].made;
    if (from < 0) continue;
    const Node& maker = graph.nodes[static_cast<std::size_t>(from)];
    if (std::holds_alternative<LinearOp>(maker.op)) bytes.made = std::min(bytes.made, from);
  }
}

class Planner {
 public:
  Planner(const Graph& graph, const CompileOptions& options)
      : graph_(graph), options_(options), lives_(lifetimes(graph)), slices_(slices(graph)) {
    const bool on_cpu = options.device.kind == DeviceSpec::Kind::kCpu;
    plan_.groups = make_groups(graph, on_cpu);
    if (!on_cpu) begin_with_products(graph, lives_);
    for (const auto& [part, slice] : slices_) {
      Lifetime& whole = lives_[static_cast<std::size_t>(slice.whole)];
      whole.made = std::min(whole.made, lives_[static_cast<std::size_t>(part)].made);
    }
  }

  MemoryPlan run() {
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      const auto id = static_cast<ValueId>(i);
      if (graph_.values[i].constant.empty() && lives_[i].made >= 0 && !slices_.contains(id)) {
        add(id);
      }
    }
    place(plan_.buffers);
    for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
      references_[i]->offset = plan_.buffers[i].offset;
      plan_.arena_bytes =
          std::max(plan_.arena_bytes, plan_.buffers[i].offset + plan_.buffers[i].bytes);
    }
    for (const auto& [part, slice] : slices_) {
      BufferRef ref = plan_.values.at(slice.whole);
      ref.offset += static_cast<std::size_t>(slice.channel);
      plan_.values[part] = ref;
    }
    return std::move(plan_);
  }

 private:
  void add(ValueId id) {
    const Value& value = graph_.value(id);
    const Lifetime life = lives_[static_cast<std::size_t>(id)];
    const int made_in = group_of(plan_.groups, life.made);
    const int read_in = group_of(plan_.groups, life.last_use);
    const StepGroup& first = plan_.groups[static_cast<std::size_t>(made_in)];
    const StepGroup& last = plan_.groups[static_cast<std::size_t>(read_in)];
    const bool blocked = made_in == read_in && first.blocked;
    // A group's steps repeat for every block: what enters or leaves it lives through all of it.
    const int from = blocked ? life.made : first.first;
    const int to = blocked ? life.last_use : last.last;
    const std::int64_t capacity =
        value.shape[0] == kSequences ? options_.max_sequences : options_.max_tokens;
    const std::int64_t rows = blocked ? std::min<std::int64_t>(capacity, kBlockRows) : capacity;

    const auto push = [&](BufferRef& reference, const std::string& name, DType dtype,
                          std::int64_t elements, std::ptrdiff_t row_bytes) {
      const auto bytes = static_cast<std::size_t>(rows) * static_cast<std::size_t>(row_bytes);
      plan_.buffers.push_back({name, dtype, rows, elements, align(bytes), 0, from, to});
      reference = {.offset = 0, .row_bytes = row_bytes, .blocked = blocked, .pixel_bytes = 0};
      references_.push_back(&reference);
    };
    const std::int64_t elements = row_elements(value);
    push(plan_.values[id], value.name, value.dtype, elements,
         is_map(value) ? elements * element_bytes(value.dtype) : padded_row(elements, value.dtype));
    if (is_map(value)) {
      plan_.values[id].pixel_bytes = pixel_elements(value) * element_bytes(value.dtype);
    }
    if (!value.quant || value.dtype != DType::kU8 || !value.quant->dynamic) return;
    push(plan_.scales[id], value.name + ".scale", DType::kF32, 1, sizeof(float));
    if (has_row_floors(*value.quant)) {
      push(plan_.floors[id], value.name + ".floor", DType::kF32, 1, sizeof(float));
    }
  }

  const Graph& graph_;
  const CompileOptions& options_;
  std::vector<Lifetime> lives_;
  std::map<ValueId, Slice> slices_;
  MemoryPlan plan_;
  std::vector<BufferRef*> references_;  // of each buffer, in the maps of plan_
};

}  // namespace

MemoryPlan plan_memory(const Graph& graph, const CompileOptions& options) {
  return Planner(graph, options).run();
}

}  // namespace qe
