// The depthwise convolution of spatial_args.h, included once by the depthwise.cpp of each x86
// instruction set after its bytes.h. Channels are computed in blocks: a vector is one pixel of as
// many channels as it has bytes or, for the last 32 or 16 channels, several pixels. Rolling over
// the image is for the kernels that networks are made of, tiles are for all others. Refuses
// nothing. Everything is in an anonymous namespace, so no body is shared between folders.
#pragma once

#include "kernels/isa_tables.h"
#include "kernels/x86/depthwise_block.h"
#include "kernels/x86/depthwise_rolling.h"
#include "kernels/x86/depthwise_tiles.h"
#include "kernels/x86/vector_loops.h"

namespace qe::kernels {
namespace {

// Whether every value of these channels lies well below 2^31 before it is rounded, so that it needs
// no clamp. True of anything that is not saturated for nearly every input.
inline bool is_bounded(const DepthwiseArgs& args, int first_channel, int channels) {
  constexpr float kLargestProduct = 255 * 128;
  constexpr float kBound = 1 << 30;
  const int taps = args.shape.kernel_height * args.shape.kernel_width;
  const F32x16 products = F32x16::broadcast(kLargestProduct * static_cast<float>(taps));
  F32x16 total = F32x16::broadcast(0.0F);
  for (int c = first_channel; c < first_channel + channels; c += kLanes) {
    const F32x16 sum = absolute(F32x16::from_s32(args.offset + c)) + products;
    const F32x16 value =
        fma(sum, absolute(F32x16::load(args.scale + c)), absolute(F32x16::load(args.bias + c)));
    total = total + value;
  }
  // False where one is NaN, too.
  return fold_sum(total) < kBound;
}

// Channels [first_channel, first_channel + channels) by themselves.
inline DepthwiseArgs channels_of(const DepthwiseArgs& args, const std::int8_t* packed,
                                 int first_channel, int channels) {
  DepthwiseArgs part = args;
  part.shape.channels = channels;
  part.x += first_channel;
  part.packed = packed;
  part.offset += first_channel;
  part.scale += first_channel;
  part.bias += first_channel;
  part.out += first_channel;
  return part;
}

// The packed block of kWidth channels from `channel` on.
template <int kWidth>
inline void convolve_block(const Strip& strip, int channel) {
  constexpr int kBlockLanes = kWidth / kLaneBytes;
  constexpr int kPixelLanes = kBlockLanes < kVectorLanes ? kBlockLanes : kVectorLanes;
  const std::int8_t* packed =
      strip.args.packed + std::ptrdiff_t{channel} * strip.taps * strip.rows * kQuad;
  if (!is_bounded(strip.args, channel, kWidth)) {
    reference::depthwise(channels_of(strip.args, packed, channel, kWidth));
    return;
  }
  BlockOperands block;
  for (int lane = 0; lane < kBlockLanes; lane += kPixelLanes) {
    const int first = channel + lane * kLaneBytes;
    block.load<kPixelLanes>(strip, packed, kWidth, first, lane);
    if constexpr (kManyRegisters) {
      if (can_roll(strip.args.shape)) {
        roll<kPixelLanes>(strip, block, first);
        continue;
      }
    }
    DepthwiseTiles<kPixelLanes>(strip, block, first).run();
  }
}

inline void depthwise_body(const DepthwiseArgs& args) {
  const Strip strip(args);
  const int channels = round_up(args.shape.channels, kLaneBytes);
  int channel = 0;
  for (; channel + 64 <= channels; channel += 64) {
    convolve_block<64>(strip, channel);
  }
  if (channel + 32 <= channels) {
    convolve_block<32>(strip, channel);
    channel += 32;
  }
  if (channel < channels) {
    convolve_block<16>(strip, channel);
  }
}

}  // namespace
}  // namespace qe::kernels
