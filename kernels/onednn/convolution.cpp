// Direct convolution primitives with post-ops.
#include "kernels/onednn/convolution.h"

#include <omp.h>

#include <cstring>
#include <string>
#include <unordered_map>

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
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::convolution_forward primitive;
  memory::desc x, y;
  memory weight, bias;
  std::size_t y_bytes = 0;
};

Convolution::Convolution(const ConvolutionShape& s, const ConvolutionEpilogue& epilogue,
                         const float* weight, const float* bias)
    : impl_(std::make_unique<Impl>()) {
  const memory::dims plain = {s.out_channels, s.in_channels / s.groups, s.kernel_height,
                              s.kernel_width};
  const memory::dims grouped = {s.groups, s.out_channels / s.groups, s.in_channels / s.groups,
                                s.kernel_height, s.kernel_width};
  const memory::dims& dims = s.groups == 1 ? plain : grouped;
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops(epilogue));
  try {
    const dnnl::convolution_forward::primitive_desc made(describe(s, dims), attributes,
                                                         impl_->engine);
    impl_->primitive = dnnl::convolution_forward(made);
    impl_->x = made.src_desc();
    impl_->y = made.dst_desc();
    impl_->y_bytes = made.dst_desc().get_size();
    dnnl::stream stream(impl_->engine);
    memory given(description(dims, s.groups == 1 ? Tag::oihw : Tag::goihw), impl_->engine,
                 const_cast<float*>(weight));
    impl_->weight = memory(made.weights_desc(), impl_->engine);
    dnnl::reorder(given, impl_->weight).execute(stream, given, impl_->weight);
    stream.wait();
    impl_->bias = memory(made.bias_desc(), impl_->engine);
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

void Convolution::run(const float* x, const float* residual, float* y, int threads) const noexcept {
  omp_set_num_threads(threads);
  if (residual != nullptr) std::memcpy(y, residual, impl_->y_bytes);
  dnnl::stream stream(impl_->engine);
  const memory source(impl_->x, impl_->engine, const_cast<float*>(x));
  const memory result(impl_->y, impl_->engine, y);
  impl_->primitive.execute(stream, {{DNNL_ARG_SRC, source},
                                    {DNNL_ARG_WEIGHTS, impl_->weight},
                                    {DNNL_ARG_BIAS, impl_->bias},
                                    {DNNL_ARG_DST, result}});
  stream.wait();
}

std::size_t Convolution::weight_bytes() const noexcept {
  return impl_->weight.get_desc().get_size() + impl_->bias.get_desc().get_size();
}

}  // namespace qe::kernels::onednn
