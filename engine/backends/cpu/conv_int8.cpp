// Convolutions in integers, as an indirect matrix product without an im2col buffer: a row is an
// output pixel, its depth the pieces of the input that lie under the kernel. A 1x1 convolution is a
// plain product. Everything after the sum is in the epilogue: bias, scales, residual, activation by
// saturation or by a table of 256 bytes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/backends/cpu/byte_epilogue.h"
#include "engine/backends/cpu/maps.h"
#include "engine/backends/cpu/split.h"
#include "engine/passes/integer_nodes.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

using kernels::kColumnGroup;
using kernels::kDepthGroup;
using kernels::kPanelWidth;
using kernels::round_up;

// How the pixels under the kernel are cut into pieces of consecutive bytes. The image's four-byte
// pixels make a piece of a whole kernel row, everything else a piece of one pixel's channels.
struct Pieces {
  int count = 1;
  int bytes = 1;
  bool plain = false;  // rows of the input are rows of the product

  int padded() const { return round_up(bytes, kDepthGroup); }
  int depth() const { return count * padded(); }
};

struct Geometry {
  MapShape in, out;
  int kernel_height, kernel_width;
  bool image;  // the input is four-byte pixels
  ConvOp op;

  Geometry(const Graph& graph, const Node& node)
      : in(map_shape(graph.value(node.inputs[0]))),
        out(map_shape(graph.value(node.outputs[0]))),
        kernel_height(static_cast<int>(graph.value(node.inputs[1]).shape[2])),
        kernel_width(static_cast<int>(graph.value(node.inputs[1]).shape[3])),
        image(is_pixels(graph.value(node.inputs[0]))),
        op(std::get<ConvOp>(node.op)) {}

  Pieces pieces() const {
    if (image && op.dilation == 1) return {.count = kernel_height, .bytes = 4 * kernel_width};
    const Padding& p = op.padding;
    const bool padded = p.top + p.left + p.bottom + p.right > 0;
    return {.count = kernel_height * kernel_width,
            .bytes = in.channels / op.groups,
            .plain = kernel_height * kernel_width == 1 && op.stride == 1 && !padded};
  }
};

class ConvInt8Step : public Step {
 public:
  int n = 0;  // output channels of a group
  int groups = 1;
  int group_bytes = 0;  // input channels of a group
  Pieces pieces;
  int pixels = 0;  // of an output image
  const std::int8_t* packed = nullptr;
  std::size_t packed_stride = 0;  // bytes of a group's weights
  int column_stride = 0;          // per-channel arrays of a group
  kernels::Taps taps;             // but for the image and the part's first row
  const std::int32_t* column_offset = nullptr;
  ByteEpilogue epilogue;
  BufferRef x, residual, y;
  bool out_bytes = true;
  bool keep_rows = false;
  int row_unit = kRowUnit;
  Activation activation = Activation::kNone;

  Tile tile_of(const StepContext& context) const noexcept {
    return split_product(context.inputs.sequences * pixels, n, kPanelWidth, context.parts,
                         context.part, keep_rows, row_unit);
  }

  std::span<const std::int8_t> weights(const StepContext& context) const noexcept override {
    if (groups == 1) return packed_columns(packed, tile_of(context).columns, pieces.depth());
    return {packed, packed_stride * static_cast<std::size_t>(groups)};
  }

  void run(const StepContext& context) const noexcept override {
    const Tile tile = tile_of(context);
    if (tile.rows.begin == tile.rows.end || tile.columns.begin == tile.columns.end) return;
    for (int group = 0; group < groups; ++group) run_group(context, tile, group);
  }

