// oneDNN's matmul on the same bytes: sums as 32-bit integers, and bytes with scales of the columns
// and bias, its own epilogue.
#include <omp.h>

#include <memory>
#include <unordered_map>
#include <utility>

#include <dnnl.hpp>

#include "tools/bench/gemm/cpu_rival.h"

namespace qe::tools {
namespace {

using dnnl::memory;
using Type = memory::data_type;

struct Product {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul matmul;
  memory bias;
  std::unordered_map<int, memory> arguments;
};

memory::desc rows(int count, int width, Type type) {
  return {{count, width}, type, memory::format_tag::ab};
}

memory view(const memory::desc& description, const dnnl::engine& engine, const void* data) {
  return {description, engine, const_cast<void*>(data)};
}

std::shared_ptr<Product> make_product(const GemmShape& shape, const CpuOperands& operands,
                                      bool requantize) {
  auto product = std::make_shared<Product>();
  const dnnl::engine& engine = product->engine;
  const memory::desc source = rows(shape.m, shape.k, Type::u8);
  const memory::desc any_weights{{shape.k, shape.n}, Type::s8, memory::format_tag::any};
  const memory::desc bias = rows(1, shape.n, Type::f32);
  const memory::desc result = rows(shape.m, shape.n, requantize ? Type::u8 : Type::s32);
  dnnl::primitive_attr attributes;
  if (requantize) {
    attributes.set_output_scales(
        2, std::vector<float>(operands.scale.begin(), operands.scale.begin() + shape.n));
  }
  const dnnl::matmul::primitive_desc description(
      requantize ? dnnl::matmul::desc(source, any_weights, bias, result)
                 : dnnl::matmul::desc(source, any_weights, result),
      attributes, engine);
  product->matmul = dnnl::matmul(description);
  // W[n][k] is its transpose in memory.
  memory given =
      view({{shape.k, shape.n}, Type::s8, memory::format_tag::ba}, engine, operands.w.data());
  memory weights(description.weights_desc(), engine);
  dnnl::reorder(given, weights).execute(product->stream, given, weights);
  product->stream.wait();
  product->arguments = {{DNNL_ARG_SRC, view(source, engine, operands.a.data())},
                        {DNNL_ARG_WEIGHTS, weights},
                        {DNNL_ARG_DST, memory(result, engine)}};
  if (requantize) {
    product->bias = memory(bias, engine);
    std::copy_n(operands.bias.begin(), shape.n,
                static_cast<float*>(product->bias.get_data_handle()));
    product->arguments.emplace(DNNL_ARG_BIAS, product->bias);
  }
  return product;
}

}  // namespace

bool has_cpu_rival() { return true; }

std::vector<CpuRival> cpu_rivals(const GemmShape& shape, const CpuOperands& operands, int threads) {
  omp_set_num_threads(threads);
  std::vector<CpuRival> rivals;
  for (const bool requantize : {false, true}) {
    auto product = make_product(shape, operands, requantize);
    rivals.push_back({.detail = requantize ? "u8 x s8 -> u8" : "u8 x s8 -> s32",
                      .kind = requantize ? GemmKind::kRequantized : GemmKind::kAlone,
                      .run = [product, threads] {
                        omp_set_num_threads(threads);
                        product->matmul.execute(product->stream, product->arguments);
                        product->stream.wait();
                      }});
  }
  return rivals;
}

}  // namespace qe::tools
