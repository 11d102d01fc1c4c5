// u8 x s8 matrix product and convolution in AMX tiles: blocks of up to 32 rows by the columns of a
// panel. The sums of a block leave the tiles through an L1 buffer; their epilogue, the one of
// AVX-512 VNNI, runs between the multiplications of the next block, so that tiles and vectors work
// at the same time. Products that fill too little of a tile are left to AVX-512 VNNI. Uses
// AMX-TILE, AMX-INT8 and what that folder uses. Why these blocks: docs/decisions/0012-amx-tiles.md.
#include "kernels/isa_tables.h"
#include "kernels/x86/amx/gathered_rows.h"
#include "kernels/x86/amx/pending_rows.h"
#include "kernels/x86/amx/tiles.h"
#include "kernels/x86/row_blocks.h"

namespace qe::kernels::amx {
namespace {

// A panel of weights fetched to the second-level cache, some lines a step.
struct Prefetch {
  static constexpr int kLineBytes = 64;
  const std::int8_t* next;
  int lines;

  void step() {
    for (int i = 0; i < lines; ++i, next += kLineBytes) {
      _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
    }
  }
};

// One or two tiles of columns through a part of the depth.
struct Pass {
  const BlockRows& rows;
  const std::int8_t* b;
  std::ptrdiff_t row_bytes;    // of the packed panel: four depths of its columns
  const std::int32_t* offset;  // of its columns, or null
  std::int32_t* sums;
  int first_step, last_step;
  bool is_last;
};

template <Epilogue kEpilogue>
class Product {
 public:
  explicit Product(const GemmArgs& args)
      : args_(args),
        depth_(round_up(args.k, kDepthGroup) * tap_count(args)),
        steps_(depth_ < kTileDepth ? 1 : depth_ / kTileDepth),
        has_rest_(depth_ > kTileDepth && depth_ % kTileDepth != 0),
        blocks_(parts(args.m, kMostBlockRows)),
        tile_rows_(args.m <= kTileRows ? args.m : parts(parts(args.m, blocks_), 2)),
        pending_(args) {}

  int tile_rows() const { return tile_rows_; }
  int tile_depth() const { return depth_ < kTileDepth ? depth_ : kTileDepth; }

  void run() {
    args_.taps ? run_gathered() : run_in_place();
    pending_.finish_all();
  }

 private:
  static int parts(int whole, int part) { return (whole + part - 1) / part; }
  // Blocks differ by a row at most, so that tiles of one height fit them all.
  int first_row(int block) const {
    return static_cast<int>(std::int64_t{args_.m} * block / blocks_);
  }
  int rows_of(int block) const { return first_row(block + 1) - first_row(block); }

  // Panels outer: weights are read from memory once for as many rows as the cache holds.
  void run_in_place() {
    const int rounds = parts(args_.m, rows_per_block(args_));
    for (int round = 0; round < rounds; ++round) {
      const int first = blocks_ * round / rounds;
      const int last = blocks_ * (round + 1) / rounds;
      for (int panel = args_.first_panel; panel < args_.last_panel; ++panel) {
        Prefetch prefetch = next_panel(panel, last - first);
        for (int block = first; block < last; ++block) {
          const int row = first_row(block);
          run_block(gathered_.in_place(args_, row, rows_of(block)), panel, prefetch);
        }
      }
    }
  }

  // Rows outer: a block is gathered once for all the columns.
  void run_gathered() {
    for (int block = 0; block < blocks_; ++block) {
      const BlockRows rows = gathered_.gather(args_, first_row(block), rows_of(block));
      for (int panel = args_.first_panel; panel < args_.last_panel; ++panel) {
        Prefetch prefetch = block == 0 ? next_panel(panel, 1) : Prefetch{};
        run_block(rows, panel, prefetch);
      }
    }
  }

  // The panel behind this one, its fetching shared by `blocks` blocks of rows. Behind the last
  // panel of a matrix the next product's weights are likely.
  Prefetch next_panel(int panel, int blocks) const {
    constexpr int kLinesOfStep = kPanelWidth * kTileDepth / Prefetch::kLineBytes;
    if (panel + 1 == args_.last_panel && args_.last_panel != panel_count(args_.n)) {
      return {};
    }
    const std::int8_t* const next = args_.b + std::ptrdiff_t{kPanelWidth} * (panel + 1) * depth_;
    return {next, parts(kLinesOfStep, kColumnPairs * blocks)};
  }

