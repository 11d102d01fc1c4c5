// Opening with the shared flags.
#include "tools/support/models.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>

#include <qe/config.h>
#include <qe/error.h>
#include <qe/load.h>

namespace qe::tools {
namespace {

// Positions the model has, by config.json; unbounded without that file.
int positions(const std::filesystem::path& directory) {
  constexpr int kUnbounded = std::numeric_limits<int>::max();
  const std::filesystem::path file = directory / "config.json";
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return kUnbounded;
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return static_cast<int>(Config::parse(text, file.string())
                              .integer_or("max_position_embeddings", kUnbounded, 1, kUnbounded));
}

}  // namespace

TextClassifierOptions classifier_options(const SharedFlags& flags, int max_sequences) {
  TextClassifierOptions options;
  options.threads = flags.threads;
  options.max_length = flags.max_length;
  options.max_sequences = max_sequences;
  options.isa = flags.isa;
  options.device = flags.device;
  options.use_mmap = !flags.no_mmap;
  return options;
}

DecodeOptions decode_options(const SharedFlags& flags) {
  return {.exif_rotation = !flags.no_exif_rotation};
}

ImageClassifierOptions image_classifier_options(const SharedFlags& flags, int max_images) {
  ImageClassifierOptions options;
  options.threads = flags.threads;
  options.max_images = max_images;
  options.isa = flags.isa;
  options.device = flags.device;
  options.use_mmap = !flags.no_mmap;
  options.decode = decode_options(flags);
  return options;
}

DirectoryTokenizer open_tokenizer(const std::filesystem::path& directory,
                                  const SharedFlags& flags) {
  Tokenizer tokenizer = load_tokenizer(directory);
  const int most = positions(directory);
  if (flags.max_length > most) {
    throw UsageError({.problem = "is more than the model's positions",
                      .name = "--max-length",
                      .expected = "at most " + std::to_string(most),
                      .actual = std::to_string(flags.max_length)});
  }
  const int length = flags.max_length > 0 ? flags.max_length : tokenizer.default_max_length(most);
  return {.tokenizer = std::move(tokenizer), .max_length = length};
}

std::string scheme_name(const Model& model) {
  if (!model.quantized) return "float";
  // Feature maps have calibrated ranges; what is pooled from them is one row an image.
  const bool maps = std::any_of(
      model.graph.values.begin(), model.graph.values.end(),
      [](const Value& value) { return value.constant.empty() && is_map(value) && value.quant; });
  if (maps) return "int8 static";
  const bool dynamic =
      std::any_of(model.graph.values.begin(), model.graph.values.end(),
                  [](const Value& value) { return value.quant && value.quant->dynamic; });
  return dynamic ? "int8 dynamic" : "int8 static";
}

}  // namespace qe::tools
