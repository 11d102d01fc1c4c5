// The pooling and pointwise kernels of kernels/x86/spatial_body.h for AVX-512 VNNI.
#include "kernels/x86/avx512_vnni/bytes.h"
// The body is written in the types of bytes.h.
#include "kernels/x86/spatial_body.h"

#include "kernels/isa_tables.h"

namespace qe::kernels::avx512_vnni {

void max_pool(const MaxPoolArgs& args) noexcept { max_pool_body(args); }
void channel_sums(const ChannelSumArgs& args) noexcept { channel_sums_body(args); }
void channel_mean(const ChannelMeanArgs& args) noexcept { channel_mean_body(args); }
void scale_channels(const ScaleChannelsArgs& args) noexcept { scale_channels_body(args); }
void rescale(const RescaleArgs& args) noexcept { rescale_body(args); }
void add_bytes(const AddBytesArgs& args) noexcept { add_bytes_body(args); }

}  // namespace qe::kernels::avx512_vnni
