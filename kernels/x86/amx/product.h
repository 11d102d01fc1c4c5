// A product in AMX tiles, pass by pass: two tiles of rows by two of columns through the depth.
// Tiles and vectors work at the same time because three passes are under way at once: one
// multiplies, the sums of the pass before leave the tiles during its first step, those of the one
// before that become results. Included only by gemm.cpp of this folder.
#pragma once

#include <atomic>
#include <cstdint>

#include "kernels/x86/amx/fetch.h"
#include "kernels/x86/amx/gathered_rows.h"
#include "kernels/x86/amx/pending_rows.h"
#include "kernels/x86/amx/tiles.h"
#include "kernels/x86/row_blocks.h"

namespace qe::kernels {
namespace {

// One or two tiles of columns through a part of the depth.
struct Pass {
  const BlockRows& rows;
  int column, vectors;
  const std::int8_t* b;
  std::ptrdiff_t row_bytes;  // of the packed panel: four depths of its columns
  Start start;
  std::int32_t* sums;
  int first_step, last_step;
  bool is_last;
};

template <Ending kEnding>
class Product {
 public:
  explicit Product(const GemmArgs& args)
      : args_(args),
        place_(fits_direct(args)   ? Place::kDirect
               : fits_window(args) ? Place::kWindow
               : args.taps         ? Place::kGathered
                                   : Place::kHere),
        depth_(round_up(args.k, kDepthGroup) * tap_count(args)),
        tile_depth_(place_ == Place::kDirect ? args.k
                    : depth_ < kTileDepth    ? depth_
                                             : kTileDepth),
        steps_(depth_ / tile_depth_),
        has_rest_(depth_ % tile_depth_ != 0),
        blocks_(has_places() ? parts(args.m, 2 * tile_of_row(args.taps->out_width))
                             : parts(args.m, kMostBlockRows)),
        tile_rows_(has_places()          ? tile_of_row(args.taps->out_width)
                   : args.m <= kTileRows ? args.m
                                         : parts(parts(args.m, blocks_), 2)) {}

  int tile_rows() const { return tile_rows_; }
  int tile_depth() const { return tile_depth_; }

  void run() {
    args_.taps ? run_gathered() : run_in_place();
    two_row_tiles() ? store_sums<2>(in_tiles_.at, in_tiles_.second)
                    : store_sums<1>(in_tiles_.at, in_tiles_.second);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // tile stores are opaque to the compiler
    finish_rest<kEnding.epilogue>(args_, stored_, 0);
    finish_rest<kEnding.epilogue>(args_, in_tiles_, 0);
  }

 private:
  // Where the rows of A are taken from.
  enum class Place : std::uint8_t { kHere, kDirect, kWindow, kGathered };

  bool has_places() const { return place_ == Place::kDirect || place_ == Place::kWindow; }
  static int parts(int whole, int part) { return (whole + part - 1) / part; }
  // Blocks differ by a row at most, so that tiles of one height fit them all.
  int first_row(int block) const {
    if (has_places()) {
      return block < blocks_ ? block * 2 * tile_rows_ : args_.m;
    }
    return static_cast<int>(std::int64_t{args_.m} * block / blocks_);
  }
  int rows_of(int block) const { return first_row(block + 1) - first_row(block); }
  bool two_row_tiles() const { return args_.m > tile_rows_; }

  // Groups of panels outer: weights are read from memory once for as many rows as the cache holds,
  // and the rows of a block from the second-level cache once for a group.
  void run_in_place() {
    const int rounds = parts(args_.m, rows_per_block(args_));
    const int panels = args_.last_panel - args_.first_panel;
    const int groups = parts(panels, panels_of_group());
    for (int round = 0; round < rounds; ++round) {
      const int first = blocks_ * round / rounds;
      const int last = blocks_ * (round + 1) / rounds;
      for (int group = 0; group < groups; ++group) {
        run_group(first, last, args_.first_panel + panels * group / groups,
                  args_.first_panel + panels * (group + 1) / groups);
      }
    }
  }

