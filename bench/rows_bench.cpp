// Row and attention kernels of every available instruction set, in cycles a 16-element vector (or
// per multiply-add of an attention head). Cycles come from a dependent chain of additions timed
// beside each benchmark, so a changing clock does not distort them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/cycles.h"
#include "bench/tables.h"
#include "kernels/attention.h"
#include "kernels/kernel_table.h"

namespace {

using qe::bench::add;
using qe::bench::cycles_per_call;
using namespace qe::kernels;  // NOLINT(google-build-using-namespace)

constexpr int kHidden = 768;
constexpr int kHeadDim = 64;
constexpr std::ptrdiff_t kQkvStride = 3 * kHidden;

std::vector<float> normal_values(std::size_t count) {
  std::mt19937 engine(7);
  std::normal_distribution<float> normal(0.0F, 1.5F);
  std::vector<float> values(count);
  std::generate(values.begin(), values.end(), [&] { return normal(engine); });
  return values;
}

// Runs `body` and reports cycles for each of `units` per call.
template <class Body>
void measure(benchmark::State& state, double units, const char* counter, Body body) {
  state.counters[counter] = cycles_per_call(state, body) / units;
  state.counters["elements_per_s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * units * 16, benchmark::Counter::kIsRate);
}

template <class Body>
void measure_vectors(benchmark::State& state, int rows, int cols, Body body) {
  measure(state, static_cast<double>(rows) * cols / 16, "cycles_per_vector", body);
}

void bench_quantize(benchmark::State& state, const KernelTable& table, int rows, int cols) {
  const std::vector<float> x = normal_values(static_cast<std::size_t>(rows) * cols);
  std::vector<std::uint8_t> q(x.size());
  std::vector<float> scale(static_cast<std::size_t>(rows));
  std::vector<float> floor(static_cast<std::size_t>(rows));
  measure_vectors(state, rows, cols, [&] {
    table.quantize_rows({.x = x.data(),
                         .ldx = cols,
                         .rows = rows,
                         .cols = cols,
                         .q = q.data(),
                         .ldq = cols,
                         .scheme = RowScheme::kOwnFloor,
                         .scale = scale.data(),
                         .floor = floor.data()});
  });
}

void bench_layer_norm(benchmark::State& state, const KernelTable& table, int rows, int cols,
                      bool dynamic) {
  const std::vector<float> x = normal_values(static_cast<std::size_t>(rows) * cols);
  std::vector<float> y(x.size());
  std::vector<std::uint8_t> q(x.size());
  std::vector<float> scale(static_cast<std::size_t>(rows));
  std::vector<float> floor(static_cast<std::size_t>(rows));
  measure_vectors(state, rows, cols, [&] {
    table.layer_norm({.x = x.data(),
                      .ldx = cols,
                      .rows = rows,
                      .cols = cols,
                      .gamma = x.data(),
                      .beta = x.data() + cols,
                      .epsilon = 1e-12F,
                      .y = y.data(),
                      .ldy = cols,
                      .q = q.data(),
                      .ldq = cols,
                      .scale = dynamic ? scale.data() : nullptr,
                      .floor = dynamic ? floor.data() : nullptr,
                      .inv_scale = 20.0F,
                      .zero_point = 128.0F});
  });
}

void bench_embed(benchmark::State& state, const KernelTable& table, int tokens, int cols) {
  constexpr int kRows = 1000;
  std::vector<std::int8_t> rows(static_cast<std::size_t>(kRows) * cols, 3);
  const std::vector<float> scale = normal_values(kRows);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens));
  for (int i = 0; i < tokens; ++i) {
    ids[static_cast<std::size_t>(i)] = i * 37 % kRows;
  }
  std::vector<float> out(static_cast<std::size_t>(tokens) * cols);
  const EmbeddingTable embedding{rows.data(), scale.data()};
  measure_vectors(state, tokens, cols, [&] {
    table.embed({.word = embedding,
                 .position = embedding,
                 .type = embedding,
                 .word_ids = ids.data(),
                 .position_ids = ids.data(),
                 .type_ids = ids.data(),
                 .tokens = tokens,
                 .cols = cols,
                 .out = out.data(),
                 .ld_out = cols});
  });
}

