// Direct convolution primitives with post-ops.
#include "kernels/onednn/convolution.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

#include <qe/error.h>

namespace qe::kernels::onednn {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

dnnl::post_ops post_ops(const ConvolutionEpilogue& epilogue) {
  dnnl::post_ops ops;
  if (epilogue.residual) ops.append_sum(1.0F);
  const auto eltwise = [&](dnnl::algorithm algorithm, float alpha) {
    ops.append_eltwise(1.0F, algorithm, alpha, 0.0F);
  };
  switch (epilogue.activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      eltwise(dnnl::algorithm::eltwise_relu, 0.0F);
      break;
    case Activation::kRelu6:
      eltwise(dnnl::algorithm::eltwise_bounded_relu, 6.0F);
      break;
    case Activation::kSilu:
      eltwise(dnnl::algorithm::eltwise_swish, 1.0F);
      break;
    case Activation::kSigmoid:
      eltwise(dnnl::algorithm::eltwise_logistic, 0.0F);
      break;
    case Activation::kTanh:
      eltwise(dnnl::algorithm::eltwise_tanh, 0.0F);
      break;
    case Activation::kGeluErf:
      eltwise(dnnl::algorithm::eltwise_gelu_erf, 0.0F);
      break;
    case Activation::kGeluTanh:
      eltwise(dnnl::algorithm::eltwise_gelu_tanh, 0.0F);
      break;
  }
  return ops;
}

memory::desc description(const memory::dims& dims, Tag tag) {
  return {dims, memory::data_type::f32, tag};
}

dnnl::convolution_forward::desc describe(const ConvolutionShape& s, const memory::dims& weights) {
  return {dnnl::prop_kind::forward_inference,
          dnnl::algorithm::convolution_direct,
          description({1, s.in_channels, s.in_height, s.in_width}, Tag::nhwc),
          description(weights, Tag::any),
          description({s.out_channels}, Tag::x),
          description({1, s.out_channels, s.out_height, s.out_width}, Tag::nhwc),
          {s.stride, s.stride},
          {s.dilation - 1, s.dilation - 1},
          {s.pad_top, s.pad_left},
          {s.pad_bottom, s.pad_right}};
}

}  // namespace

struct Convolution::Impl {
  // The work partitioned over one number of threads.
  struct Variant {
    int threads = 1;
    dnnl::convolution_forward primitive;
    memory::desc scratch;
    memory weight;
  };

  Variant make(const ConvolutionShape& s, const dnnl::primitive_attr& attributes,
               const float* given, int threads);

  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  memory::desc x, y;
  memory bias;
  std::size_t y_bytes = 0;
  std::vector<Variant> variants;  // the largest team first
};

Convolution::Impl::Variant Convolution::Impl::make(const ConvolutionShape& s,
                                                   const dnnl::primitive_attr& attributes,
                                                   const float* given, int threads) {
  const memory::dims plain = {s.out_channels, s.in_channels / s.groups, s.kernel_height,
                              s.kernel_width};
  const memory::dims grouped = {s.groups, s.out_channels / s.groups, s.in_channels / s.groups,
                                s.kernel_height, s.kernel_width};
  const memory::dims& dims = s.groups == 1 ? plain : grouped;
  omp_set_num_threads(threads);
  const dnnl::convolution_forward::primitive_desc made(describe(s, dims), attributes, engine);
  x = made.src_desc();
  y = made.dst_desc();
  y_bytes = y.get_size();
  Variant variant{.threads = threads,
                  .primitive = dnnl::convolution_forward(made),
                  .scratch = made.scratchpad_desc(),
                  .weight = {}};
  if (!variants.empty() && variants[0].weight.get_desc() == made.weights_desc()) {
    variant.weight = variants[0].weight;
    return variant;
  }
  dnnl::stream stream(engine);
  memory source(description(dims, s.groups == 1 ? Tag::oihw : Tag::goihw), engine,
                const_cast<float*>(given));
  variant.weight = memory(made.weights_desc(), engine);
  dnnl::reorder(source, variant.weight).execute(stream, source, variant.weight);
  stream.wait();
  return variant;
}

Convolution::Convolution(const ConvolutionShape& s, const ConvolutionEpilogue& epilogue,
                         const float* weight, const float* bias, int threads)
    : impl_(std::make_unique<Impl>()) {
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops(epilogue));
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  try {
    impl_->variants.push_back(impl_->make(s, attributes, weight, threads));
    if (threads > 1) impl_->variants.push_back(impl_->make(s, attributes, weight, 1));
    impl_->bias = memory(description({s.out_channels}, Tag::x), impl_->engine);
    auto* const stored = static_cast<float*>(impl_->bias.get_data_handle());
    for (int i = 0; i < s.out_channels; ++i) stored[i] = bias == nullptr ? 0.0F : bias[i];
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_out_of_memory) throw std::bad_alloc();
    throw UnsupportedError(
        {.problem = "the float library refuses a convolution", .actual = e.message});
  }
}

Convolution::~Convolution() = default;
Convolution::Convolution(Convolution&&) noexcept = default;
Convolution& Convolution::operator=(Convolution&&) noexcept = default;

void Convolution::run(const float* x, const float* residual, float* y, int threads,
                      std::byte* scratch) const noexcept {
  const auto& variants = impl_->variants;
  const Impl::Variant& variant =
      threads >= variants.front().threads ? variants.front() : variants.back();
  omp_set_num_threads(variant.threads);
  if (residual != nullptr) std::memcpy(y, residual, impl_->y_bytes);
  dnnl::stream stream(impl_->engine);
  const memory source(impl_->x, impl_->engine, const_cast<float*>(x));
  const memory result(impl_->y, impl_->engine, y);
  const memory work(variant.scratch, impl_->engine, scratch);
  variant.primitive.execute(stream, {{DNNL_ARG_SRC, source},
                                     {DNNL_ARG_WEIGHTS, variant.weight},
                                     {DNNL_ARG_BIAS, impl_->bias},
                                     {DNNL_ARG_DST, result},
                                     {DNNL_ARG_SCRATCHPAD, work}});
  stream.wait();
}

std::size_t Convolution::weight_bytes() const noexcept {
  std::size_t bytes = impl_->bias.get_desc().get_size();
  const void* last = nullptr;
  for (const Impl::Variant& variant : impl_->variants) {  // those of one layout share it
    const void* const weight = variant.weight.get_data_handle();
    if (weight != last) bytes += variant.weight.get_desc().get_size();
    last = weight;
  }
  return bytes;
}

std::size_t Convolution::scratch_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const Impl::Variant& variant : impl_->variants) {
    bytes = std::max(bytes, variant.scratch.get_size());
  }
  return bytes;
}

}  // namespace qe::kernels::onednn