  // One block of rows stays where it is.
  int panels_of_group() const {
    constexpr int kGroupBytes = 192 * 1024;  // beside the next group and the rows, in half a cache
    const int panels = blocks_ > 1 ? kGroupBytes / (kPanelWidth * depth_) : 1;
    return panels < 1 ? 1 : panels;
  }

  void run_group(int first_block, int last_block, int first_panel, int last_panel) {
    Prefetch prefetch = fetch(last_panel, last_panel - first_panel, last_block - first_block);
    for (int block = first_block; block < last_block; ++block) {
      const BlockRows rows = gathered_.in_place(args_, first_row(block), rows_of(block));
      for (int panel = first_panel; panel < last_panel; ++panel) {
        run_block(rows, panel, prefetch);
      }
    }
  }

  // Rows outer: a block is gathered once for all the columns.
  void run_gathered() {
    for (int block = 0; block < blocks_; ++block) {
      const BlockRows rows = take_rows(first_row(block), rows_of(block));
      for (int panel = args_.first_panel; panel < args_.last_panel; ++panel) {
        Prefetch prefetch = block == 0 ? fetch(panel + 1, 1, 1) : Prefetch{};
        run_block(rows, panel, prefetch);
      }
    }
  }

  BlockRows take_rows(int row, int rows) {
    switch (place_) {
      case Place::kDirect:
        return GatheredRows::direct(args_, row, rows, tile_rows_, places_);
      case Place::kWindow:
        return gathered_.window(args_, row, rows, tile_rows_, places_);
      default:
        return gathered_.gather(args_, row, rows);
    }
  }

  // What is multiplied next, fetched while `panels` of weights meet `blocks` blocks of rows: as
  // many panels from `panel` on or, behind the last one, the next product's first.
  Prefetch fetch(int panel, int panels, int blocks) const {
    constexpr std::ptrdiff_t kMostBytes = 256 * 1024;
    const std::ptrdiff_t panel_bytes = std::ptrdiff_t{kPanelWidth} * depth_;
    const bool is_last = panel == args_.last_panel;
    const std::int8_t* const first = is_last ? args_.next_b : args_.b + panel * panel_bytes;
    const std::ptrdiff_t wanted = is_last ? args_.next_bytes : panels * panel_bytes;
    const std::ptrdiff_t bytes = wanted < kMostBytes ? wanted : kMostBytes;
    const std::ptrdiff_t slots =
        std::ptrdiff_t{kSlotsOfStep} * kPairs * blocks * panels * (steps_ + (has_rest_ ? 1 : 0));
    return {first, bytes, slots};
  }

  void run_block(const BlockRows& rows, int panel, Prefetch& prefetch) {
    // The rows of a block and so many steps stay in the nearest cache for the whole panel.
    constexpr int kMostSteps = 16;
    const int column = panel * kPanelWidth;
    const int left = (round_up(args_.n, kColumnGroup) - column) / kColumnGroup;
    const int vectors = left < kVectors ? left : kVectors;
    const int pairs = parts(vectors, 2);
    const int sections = pairs == 1 || has_places() ? 1 : parts(steps_, kMostSteps);
    for (int section = 0; section < sections; ++section) {
      for (int pair = 0; pair < pairs; ++pair) {
        const int v = 2 * pair;
        std::int32_t* const sums = sums_[turn_ ^ pair];
        const Pass pass{rows,
                        column + v * kColumnGroup,
                        vectors - v < 2 ? 1 : 2,
                        args_.b + std::ptrdiff_t{column} * depth_ + v * kTileDepth,
                        std::ptrdiff_t{vectors} * kTileDepth,
                        start_of(section, rows, column + v * kColumnGroup, sums),
                        sums,
                        steps_ * section / sections,
                        steps_ * (section + 1) / sections,
                        section + 1 == sections};
        run_pass(pass, prefetch);
      }
    }
    turn_ ^= pairs & 1;
  }

  // From the second tile of rows, which ends with the block and repeats rows of the first where
  // they meet.
  int second_row(const BlockRows& rows) const {
    return two_row_tiles() ? rows.rows - tile_rows_ : 0;
  }

