// What passes and memory planning promise: nodes fused as designed, exactly the arena buffers that
// the two schemes may have, buffers alive together never overlapping.
#include <algorithm>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "engine/passes/passes.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/float_models.h"

#include <qe/error.h>
#include <qe/plan.h>
#include <qe/quantize.h>

namespace {

using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::TinyShape;

qe::Checkpoint quantized(qe::ActivationScheme scheme) {
  const TinyShape shape;
  const qe::Checkpoint checkpoint = TinyCheckpoint(shape).bert();
  if (scheme == qe::ActivationScheme::kDynamic) return qe::quantize(checkpoint, {}, nullptr);
  const TinyBatch batch({20}, shape.vocab, 3);
  const std::vector<qe::CalibrationText> texts = {{batch.ids, batch.types}};
  const auto calibration = qe::calibrate(qe::build_model(checkpoint), texts, 1);
  return qe::quantize(checkpoint, {.activations = scheme}, &calibration);
}

// "dtype name" of each buffer of the plan.
std::set<std::string> buffers(const qe::Plan& plan) {
  std::set<std::string> names;
  for (const qe::ArenaBuffer& b : plan.buffers()) {
    names.insert(std::string(qe::name(b.dtype)) + " " + b.value);
  }
  return names;
}

std::size_t count_ops(const qe::Graph& graph, std::string_view op) {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(),
                    [&](const qe::Node& n) { return qe::op_name(n.op) == op; }));
}

// GELU outputs count from a known floor; every other dynamic value finds one for each row.
TEST_CASE("dynamic scheme: the arena holds exactly these buffers") {
  const auto plan = qe::Plan::compile(qe::build_model(quantized(qe::ActivationScheme::kDynamic)),
                                      {.isa = qe::Isa::kReference});
  const std::string l0 = "bert.encoder.layer.0.";
  const std::string l1 = "bert.encoder.layer.1.";
  const std::set<std::string> expected = {
      "F32 bert.embeddings", "F32 bert.embeddings.LayerNorm", "U8 bert.embeddings.LayerNorm.u8",
      "F32 bert.embeddings.LayerNorm.u8.scale", "F32 bert.embeddings.LayerNorm.u8.floor",
      // layer 0: every token
      "F32 " + l0 + "attention.self.qkv", "F32 " + l0 + "attention.self",
      "U8 " + l0 + "attention.self.u8", "F32 " + l0 + "attention.self.u8.scale",
      "F32 " + l0 + "attention.self.u8.floor", "F32 " + l0 + "attention.output.add",
      "F32 " + l0 + "attention.output.LayerNorm", "U8 " + l0 + "attention.output.LayerNorm.u8",
      "F32 " + l0 + "attention.output.LayerNorm.u8.scale",
      "F32 " + l0 + "attention.output.LayerNorm.u8.floor", "F32 " + l0 + "intermediate",
      "U8 " + l0 + "intermediate.u8", "F32 " + l0 + "intermediate.u8.scale",
      "F32 " + l0 + "output.add", "F32 " + l0 + "output.LayerNorm",
      "U8 " + l0 + "output.LayerNorm.u8", "F32 " + l0 + "output.LayerNorm.u8.scale",
      "F32 " + l0 + "output.LayerNorm.u8.floor",
      // layer 1: keys and values of every token, the rest of first tokens alone
      "F32 " + l0 + "output.LayerNorm.first", "U8 " + l0 + "output.LayerNorm.first.u8",
      "F32 " + l0 + "output.LayerNorm.first.u8.scale",
      "F32 " + l0 + "output.LayerNorm.first.u8.floor", "F32 " + l1 + "attention.self.query",
      "F32 " + l1 + "attention.self.kv", "F32 " + l1 + "attention.self",
      "U8 " + l1 + "attention.self.u8", "F32 " + l1 + "attention.self.u8.scale",
      "F32 " + l1 + "attention.self.u8.floor", "F32 " + l1 + "attention.output.add",
      "F32 " + l1 + "attention.output.LayerNorm", "U8 " + l1 + "attention.output.LayerNorm.u8",
      "F32 " + l1 + "attention.output.LayerNorm.u8.scale",
      "F32 " + l1 + "attention.output.LayerNorm.u8.floor", "F32 " + l1 + "intermediate",
      "U8 " + l1 + "intermediate.u8", "F32 " + l1 + "intermediate.u8.scale",
      "F32 " + l1 + "output.add", "U8 " + l1 + "output.LayerNorm.u8",
      "F32 " + l1 + "output.LayerNorm.u8.scale", "F32 " + l1 + "output.LayerNorm.u8.floor",
      "F32 bert.pooler", "U8 bert.pooler.u8", "F32 bert.pooler.u8.scale",
      "F32 bert.pooler.u8.floor", "F32 classifier"};
  CHECK(buffers(*plan) == expected);
}

