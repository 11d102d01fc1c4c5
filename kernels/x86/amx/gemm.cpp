// u8 x s8 matrix product and convolution in AMX tiles: which ending a product has is decided here,
// once for all of its rows. Products that fill too little of a tile are left to AVX-512 VNNI. Uses
// AMX-TILE, AMX-INT8, PRFCHW and what that folder uses. Why these blocks and this order:
// docs/decisions/0012-amx-tiles.md.
#include "kernels/isa_tables.h"
#include "kernels/x86/amx/product.h"

namespace qe::kernels::amx {
namespace {

template <Ending kEnding>
void run(const GemmArgs& args) {
  Product<kEnding> product(args);
  const TileConfig config(product.tile_rows(), product.tile_depth());
  product.run();
}

void run_bytes(const GemmArgs& args) {
  if (args.table) {
    run<Ending{Epilogue::kBytes}>(args);
  } else if (args.residual_u8) {
    run<Ending{Epilogue::kBytes, RowTerms::kNone, true, true}>(args);
  } else {
    run<Ending{Epilogue::kBytes, RowTerms::kNone, false, true}>(args);
  }
}

template <RowTerms kTerms>
void run_floats(const GemmArgs& args) {
  if (args.residual) {
    run<Ending{Epilogue::kFloats, kTerms, true, true}>(args);
  } else {
    run<Ending{Epilogue::kFloats, kTerms, false, true}>(args);
  }
}

template <Activation kActivation>
void run_activated(const GemmArgs& args) {
  if (args.row_floor) {
    run<Ending{Epilogue::kAny, RowTerms::kScaleAndFloor, false, true, kActivation}>(args);
  } else {
    run<Ending{Epilogue::kAny, RowTerms::kScale, false, true, kActivation}>(args);
  }
}

void run_any(const GemmArgs& args) {
  const bool simple = !args.table && !args.residual && !args.residual_u8;
  if (simple && args.activation == Activation::kGeluErf) {
    run_activated<Activation::kGeluErf>(args);
  } else if (simple && args.activation == Activation::kGeluTanh) {
    run_activated<Activation::kGeluTanh>(args);
  } else {
    run<Ending{Epilogue::kAny}>(args);
  }
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
  return !args.taps || fits_direct(args) || (args.k >= kLeastPiece && depth <= kMostGatheredDepth);
}

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  if (!fills_tiles(args)) {
    avx512_vnni::gemm(args);
    return;
  }
  switch (epilogue_of(args)) {
    case Epilogue::kBytes:
      run_bytes(args);
      break;
    case Epilogue::kFloats:
      args.row_floor ? run_floats<RowTerms::kScaleAndFloor>(args)
                     : run_floats<RowTerms::kScale>(args);
      break;
    case Epilogue::kAny:
      run_any(args);
      break;
  }
}

}  // namespace qe::kernels::amx
