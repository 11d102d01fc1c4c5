// Vision Transformer (Dosovitskiy et al. 2020): patches as tokens, a class token, learned positions
// and a pre-norm encoder, under timm's names (fused query, key and value) and as Hugging Face saves
// ViTForImageClassification. The image must have as many patches as the positions; they are not
// interpolated.
#include <algorithm>
#include <array>
#include <charconv>

#include "engine/models/image_builder.h"
#include "engine/models/models.h"
#include "engine/models/timm_config.h"

#include <qe/error.h>

namespace qe::models {
namespace {

struct VitConfig {
  std::int64_t patch, width, layers, heads, intermediate;
  double epsilon;
  Activation activation = Activation::kGeluErf;
};

struct LayerNames {
  std::string norm1, qkv, query, key, value, project, norm2, widen, narrow;  // qkv, or the three
};

// Table 1 of the paper and of Touvron et al. 2020 (tiny, small).
struct Size {
  std::string_view name;
  int width, heads;
};
constexpr std::array kSizes = {Size{"tiny", 192, 3}, Size{"small", 384, 6}, Size{"base", 768, 12}};
constexpr int kLargestPatch = 1024;
constexpr int kLayers = 12;
constexpr int kWiden = 4;

void check_heads(const Config& config, const char* key, const VitConfig& c) {
  if (c.width % c.heads == 0) return;
  throw LoadError({.problem = "width is not divisible by the number of heads",
                   .file = config.file(),
                   .name = key,
                   .expected = "a divisor of " + std::to_string(c.width),
                   .actual = std::to_string(c.heads)});
}

// The number after "_patch".
std::int64_t patch_of(const std::string& name, const Config& config) {
  constexpr std::string_view kPatch = "_patch";
  std::int64_t patch = 0;
  std::from_chars(name.data() + name.find(kPatch) + kPatch.size(), name.data() + name.size(),
                  patch);
  if (patch >= 1 && patch <= kLargestPatch) return patch;
  throw UnsupportedError({.problem = "patch size out of range",
                          .file = config.file(),
                          .name = "architecture",
                          .expected = "1 to " + std::to_string(kLargestPatch),
                          .actual = name});
}

// vit_<size>_patch<patch>_<image>, each number replaceable by an argument.
VitConfig timm_config(const Config& config) {
  const Config arguments = timm_arguments(
      config, {"patch_size", "embed_dim", "depth", "num_heads", "img_size"}, "token");
  const std::string name = timm_architecture(config);
  const Size& size = *std::find_if(kSizes.begin(), kSizes.end(), [&](const Size& s) {
    return name.find("_" + std::string(s.name) + "_") != std::string::npos;
  });
  VitConfig c{.patch = arguments.integer_or("patch_size", patch_of(name, config), 1, kLargestPatch),
              .width = arguments.integer_or("embed_dim", size.width, 1, 65536),
              .layers = arguments.integer_or("depth", kLayers, 1, 1024),
              .heads = arguments.integer_or("num_heads", size.heads, 1, 1024),
              .intermediate = 0,
              .epsilon = 1e-6};
  c.intermediate = kWiden * c.width;
  check_heads(config, "model_args.num_heads", c);
  return c;
}

VitConfig hugging_face_config(const Config& config) {
  config.integer_or("num_channels", 3, 3, 3);
  const VitConfig c{.patch = config.integer_or("patch_size", 16, 1, kLargestPatch),
                    .width = config.integer("hidden_size", 1, 65536),
                    .layers = config.integer("num_hidden_layers", 1, 1024),
                    .heads = config.integer("num_attention_heads", 1, 1024),
                    .intermediate = config.integer("intermediate_size", 1, 65536),
                    .epsilon = config.real_or("layer_norm_eps", 1e-12, 1e-20, 1.0),
                    .activation = parse_activation(config, "hidden_act")};
  check_heads(config, "num_attention_heads", c);
  return c;
}

LayerNames timm_layer(std::int64_t i) {
  const std::string block = "blocks." + std::to_string(i) + ".";
  return {.norm1 = block + "norm1",
          .qkv = block + "attn.qkv",
          .query = {},
          .key = {},
          .value = {},
          .project = block + "attn.proj",
          .norm2 = block + "norm2",
          .widen = block + "mlp.fc1",
          .narrow = block + "mlp.fc2"};
}

LayerNames hugging_face_layer(std::int64_t i) {
  const std::string layer = "vit.encoder.layer." + std::to_string(i) + ".";
  const std::string self = layer + "attention.attention.";
  return {.norm1 = layer + "layernorm_before",
          .qkv = {},
          .query = self + "query",
          .key = self + "key",
          .value = self + "value",
          .project = layer + "attention.output.dense",
          .norm2 = layer + "layernorm_after",
          .widen = layer + "intermediate.dense",
          .narrow = layer + "output.dense"};
}

ValueId encoder_layer(ImageModelBuilder& b, const VitConfig& c, ValueId x, const LayerNames& n) {
  const ValueId y = b.layer_norm(x, n.norm1, c.epsilon);
  const std::string name = n.project + ".attention";
  const int heads = static_cast<int>(c.heads);
  const ValueId context =
      n.qkv.empty() ? b.attention(b.linear(y, n.query, c.width), b.linear(y, n.key, c.width),
                                  b.linear(y, n.value, c.width), name, heads)
                    : b.self_attention(b.linear(y, n.qkv, 3 * c.width), name, heads);
  x = b.add(b.linear(context, n.project, c.width), x, n.project + ".add");

  ValueId wide = b.linear(b.layer_norm(x, n.norm2, c.epsilon), n.widen, c.intermediate);
  wide = b.activation(wide, n.widen + ".act", c.activation);
  return b.add(b.linear(wide, n.narrow, c.width), x, n.narrow + ".add");
}

struct EndNames {
  std::string patches, cls, positions, norm, head;
};

Model build(ImageModelBuilder& b, const VitConfig& c, const EndNames& names,
            LayerNames (*layer)(std::int64_t)) {
  const int patch = static_cast<int>(c.patch);
  ValueId x =
      b.conv(b.image(), names.patches, c.width, {.kernel = patch, .stride = patch, .padding = 0});
  x = b.patch_tokens(x, "tokens", names.cls, names.positions);
  for (std::int64_t i = 0; i < c.layers; ++i) x = encoder_layer(b, c, x, layer(i));
  x = b.select_first(b.layer_norm(x, names.norm, c.epsilon), "class_token");
  return b.finish(b.linear(x, names.head, b.head_rows(names.head)));
}

}  // namespace

Model vit(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  return build(b, timm_config(b.config()),
               {.patches = "patch_embed.proj",
                .cls = "cls_token",
                .positions = "pos_embed",
                .norm = "norm",
                .head = "head"},
               timm_layer);
}

Model vit_for_image_classification(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  const std::string embeddings = "vit.embeddings.";
  return build(b, hugging_face_config(b.config()),
               {.patches = embeddings + "patch_embeddings.projection",
                .cls = embeddings + "cls_token",
                .positions = embeddings + "position_embeddings",
                .norm = "vit.layernorm",
                .head = "classifier"},
               hugging_face_layer);
}

}  // namespace qe::models
