// Writing of quantized models as Hugging Face directories that other tools load too: int8 weights
// and scales in compressed-tensors form, tokenizer files carried over.
#pragma once

#include <filesystem>
#include <string>

#include <qe/checkpoint.h>

namespace qe {

struct WriteOptions {
  // Replace an existing model directory: it is swapped in one step, so it is the old or the new one
  // at any instant. Any other existing path is refused in every case.
  bool force = false;
  // How the model was made: a JSON object stored as it is in qe_config.json. Leave out what changes
  // between runs (times, paths, thread counts), so that equal inputs give equal bytes.
  std::string recipe = "{}";
};

// Writes `quantized` as `output`: config.json and the tokenizer files of `source` (the directory or
// bare state dict it was made from), model.safetensors, and qe_config.json with the recipe, xxh64
// hashes of the input files and the output scales of static models. Weights must be kI8 and
// symmetric; float tensors are stored as F32. The directory appears complete or not at all;
// whatever fails leaves an existing one as it was, and leftovers of killed runs beside it are
// removed. Throws UsageError if `output` exists (without force), is not a model directory (with
// force), or contains `source`, and for a checkpoint or recipe that cannot be represented;
// LoadError if `source` is quantized or unreadable; IoError; ResourceError.
void write_quantized(const Checkpoint& quantized, const std::filesystem::path& source,
                     const std::filesystem::path& output, const WriteOptions& options = {});

}  // namespace qe
