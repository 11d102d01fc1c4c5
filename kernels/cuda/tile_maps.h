// Where every byte of a tile lies: the index maps of the tensor core instructions, of the shared
// memory they read and of the staging area results pass through. Plain constexpr arithmetic, which
// kernels and tests use alike. Sources: PTX ISA,
// "Matrix Fragments for mma.m16n8k32", "ldmatrix", "Asynchronous Warpgroup Level Matrix
// Multiply-Accumulate" (register fragments, matrix descriptor, swizzling modes).
#pragma once

#include <cstdint>

namespace qe::kernels::cuda {

inline constexpr int kWarpLanes = 32;

// A tile of operand bytes in shared memory: rows of 128 bytes along the depth, the 16-byte chunks
// of a row permuted by its number, so that eight rows' chunks of one column lie in eight different
// bank groups. It is the layout that a bulk tensor copy with 128-byte swizzle writes.
inline constexpr int kDepthBytes = 128;
inline constexpr int kChunkBytes = 16;
inline constexpr int kChunksPerRow = kDepthBytes / kChunkBytes;
inline constexpr int kSwizzleRows = 8;
inline constexpr int kSwizzleAtomBytes = kSwizzleRows * kDepthBytes;  // alignment of every tile

constexpr int tile_offset(int row, int chunk) {
  return row * kDepthBytes + ((chunk ^ (row % kSwizzleRows)) * kChunkBytes);
}

// One instruction multiplies 32 bytes of depth.
inline constexpr int kInstructionDepth = 32;
inline constexpr int kInstructionChunks = kInstructionDepth / kChunkBytes;
inline constexpr int kInstructionsPerTile = kDepthBytes / kInstructionDepth;

struct RowChunk {
  int row, chunk;
};

// The address that lane `lane` gives to ldmatrix.x4, for a 16 x 32 fragment of the operand along
// the rows of the result ...
constexpr RowChunk major_fragment_source(int lane) { return {lane % 16, lane / 16}; }
// ... and for two 8 x 32 fragments of the operand along its columns: registers 0 and 1 are those of
// rows 0-7, registers 2 and 3 of rows 8-15.
constexpr RowChunk minor_fragment_source(int lane) {
  return {lane % 8 + lane / 16 * 8, lane / 8 % 2};
}

// Accumulator register i of a lane, of m16n8k32 (i < 4) and of wgmma m64nNk32 (i < N / 2; the rows
// are those of the warp's 16): its row and column.
constexpr int accumulator_row(int lane, int i) { return lane / 4 + i / 2 % 2 * 8; }
constexpr int accumulator_column(int lane, int i) { return i / 4 * 8 + lane % 4 * 2 + i % 2; }

// Matrix descriptor of wgmma for a tile of 128-byte rows with 128-byte swizzle: address, unused
// leading dimension, 1024 bytes from eight rows to the next eight, swizzle mode 1.
constexpr std::uint64_t matrix_descriptor(std::uint32_t shared_address) {
  constexpr std::uint64_t kLeading = 1;
  constexpr std::uint64_t kStride = kSwizzleAtomBytes / 16;
  constexpr std::uint64_t kSwizzle128 = 1;
  return ((shared_address & 0x3FFFFU) >> 4U) | kLeading << 16U | kStride << 32U |
         kSwizzle128 << 62U;
}
// Added to it for the next 32 bytes of depth.
inline constexpr std::uint64_t kDescriptorStep = kInstructionDepth / 16;

// A chunk of a warp's results: 16 rows of the fragments times 8 columns each of kFragments
// fragments. `kSwapped` kernels have the weights along the rows of the fragments, so that chunk is
// transposed: its rows are the activations' rows.
template <bool kSwapped, int kFragments>
struct ResultChunk {
  static constexpr int kRows = kSwapped ? kFragments * 8 : 16;
  static constexpr int kColumns = kSwapped ? 16 : kFragments * 8;
  static constexpr int kElements = kFragments * 4;  // of a lane
  // Elements of a lane that are neighbours in a row: i to i + kStep - 1, i a multiple of it.
  static constexpr int kStep = kSwapped ? 1 : 2;

  static constexpr int row(int lane, int i) {
    return kSwapped ? accumulator_column(lane, i) : accumulator_row(lane, i);
  }
  static constexpr int column(int lane, int i) {
    return kSwapped ? accumulator_row(lane, i) : accumulator_column(lane, i);
  }

  // The staging area holds the rows of a chunk 16 bytes apart, against bank conflicts; whole
  // pieces of 16 bytes then go to memory, consecutive lanes along a row.
  static constexpr int staging_stride(int element_bytes) { return kColumns * element_bytes + 16; }
  static constexpr int staging_offset(int row, int column, int element_bytes) {
    return row * staging_stride(element_bytes) + column * element_bytes;
  }
  static constexpr int pieces(int element_bytes) {
    return kRows * kColumns * element_bytes / kChunkBytes;
  }
  static constexpr int piece_row(int piece, int element_bytes) {
    return piece / (kColumns * element_bytes / kChunkBytes);
  }
  static constexpr int piece_column(int piece, int element_bytes) {
    return piece % (kColumns * element_bytes / kChunkBytes) * (kChunkBytes / element_bytes);
  }
};

// Bytes of staging a warp needs for chunks of up to four fragments of elements of at most two
// bytes; longer ones do not pass through it.
inline constexpr int kChunkFragments = 4;
inline constexpr int kStagingBytes = 1536;
static_assert(ResultChunk<false, kChunkFragments>::staging_stride(2) * 16 <= kStagingBytes);
static_assert(ResultChunk<true, kChunkFragments>::staging_stride(2) * 32 <= kStagingBytes);

// Tiles are handed out in groups of some tiles along the rows of the result, all columns of a group
// before the next group: what runs at the same time reads few different operand tiles.
struct TileIndex {
  int major, minor;
};
inline constexpr int kGroupTiles = 8;

constexpr TileIndex tile_at(int index, int majors, int minors, int group_tiles = kGroupTiles) {
  const int group = index / (group_tiles * minors);
  const int first = group * group_tiles;
  const int height = majors - first < group_tiles ? majors - first : group_tiles;
  const int within = index - group * group_tiles * minors;
  return {first + within % height, within / height};
}

// Part `part` of `parts` of the depth, in whole steps of kDepthBytes.
struct DepthRange {
  int begin, end;
};
constexpr int depth_steps(int k) { return (k + kDepthBytes - 1) / kDepthBytes; }
constexpr DepthRange depth_part(int steps, int part, int parts) {
  return {steps * part / parts, steps * (part + 1) / parts};
}

}  // namespace qe::kernels::cuda
