// Every kernel of every instruction set, by name: what kernel_table.cpp lists and the folders of
// kernels/ define. A function declared here and not listed there may have no definition: a table
// then takes the entry of the table below it. Only declarations: files compiled for different
// instruction sets share this header, so an inline body here could link as the wrong version.
#pragma once

#include "kernels/kernel_table.h"

namespace qe::kernels {

namespace reference {
void pack_weights(const PackWeightsArgs& args) noexcept;
void gemm(const GemmArgs& args) noexcept;
void quantize_rows(const QuantizeRowsArgs& args) noexcept;
void layer_norm(const LayerNormArgs& args) noexcept;
void embed(const EmbedArgs& args) noexcept;
void pack_keys(const PackKeysArgs& args) noexcept;
void pack_values(const PackValuesArgs& args) noexcept;
void softmax_u8(const SoftmaxU8Args& args) noexcept;
void bias_activation(const BiasActivationArgs& args) noexcept;
void softmax_f32(const SoftmaxF32Args& args) noexcept;
void pack_depthwise(const PackDepthwiseArgs& args) noexcept;
void depthwise(const DepthwiseArgs& args) noexcept;
void max_pool(const MaxPoolArgs& args) noexcept;
void channel_sums(const ChannelSumArgs& args) noexcept;
void channel_mean(const ChannelMeanArgs& args) noexcept;
void scale_channels(const ScaleChannelsArgs& args) noexcept;
void rescale(const RescaleArgs& args) noexcept;
void add_bytes(const AddBytesArgs& args) noexcept;
void expand_image(const ExpandImageArgs& args) noexcept;
}  // namespace reference

namespace avx2 {
void pack_weights(const PackWeightsArgs& args) noexcept;
void gemm(const GemmArgs& args) noexcept;
void quantize_rows(const QuantizeRowsArgs& args) noexcept;
void layer_norm(const LayerNormArgs& args) noexcept;
void embed(const EmbedArgs& args) noexcept;
void pack_keys(const PackKeysArgs& args) noexcept;
void pack_values(const PackValuesArgs& args) noexcept;
void softmax_u8(const SoftmaxU8Args& args) noexcept;
void bias_activation(const BiasActivationArgs& args) noexcept;
void softmax_f32(const SoftmaxF32Args& args) noexcept;
void depthwise(const DepthwiseArgs& args) noexcept;
void max_pool(const MaxPoolArgs& args) noexcept;
void channel_sums(const ChannelSumArgs& args) noexcept;
void channel_mean(const ChannelMeanArgs& args) noexcept;
void scale_channels(const ScaleChannelsArgs& args) noexcept;
void rescale(const RescaleArgs& args) noexcept;
void add_bytes(const AddBytesArgs& args) noexcept;
void expand_image(const ExpandImageArgs& args) noexcept;
}  // namespace avx2

namespace avx512_vnni {
void pack_weights(const PackWeightsArgs& args) noexcept;
void gemm(const GemmArgs& args) noexcept;
void quantize_rows(const QuantizeRowsArgs& args) noexcept;
void layer_norm(const LayerNormArgs& args) noexcept;
void embed(const EmbedArgs& args) noexcept;
void pack_keys(const PackKeysArgs& args) noexcept;
void pack_values(const PackValuesArgs& args) noexcept;
void softmax_u8(const SoftmaxU8Args& args) noexcept;
void bias_activation(const BiasActivationArgs& args) noexcept;
void softmax_f32(const SoftmaxF32Args& args) noexcept;
void depthwise(const DepthwiseArgs& args) noexcept;
void max_pool(const MaxPoolArgs& args) noexcept;
void channel_sums(const ChannelSumArgs& args) noexcept;
void channel_mean(const ChannelMeanArgs& args) noexcept;
void scale_channels(const ScaleChannelsArgs& args) noexcept;
void rescale(const RescaleArgs& args) noexcept;
void add_bytes(const AddBytesArgs& args) noexcept;
}  // namespace avx512_vnni

namespace amx {
void gemm(const GemmArgs& args) noexcept;
}  // namespace amx

}  // namespace qe::kernels