TEST_CASE("static scheme: nothing but the residual path is wider than 8 bits") {
  if (qe::test::skip_float("calibration")) return;
  const auto plan = qe::Plan::compile(qe::build_model(quantized(qe::ActivationScheme::kStatic)),
                                      {.isa = qe::Isa::kReference});
  const std::string l0 = "bert.encoder.layer.0.";
  const std::string l1 = "bert.encoder.layer.1.";
  const std::set<std::string> wide = {"F32 bert.embeddings",
                                      "F32 bert.embeddings.LayerNorm",
                                      "F32 " + l0 + "attention.output.add",
                                      "F32 " + l0 + "attention.output.LayerNorm",
                                      "F32 " + l0 + "output.add",
                                      "F32 " + l0 + "output.LayerNorm",
                                      "F32 " + l0 + "output.LayerNorm.first",
                                      "F32 " + l1 + "attention.output.add",
                                      "F32 " + l1 + "attention.output.LayerNorm",
                                      "F32 " + l1 + "output.add",
                                      "F32 classifier"};
  const std::set<std::string> bytes = {"U8 bert.embeddings.LayerNorm.u8",
                                       "U8 " + l0 + "attention.self.qkv.u8",
                                       "U8 " + l0 + "attention.self.u8",
                                       "U8 " + l0 + "attention.output.LayerNorm.u8",
                                       "U8 " + l0 + "intermediate.u8",
                                       "U8 " + l0 + "output.LayerNorm.u8",
                                       "U8 " + l0 + "output.LayerNorm.first.u8",
                                       "U8 " + l1 + "attention.self.query.u8",
                                       "U8 " + l1 + "attention.self.kv.u8",
                                       "U8 " + l1 + "attention.self.u8",
                                       "U8 " + l1 + "attention.output.LayerNorm.u8",
                                       "U8 " + l1 + "intermediate.u8",
                                       "U8 " + l1 + "output.LayerNorm.u8",
                                       "U8 bert.pooler.u8"};
  std::set<std::string> expected = wide;
  expected.insert(bytes.begin(), bytes.end());
  CHECK(buffers(*plan) == expected);
}

TEST_CASE("buffers alive at the same time do not overlap and stay inside the arena") {
  for (const auto scheme : {qe::ActivationScheme::kDynamic, qe::ActivationScheme::kStatic}) {
    if (scheme == qe::ActivationScheme::kStatic && qe::test::skip_float("calibration")) continue;
    const auto plan = qe::Plan::compile(qe::build_model(quantized(scheme)),
                                        {.max_tokens = 333, .isa = qe::Isa::kReference});
    const auto& all = plan->buffers();
    std::size_t sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      sum += all[i].bytes;
      CHECK(all[i].offset % 64 == 0);
      CHECK(all[i].offset + all[i].bytes <= plan->arena_bytes());
      for (std::size_t j = 0; j < i; ++j) {
        const bool together =
            all[i].first_step <= all[j].last_step && all[j].first_step <= all[i].last_step;
        const bool apart = all[i].offset + all[i].bytes <= all[j].offset ||
                           all[j].offset + all[j].bytes <= all[i].offset;
        CHECK((!together || apart));
      }
    }
    CHECK(plan->arena_bytes() < sum * 6 / 10);  // memory is reused
  }
}