 private:
  void run_group(const StepContext& context, const Tile& tile, int group) const noexcept {
    kernels::GemmArgs args{};
    kernels::Taps own_taps = taps;
    own_taps.first_row = tile.rows.begin;
    own_taps.image_stride = x.row_bytes;
    args.a = x.at<std::uint8_t>(context, 0) + group * group_bytes;
    if (pieces.plain) {
      args.a += tile.rows.begin * x.pixel_bytes;
      args.lda = x.pixel_bytes;
    } else {
      args.taps = &own_taps;
    }
    args.b = packed + static_cast<std::size_t>(group) * packed_stride;
    args.next_b = context.next_weights.data();
    args.next_bytes = std::ssize(context.next_weights);
    args.m = tile.rows.end - tile.rows.begin;
    args.n = n;
    args.k = pieces.bytes;
    args.first_panel = tile.columns.begin / kPanelWidth;
    args.last_panel = kernels::panel_count(tile.columns.end);
    const std::ptrdiff_t column = std::ptrdiff_t{group} * column_stride;
    args.column_offset = column_offset + column;
    args.column_scale = epilogue.scale + column;
    args.bias = epilogue.bias + column;
    args.activation = activation;
    std::byte* const out = context.arena + y.offset + tile.rows.begin * y.pixel_bytes;
    if (!out_bytes) {
      args.out_f32 = reinterpret_cast<float*>(out) + group * n;
      args.ld_out_f32 = y.pixel_bytes / static_cast<std::ptrdiff_t>(sizeof(float));
    } else {
      args.out_u8 = reinterpret_cast<std::uint8_t*>(out) + group * n;
      args.ld_out_u8 = y.pixel_bytes;
      args.table = epilogue.table;
      if (epilogue.has_residual) {
        args.residual_u8 = residual.at<std::uint8_t>(context, 0) +
                           tile.rows.begin * residual.pixel_bytes + group * n;
        args.ld_residual_u8 = residual.pixel_bytes;
        args.residual_scale = epilogue.residual_scale;
      }
    }
    context.table.gemm(args);
  }
};

// Where each piece of each output pixel begins, counted from the image's first byte.
const std::int32_t* tap_offsets(const Geometry& g, const Pieces& pieces, std::ptrdiff_t pixel_bytes,
                                LoweringContext& context) {
  const auto count =
      static_cast<std::size_t>(g.out.pixels()) * static_cast<std::size_t>(pieces.count);
  auto* const offsets = context.weights.allocate<std::int32_t>(count);
  std::int32_t* next = offsets;
  const int across = pieces.count / g.kernel_height;
  for (int p = 0; p < g.out.pixels(); ++p) {
    for (int t = 0; t < pieces.count; ++t) {
      const int row = p / g.out.width * g.op.stride - g.op.padding.top + t / across * g.op.dilation;
      const int column =
          p % g.out.width * g.op.stride - g.op.padding.left + t % across * g.op.dilation;
      const bool inside = row >= 0 && row < g.in.height && column >= 0 && column < g.in.width;
      *next++ = inside ? static_cast<std::int32_t>((row * g.in.width + column) * pixel_bytes)
                       : kernels::kPaddingTap;
    }
  }
  return offsets;
}

// Rows of one group as the product reads them: [n][pieces][bytes padded to a multiple of four].
std::vector<std::int8_t> arrange(const Geometry& g, const Pieces& pieces, const Value& weight,
                                 int group, int n) {
  const auto stored = weight.constant.at(0).data<std::int8_t>();
  const auto channels = static_cast<int>(weight.shape[1]);
  const int area = g.kernel_height * g.kernel_width;
  std::vector<std::int8_t> rows(
      static_cast<std::size_t>(n) * static_cast<std::size_t>(pieces.depth()), 0);
  const int across = pieces.count / g.kernel_height;  // 1: a piece holds a whole kernel row
  for (int o = 0; o < n; ++o) {
    for (int c = 0; c < channels; ++c) {
      for (int i = 0; i < area; ++i) {
        const int tap = across == 1 ? i / g.kernel_width : i;
        const int place = across == 1 ? i % g.kernel_width * g.in.channels + c : c;
        const int to = o * pieces.depth() + tap * pieces.padded() + place;
        const int from = ((group * n + o) * channels + c) * area + i;
        rows[static_cast<std::size_t>(to)] = stored[static_cast<std::size_t>(from)];
      }
    }
  }
  return rows;
}