  void run_block(const BlockRows& rows, int panel, Prefetch& prefetch) {
    // The rows of a block and so many steps stay in the nearest cache for the whole panel.
    constexpr int kMostSteps = 16;
    const int column = panel * kPanelWidth;
    const int left = (round_up(args_.n, kColumnGroup) - column) / kColumnGroup;
    const int vectors = left < kVectors ? left : kVectors;
    std::int32_t* const sums = sums_[turn_];
    rounds_ = (steps_ + (has_rest_ ? 1 : 0)) * parts(vectors, 2);
    const int sections = parts(steps_, kMostSteps);
    for (int section = 0; section < sections; ++section) {
      for (int v = 0; v < vectors; v += 2) {
        const Pass pass{
            rows,
            args_.b + std::ptrdiff_t{column} * depth_ + v * kTileDepth,
            std::ptrdiff_t{vectors} * kTileDepth,
            args_.column_offset ? args_.column_offset + column + v * kColumnGroup : nullptr,
            sums + v * kColumnGroup,
            steps_ * section / sections,
            steps_ * (section + 1) / sections,
            section + 1 == sections};
        if (rows.rows > tile_rows_) {
          v + 1 < vectors ? multiply<2, 2>(pass, prefetch) : multiply<2, 1>(pass, prefetch);
        } else {
          v + 1 < vectors ? multiply<1, 2>(pass, prefetch) : multiply<1, 1>(pass, prefetch);
        }
      }
    }
    pending_.finish_all();
    pending_.set(rows.row, rows.rows, column, vectors, sums);
    turn_ ^= 1;
  }

  template <int kRowTiles, int kColumnTiles>
  [[gnu::noinline]] void multiply(const Pass& pass, Prefetch& prefetch) {
    // The second tile of rows ends with the block and repeats rows of the first where they meet.
    const std::ptrdiff_t second = pass.rows.rows - tile_rows_;
    const std::ptrdiff_t step_bytes = kTileRows * pass.row_bytes;
    if (pass.first_step > 0) {
      load_sums<kRowTiles, kColumnTiles>(pass.sums, kSumStride, second * kSumStride);
    } else if (pass.offset) {
      load_sums<kRowTiles, kColumnTiles>(pass.offset, 0, 0);
    } else {
      clear_sums();
    }
    StepOperands at{pass.rows.a + pass.first_step * kTileDepth, pass.rows.lda,
                    second * pass.rows.lda, pass.b + pass.first_step * step_bytes, pass.row_bytes};
    for (int step = pass.first_step; step < pass.last_step; ++step) {
      prefetch.step();
      multiply_step<kRowTiles, kColumnTiles>(at);
      at.a += kTileDepth;
      at.b += step_bytes;
      work_between_steps();
    }
    if (pass.is_last && has_rest_) {
      multiply_step<kRowTiles, kColumnTiles>(
          {pass.rows.last, kTileDepth, second * kTileDepth,
           pass.b + (depth_ - kTileDepth) / kDepthGroup * pass.row_bytes, pass.row_bytes});
      work_between_steps();
    }
    store_sums<kRowTiles, kColumnTiles>(pass.sums, second * kSumStride);
  }

  // So much of the pending epilogue that it ends with the last step of the block.
  void work_between_steps() {
    const int share = parts(pending_.rows(), rounds_);
    --rounds_;
    for (int rows = 0; rows < share; rows += kRowsAtOnce) {
      pending_.finish_some();
    }
  }

  static constexpr int kColumnPairs = kVectors / 2;

  const GemmArgs& args_;
  int depth_;       // of all taps together
  int steps_;       // whole ones
  bool has_rest_;   // one more step, for the bytes behind the whole ones
  int blocks_;      // of rows
  int tile_rows_;   // half of a block's, where it has more than a tile's
  int rounds_ = 0;  // steps of the present block that are left
  int turn_ = 0;
  PendingRows<kEpilogue> pending_;
  alignas(64) std::int32_t sums_[2][kMostBlockRows * kPanelWidth];
  GatheredRows gathered_;
};

template <Epilogue kEpilogue>
void run(const GemmArgs& args) {
  Product<kEpilogue> product(args);
  const TileConfig config(product.tile_rows(), product.tile_depth());
  product.run();
}

// Below these sizes AVX-512 VNNI is faster: tiles stay empty, or gathering costs more than it
// helps.
bool fills_tiles(const GemmArgs& args) {
  constexpr int kFewestRows = 5;
  constexpr int kLeastDepth = 32;
  constexpr int kLeastPiece = 28;
  const std::int64_t depth = std::int64_t{round_up(args.k, kDepthGroup)} * tap_count(args);
  if (args.m < kFewestRows || depth < kLeastDepth) {
    return false;
  }
  return !args.taps || (args.k >= kLeastPiece && depth <= kMostGatheredDepth);
}

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  if (!fills_tiles(args)) {
    avx512_vnni::gemm(args);
    return;
  }
  switch (epilogue_of(args)) {
    case Epilogue::kBytes:
      run<Epilogue::kBytes>(args);
      break;
    case Epilogue::kFloats:
      run<Epilogue::kFloats>(args);
      break;
    case Epilogue::kAny:
      run<Epilogue::kAny>(args);
      break;
  }
}

}  // namespace qe::kernels::amx