void bench_softmax_u8(benchmark::State& state, const KernelTable& table, int rows, int cols) {
  const std::vector<float> x = normal_values(static_cast<std::size_t>(rows) * cols);
  std::vector<std::uint8_t> p(x.size());
  std::vector<float> inv_sum(static_cast<std::size_t>(rows));
  measure_vectors(state, rows, cols, [&] {
    table.softmax_u8({.x = x.data(),
                      .ldx = cols,
                      .rows = rows,
                      .cols = cols,
                      .p = p.data(),
                      .ldp = cols,
                      .inv_sum = inv_sum.data()});
  });
}

void bench_activation(benchmark::State& state, const KernelTable& table, Activation activation) {
  constexpr int kRows = 8;
  constexpr int kCols = 3072;
  std::vector<float> x = normal_values(static_cast<std::size_t>(kRows) * kCols);
  const std::vector<float> bias(kCols, 0.25F);
  measure_vectors(state, kRows, kCols, [&] {
    table.bias_activation({.x = x.data(),
                           .ldx = kCols,
                           .rows = kRows,
                           .cols = kCols,
                           .bias = bias.data(),
                           .activation = activation,
                           .residual = nullptr,
                           .ld_residual = 0});
  });
}

void bench_softmax_f32(benchmark::State& state, const KernelTable& table, int rows, int cols) {
  std::vector<float> x = normal_values(static_cast<std::size_t>(rows) * cols);
  measure_vectors(state, rows, cols, [&] {
    table.softmax_f32({.x = x.data(), .ldx = cols, .rows = rows, .cols = cols, .scale = 0.125F});
  });
}

struct Head {
  std::vector<float> qkv;
  std::vector<std::uint8_t> bytes;
  std::vector<std::byte> memory;
  std::byte* scratch;

  explicit Head(int tokens)
      : qkv(normal_values(static_cast<std::size_t>(tokens) * kQkvStride)),
        bytes(qkv.size(), 131),
        memory(attention_scratch_bytes(tokens, kHeadDim) + 64) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    scratch = memory.data() + (64 - address % 64);
  }
};

void bench_pack(benchmark::State& state, const KernelTable& table, int tokens, bool keys,
                bool dynamic) {
  Head head(tokens);
  std::vector<float> scale(static_cast<std::size_t>(tokens) + kHeadDim);
  std::vector<std::int32_t> offset(static_cast<std::size_t>(tokens));
  const float* x_f32 = dynamic ? head.qkv.data() : nullptr;
  const std::uint8_t* x_u8 = dynamic ? nullptr : head.bytes.data();
  auto* packed = reinterpret_cast<std::int8_t*>(head.scratch);
  measure_vectors(state, tokens, kHeadDim, [&] {
    if (keys) {
      table.pack_keys({.x_f32 = x_f32,
                       .x_u8 = x_u8,
                       .ldx = kQkvStride,
                       .tokens = tokens,
                       .head_dim = kHeadDim,
                       .static_scale = 1.0F,
                       .score_scale = 0.125F,
                       .packed = packed,
                       .column_scale = scale.data(),
                       .column_offset = offset.data()});
    } else {
      table.pack_values({.x_f32 = x_f32,
                         .x_u8 = x_u8,
                         .ldx = kQkvStride,
                         .tokens = tokens,
                         .head_dim = kHeadDim,
                         .static_scale = 1.0F,
                         .packed = packed,
                         .column_scale = scale.data()});
    }
  });
}