  Start start_of(int section, const BlockRows& rows, int column, const std::int32_t* sums) const {
    if (section > 0) {
      return {sums, kSumStride, second_row(rows) * std::ptrdiff_t{kSumStride}};
    }
    return {args_.column_offset ? args_.column_offset + column : nullptr, 0, 0};
  }

  void run_pass(const Pass& pass, Prefetch& prefetch) {
    if (two_row_tiles() && pass.vectors == 2 && is_inlined<kEnding>(args_, stored_)) {
      multiply<2, 2, kEnding.is_inlined>(pass, prefetch);
    } else if (two_row_tiles()) {
      pass.vectors == 2 ? multiply<2, 2>(pass, prefetch) : multiply<2, 1>(pass, prefetch);
    } else {
      pass.vectors == 2 ? multiply<1, 2>(pass, prefetch) : multiply<1, 1>(pass, prefetch);
    }
  }

  // Beside the multiplications: the sums of the pass before are stored, those of the one before it
  // become results, weights and lines of the result are fetched.
  template <int kRowTiles, int kColumnTiles, bool kInlined = false>
  [[gnu::noinline]] void multiply(const Pass& pass, Prefetch& prefetch) {
    const std::ptrdiff_t second = second_row(pass.rows);
    const std::ptrdiff_t step_bytes = tile_depth_ / kDepthGroup * pass.row_bytes;
    const bool rest = pass.is_last && has_rest_;
    const int steps = pass.last_step - pass.first_step + (rest ? 1 : 0);
    PendingRows<kEnding, kInlined> pending(args_, stored_, kSlotsOfStep * steps);
    Prefetch fetching = prefetch;  // in registers
    OutputLines out(args_, pass.rows.row, pass.rows.rows, pass.column, kSlotsOfStep * steps);
    const auto between = [&]() __attribute__((always_inline)) {
      fetching.some();
      out.some();
      pending.some();
    };
    StepOperands at{pass.rows.a + pass.first_step * kTileDepth, pass.rows.lda,
                    second * pass.rows.lda, pass.b + pass.first_step * step_bytes, pass.row_bytes};
    if (has_places()) {
      go_to_place(at, 0);
    }
    first_step<kRowTiles, kColumnTiles>(at, pass.start, in_tiles_.at, in_tiles_.second,
                                        in_tiles_.vectors == 2, between);
    for (int step = 1; step < steps; ++step) {
      at.a += kTileDepth;
      if (has_places()) {
        go_to_place(at, step);
      }
      at.b += step_bytes;
      if (rest && step + 1 == steps) {
        at = {pass.rows.last, kTileDepth, second * kTileDepth,
              pass.b + (depth_ - kTileDepth) / kDepthGroup * pass.row_bytes, pass.row_bytes};
      }
      multiply_step<kRowTiles, kColumnTiles>(at, between);
    }
    pending.rest();
    prefetch = fetching;
    stored_ = in_tiles_;
    in_tiles_ = {pass.sums,   second * kSumStride, pass.rows.row, pass.is_last ? pass.rows.rows : 0,
                 pass.column, pass.vectors};
  }

  void go_to_place(StepOperands& at, int step) const {
    at.a = places_[step].a;
    at.second = places_[step].second;
  }

  static constexpr int kPairs = kVectors / 2;

  const GemmArgs& args_;
  const Place place_;
  int depth_;       // of all taps together
  int tile_depth_;  // of a step
  int steps_;       // whole ones
  bool has_rest_;   // one more step, for the bytes behind the whole ones
  int blocks_;      // of rows
  int tile_rows_;   // half of a block's, where it has more than a tile's
  int turn_ = 0;    // whose sums the first pass of the next block takes
  alignas(64) std::int32_t sums_[kPairs][kMostBlockRows * kPassColumns];
  PassSums in_tiles_{sums_[1]};  // of the last pass; at first zeros, which nobody looks at
  PassSums stored_;              // of the pass before it
  StepPlace places_[kMostPlaces];
  GatheredRows gathered_;
};

}  // namespace
}  // namespace qe::kernels