void pack_groups(ConvInt8Step& step, const Geometry& g, const Value& weight,
                 LoweringContext& context, std::vector<std::int32_t>& column_sum) {
  const int depth = step.pieces.depth();
  step.packed_stride = (kernels::packed_bytes(step.n, depth) + 63) / 64 * 64;
  step.column_stride = round_up(step.n, kColumnGroup);
  const auto groups = static_cast<std::size_t>(step.groups);
  auto* const packed = context.weights.allocate<std::int8_t>(step.packed_stride * groups);
  column_sum.assign(groups * static_cast<std::size_t>(step.column_stride), 0);
  for (int group = 0; group < step.groups; ++group) {
    const std::vector<std::int8_t> rows = arrange(g, step.pieces, weight, group, step.n);
    context.table.pack_weights(
        {.w = rows.data(),
         .ldw = depth,
         .n = step.n,
         .k = depth,
         .first_panel = 0,
         .last_panel = kernels::panel_count(step.n),
         .packed = packed + static_cast<std::size_t>(group) * step.packed_stride,
         .column_sum = column_sum.data() + std::ptrdiff_t{group} * step.column_stride});
  }
  step.packed = packed;
}

// What the pieces of neighbouring pixels of the output have in common.
void set_neighbours(ConvInt8Step& step, const Geometry& g) {
  if (step.pieces.plain || g.op.dilation != 1) return;
  step.taps.out_width = g.out.width;
  step.row_unit = std::max(kernels::tile_of_row(g.out.width), kRowUnit);
  if (step.pieces.count == g.kernel_height * g.kernel_width) {
    step.taps.kernel_width = g.kernel_width;
    step.taps.stride = g.op.stride;
  } else {
    step.taps.row_step = g.op.stride * static_cast<int>(step.x.pixel_bytes);
  }
}

std::string describe(const ConvInt8Step& step, const Geometry& g) {
  std::string text = step.pieces.plain ? "gemm u8s8" : "indirect gemm u8s8";
  if (step.groups > 1) text += " x" + std::to_string(step.groups);
  if (g.op.activation != Activation::kNone) {
    text += " " + std::string(name(g.op.activation));
    if (step.out_bytes) text += step.epilogue.table != nullptr ? " by table" : " by saturation";
  }
  if (step.epilogue.has_residual) text += " +residual";
  return text + (step.out_bytes ? " -> u8" : " -> f32");
}

}  // namespace

LoweredStep lower_conv_int8(const Node& node, LoweringContext& context) {
  const Geometry g(context.graph, node);
  const Value& weight = context.graph.value(node.inputs[1]);
  auto step = std::make_unique<ConvInt8Step>();
  step->pieces = g.pieces();
  require_exact_depth(weight, step->pieces.depth());
  step->groups = g.op.groups;
  step->n = g.out.channels / g.op.groups;
  step->group_bytes = g.in.channels / g.op.groups;
  step->pixels = g.out.pixels();
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  if (node.inputs[3] != kNoValue) step->residual = context.buffer(node.inputs[3]);
  step->out_bytes = context.graph.value(node.outputs[0]).dtype == DType::kU8;
  if (!step->out_bytes) step->activation = g.op.activation;

  std::vector<std::int32_t> column_sum;
  pack_groups(*step, g, weight, context, column_sum);
  set_neighbours(*step, g);
  // Threads that share rows gather the same pieces.
  const bool shares_gathering = !step->pieces.plain && step->pixels >= step->n;
  step->keep_rows =
      shares_gathering || element_count(weight.shape) < std::int64_t{g.in.pixels()} * g.in.channels;
  const std::int32_t zero_point = input_zero_point(node, context);
  if (!step->pieces.plain) {
    step->taps.count = step->pieces.count;
    step->taps.pixels = step->pixels;
    step->taps.offset = tap_offsets(g, step->pieces, step->x.pixel_bytes, context);
    const auto bytes =
        static_cast<std::size_t>(kernels::padding_bytes(step->pieces.bytes, step->taps.row_step));
    auto* const padding = context.weights.allocate<std::uint8_t>(bytes);
    std::memset(padding, zero_point, bytes);
    step->taps.padding = padding;
  }
  auto* const offset = context.weights.allocate<std::int32_t>(column_sum.size());
  for (std::size_t i = 0; i < column_sum.size(); ++i) offset[i] = -zero_point * column_sum[i];
  step->column_offset = offset;
  step->epilogue = byte_epilogue(node, step->n, step->column_stride, context);
  release_source(weight, context.options);

  StepInfo info;
  info.kernel = describe(*step, g);
  info.macs_per_row = conv_macs(context.graph, node);
  info.weight_bytes = step->packed_stride * static_cast<std::size_t>(step->groups);
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cpu