// All heads of one layer of BERT-base.
void bench_attention(benchmark::State& state, const KernelTable& table, int tokens, bool dynamic) {
  constexpr int kHeads = kHidden / kHeadDim;
  Head head(tokens);
  std::vector<float> out(static_cast<std::size_t>(tokens) * kHidden);
  std::vector<std::uint8_t> out_bytes(out.size());
  const double vectors = 2.0 * kHeads * tokens * tokens * kHeadDim / 64;
  measure(state, vectors, "cycles_per_vpdpbusd", [&] {
    for (int i = 0; i < kHeads; ++i) {
      AttentionArgs args{.ld_q = kQkvStride,
                         .ld_kv = kQkvStride,
                         .q_scale = 0.02F,
                         .k_scale = 0.02F,
                         .v_scale = 0.02F,
                         .queries = tokens,
                         .tokens = tokens,
                         .head_dim = kHeadDim,
                         .ld_out = kHidden,
                         .out_inv_scale = 20.0F,
                         .out_zero_point = 128.0F,
                         .scratch = head.scratch};
      const int at = i * kHeadDim;
      if (dynamic) {
        args.q_f32 = head.qkv.data() + at;
        args.k_f32 = args.q_f32 + kHidden;
        args.v_f32 = args.k_f32 + kHidden;
        args.out_f32 = out.data() + at;
      } else {
        args.q_u8 = head.bytes.data() + at;
        args.k_u8 = args.q_u8 + kHidden;
        args.v_u8 = args.k_u8 + kHidden;
        args.out_u8 = out_bytes.data() + at;
      }
      attention_head(table, args);
    }
  });
}

void add_table(const KernelTable& table) {
  using State = benchmark::State;
  for (const int cols : {768, 3072}) {
    add(table, "quantize_rows/128x" + std::to_string(cols),
        [cols](State& s, const KernelTable& t) { bench_quantize(s, t, 128, cols); });
  }
  for (const int cols : {384, 768}) {
    add(table, "layer_norm_dynamic/128x" + std::to_string(cols),
        [cols](State& s, const KernelTable& t) { bench_layer_norm(s, t, 128, cols, true); });
  }
  add(table, "layer_norm_static/128x768",
      [](State& s, const KernelTable& t) { bench_layer_norm(s, t, 128, 768, false); });
  add(table, "embed/128x768", [](State& s, const KernelTable& t) { bench_embed(s, t, 128, 768); });
  for (const int cols : {16, 128, 512}) {
    add(table, "softmax_u8/24x" + std::to_string(cols),
        [cols](State& s, const KernelTable& t) { bench_softmax_u8(s, t, 24, cols); });
  }
  add(table, "gelu_erf_precise/8x3072",
      [](State& s, const KernelTable& t) { bench_activation(s, t, Activation::kGeluErf); });
  add(table, "gelu_tanh_precise/8x3072",
      [](State& s, const KernelTable& t) { bench_activation(s, t, Activation::kGeluTanh); });
  add(table, "softmax_f32/24x128",
      [](State& s, const KernelTable& t) { bench_softmax_f32(s, t, 24, 128); });
  for (const bool dynamic : {true, false}) {
    const std::string kind = dynamic ? "_dynamic/128x64" : "_static/128x64";
    add(table, "pack_keys" + kind,
        [dynamic](State& s, const KernelTable& t) { bench_pack(s, t, 128, true, dynamic); });
    add(table, "pack_values" + kind,
        [dynamic](State& s, const KernelTable& t) { bench_pack(s, t, 128, false, dynamic); });
  }
  for (const int tokens : {16, 128, 512}) {
    for (const bool dynamic : {true, false}) {
      add(table, (dynamic ? "attention_dynamic/s" : "attention_static/s") + std::to_string(tokens),
          [=](State& s, const KernelTable& t) { bench_attention(s, t, tokens, dynamic); });
    }
  }
}

}  // namespace

int main(int argc, char** argv) { return qe::bench::run_tables(argc, argv, add_table); }