TEST_CASE("each pass does what its name says") {
  qe::Graph graph = qe::build_model(quantized(qe::ActivationScheme::kDynamic)).graph;
  CHECK(count_ops(graph, "linear") == 14);
  qe::select_first_early(graph);
  qe::verify(graph);
  CHECK(count_ops(graph, "select_first") == 1);
  CHECK(graph.value(graph.output).shape[0] == qe::kSequences);
  qe::fuse_attention_inputs(graph);
  qe::verify(graph);
  CHECK(count_ops(graph, "linear") == 11);  // qkv in one layer, kv in the last
  qe::fuse_post_ops(graph);
  qe::verify(graph);
  CHECK(count_ops(graph, "activation") == 0);
  CHECK(count_ops(graph, "add") == 0);
  qe::mark_integer_attention(graph);
  for (const qe::Node& node : graph.nodes) {
    if (const auto* op = std::get_if<qe::AttentionOp>(&node.op)) CHECK(op->integer);
  }
  qe::bound_activations(graph);
  int bounded = 0;
  for (const qe::Value& value : graph.values) bounded += value.quant && value.quant->floor ? 1 : 0;
  CHECK(bounded == 2);
  qe::insert_quantize(graph);
  qe::verify(graph);
  const std::size_t inserted = count_ops(graph, "quantize");
  CHECK(inserted == 11);
  qe::fuse_quantize(graph);
  qe::verify(graph);
  CHECK(count_ops(graph, "quantize") == 6);  // contexts, activations, first rows, pooled
  CHECK(qe::trace_passes(qe::build_model(TinyCheckpoint({}).bert())).size() ==
        qe::all_passes().size() + 1);
}

TEST_CASE("the multiply-adds of a run are those of the model's shapes") {
  const TinyShape s;
  const auto plan = qe::Plan::compile(qe::build_model(quantized(qe::ActivationScheme::kDynamic)),
                                      {.isa = qe::Isa::kReference});
  const std::int64_t h = s.hidden;
  const std::int64_t f = s.intermediate;
  const std::int64_t tokens = 10;
  const std::int64_t whole = tokens * (4 * h * h + 2 * h * f) + 2 * tokens * tokens * h;
  const std::int64_t last = tokens * 2 * h * h + 2 * h * h + 2 * h * f + 2 * tokens * h;
  const std::int64_t head = h * h + h * s.labels;
  CHECK(plan->macs(10, 1) == whole + last + head);
}

TEST_CASE("a build without float products refuses float models by name, others do not") {
  const qe::Model model = qe::build_model(TinyCheckpoint({}).bert());
  const TinyBatch batch({20}, TinyShape{}.vocab, 3);
  const std::vector<qe::CalibrationText> texts = {{batch.ids, batch.types}};
  if (qe::test::runs_float_models()) {
    CHECK_FALSE(qe::Plan::compile(model, {})->integer());
    CHECK(qe::calibrate(model, texts, 1).size() > 10);
    return;
  }
  CHECK_THROWS_AS(qe::calibrate(model, texts, 1), qe::UnsupportedError);
  try {
    qe::Plan::compile(model, {});
    FAIL("no exception");
  } catch (const qe::UnsupportedError& e) {
    CHECK(e.detail().name == "bert.encoder.layer.0.attention.self.qkv");
    CHECK(e.detail().expected == "a quantized model");
  }
}

TEST_CASE("a graph that does not type-check is refused by name") {
  const qe::Model model = qe::build_model(TinyCheckpoint({}).bert());
  const auto broken = [&](auto&& change) {
    qe::Graph graph = model.graph;
    change(graph);
    CHECK_THROWS_AS(qe::verify(graph), qe::GraphError);
  };
  broken([](qe::Graph& g) { std::swap(g.nodes[0], g.nodes[1]); });
  broken([](qe::Graph& g) { g.nodes[1].inputs[0] = 9999; });
  broken([](qe::Graph& g) { g.nodes.push_back(g.nodes.back()); });
  broken([](qe::Graph& g) { g.nodes.clear(); });
  broken([](qe::Graph& g) { g.value(g.nodes[2].inputs[1]).shape[0] += 1; });
  broken([](qe::Graph& g) { g.value(g.nodes[2].inputs[2]).shape[0] += 1; });
  broken([](qe::Graph& g) { g.nodes[2].inputs.resize(1); });
  broken([](qe::Graph& g) { g.nodes[2].outputs.clear(); });
  broken([](qe::Graph& g) { g.value(g.nodes[1].inputs[1]).shape[0] += 1; });
  broken([](qe::Graph& g) { std::get<qe::LayerNormOp>(g.nodes[1].op).epsilon = 0; });
  broken([](qe::Graph& g) { std::get<qe::AttentionOp>(g.nodes[5].op).heads = 7; });
  broken([](qe::Graph& g) { std::get<qe::AttentionOp>(g.nodes[5].op).v_column = 1; });
  broken([](qe::Graph& g) { g.value(g.nodes[0].inputs[0]).shape[1] -= 1; });
  broken([](qe::Graph& g) { g.value(g.nodes[2].inputs[0]).dtype = qe::DType::kU8; });
  CHECK_THROWS_AS(model.graph.value(-1), qe::GraphError);
}

}  // namespace
